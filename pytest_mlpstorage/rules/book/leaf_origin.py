"""Our own rule on where a leaf comes from: its metadata speak of this leaf, and of a run that was meant to be submitted."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import StoredResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []


@rule("MLPS-LEAF-1", "leafIsWhatItSays", subject=StoredResult, editions=("3.0",))
def leaf_is_what_it_says(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence]:
    """The time in a leaf's metadata is the name of the leaf, and no leaf of a submission was marked as an experiment when it ran.

    No rule of the book compares the two names, so a difference is a warning; every published leaf agrees. The mark is made by this suite
    alone, in the division whatif, where parameters, sizes and counts may be anything.
    """
    for leaf in result.leaves:
        metadata = leaf.metadata
        if leaf.planned or metadata is None:
            continue
        file = metadata.path or leaf.relpath
        if metadata.run_datetime is not None and metadata.run_datetime != leaf.name:
            yield Finding(
                "the metadata are those of another run than the directory is named after",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=shown(metadata.run_datetime),
                required=leaf.name,
                file=file,
                field="run_datetime",
            )
        if result.division is not Division.WHATIF and metadata.mlps.get("not_for_submission") is True:
            yield Finding(
                "a run that was made as an experiment stands in a submission",
                measured="not for submission",
                required="a run of the division closed or open",
                file=file,
                field="mlps.not_for_submission",
            )
