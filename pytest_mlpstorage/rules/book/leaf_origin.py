"""Our own rule on where a leaf comes from: its metadata speak of this leaf, and of a run that was meant to be submitted."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import StoredResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []


@rule("MLPS-LEAF-1", "leafIsWhatItSays", subject=StoredResult, editions=("3.0",))
def leaf_is_what_it_says(result: StoredResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The time in a leaf's metadata is the name of the leaf, and no leaf of a submission was marked as an experiment when it ran.

    No rule of the book compares the two names, so a difference is a warning; every published leaf agrees. The mark is made by this suite
    alone, in the division whatif, where parameters, sizes and counts may be anything.
    """
    read = named = timeless = real = 0
    for leaf in result.leaves:
        metadata = leaf.metadata
        if leaf.planned or metadata is None:
            continue
        read += 1
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
        elif metadata.run_datetime is None:
            timeless += 1
        else:
            named += 1
        if result.division is not Division.WHATIF and metadata.mlps.get("not_for_submission") is True:
            yield Finding(
                "a run that was made as an experiment stands in a submission",
                measured="not for submission",
                required="a run of the division closed or open",
                file=file,
                field="mlps.not_for_submission",
            )
        else:
            real += 1
    if named:
        yield Met(f"{_runs(named)} named so", "named after the time in its metadata")
    if timeless:
        yield NotAsked(f"{_runs(timeless)} without a time", "compared where the metadata have one")
    if real and result.division is not Division.WHATIF:
        yield Met(f"no experiment in {_runs(real)}", "made for closed or open")
    elif read and result.division is Division.WHATIF:
        yield NotAsked("division whatif", "asked in closed and open")
    if not read:
        yield NotAsked("no metadata read", "asked where metadata can be read")


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count > 1)}"
