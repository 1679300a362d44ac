"""Rules on what a training result consists of: directories, files, the edition it declares (section 2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition, edition_names
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.records import TrainingResult
from pytest_mlpstorage.rules.leaf_files import missing_files, unreadable_records
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


@rule("2.1.17", "runTimestamps", subject=TrainingResult, editions=("3.0",))
def run_timestamps(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence]:
    """Every directory in ``run/`` is named ``YYYYMMDD_HHMMSS``, and there are exactly as many as the edition demands.

    The warm-up is one of them, the earliest. Only directories are counted: ``run/`` also holds ``results.json``.
    """
    # Conflict C-8: the tool's own check at run time is content with five. A package is judged by the text, which says
    # exactly six, because a seventh run leaves open which of them were chosen.
    pattern = re.compile(edition.timestamp_pattern, re.ASCII)
    place = f"{result.relpath}/run"
    names = [name for name in result.run_listing.directories if not is_noise(name)]
    for name in names:
        if not pattern.fullmatch(name):
            yield Finding(
                "a directory in run/ is not named as a timestamp", measured=name, required="YYYYMMDD_HHMMSS", file=f"{place}/{name}"
            )
    required = edition.training.run_directories
    if len(names) != required:
        split = f"{edition.training.warmup_runs} warm-up + {edition.training.measured_runs} measured"
        yield Finding(
            f"run/ does not hold the run directories of a complete result ({split})", measured=len(names), required=required, file=place
        )


@rule("2.1.19", "runFiles", subject=TrainingResult, editions=("3.0",))
def run_files(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence]:
    """Every run holds the files of a finished run, and its summary and metadata can be read.

    A file that the publisher emptied of its content counts as present. What this rule reports as missing or unreadable
    is no evidence for the other rules.
    """
    required = edition.required_files.get("training/run")
    if required is None or isinstance(required, Unknown):
        yield NoEvidence(f"the files of a run are not known for edition {edition.name}")
        return
    if not result.runs:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
    for leaf in result.runs:
        yield from missing_files(leaf, required)
        yield from unreadable_records(leaf)


@rule("EDN-01", "rulesEdition", subject=TrainingResult, editions=("1.0", "2.0", "3.0"))
def rules_edition(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence]:
    """The edition that a submission declares is one that exists.

    A result that declares another is judged by the current edition, and cannot pass.
    """
    if result.edition not in edition_names():
        declared = f"{'/'.join(result.relpath.split('/')[:2])}/submission.yaml"
        yield Finding(
            f"the declared edition does not exist; judged by edition {edition.name}",
            measured=result.edition,
            required=" or ".join(edition_names()),
            file=declared,
            field="rules_edition",
        )
