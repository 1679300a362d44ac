"""Rules on the files of a training result's leaves (section 2.1, DG-TRN-2)."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.base import known
from pytest_mlpstorage.editions.edition import RequiredFiles
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import Leaf, TrainingResult
from pytest_mlpstorage.rules.leaf_files import damaged_records, dlio_config_findings, missing_files, unreadable_records
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []


def _required(edition: Edition, phase: str) -> RequiredFiles:
    return known(edition.required_files[f"training/{phase}"], f"the table of files of {phase}")


def _generations(result: TrainingResult) -> Iterator[Leaf | NoEvidence]:
    """Each datagen leaf; that there is one, and one only, is what rule 2.1.13 asks."""
    if not result.datagen:
        yield NoEvidence("there is no data generation", f"{result.relpath}/datagen")
    yield from result.datagen


def _runs(result: TrainingResult) -> Iterator[Leaf | NoEvidence]:
    if not result.runs:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
    yield from result.runs


@rule("2.1.14", "datagenFiles", subject=TrainingResult, editions=("3.0",))
def datagen_files(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every data generation holds its logs, DLIO's configuration, and metadata that can be read.

    A file that the publisher emptied of its content counts as present.
    """
    # The text also lists DLIO's output, statistics and summary. Those come of training and no data generation can write
    # them; the edition's own table of files leaves them out, and so does this rule.
    required = _required(edition, "datagen")
    for leaf in _generations(result):
        if isinstance(leaf, NoEvidence):
            yield leaf
        else:
            yield from missing_files(leaf, required)
            yield from damaged_records(leaf)


@rule("2.1.15", "datagenDlioConfig", subject=TrainingResult, editions=("3.0",))
def datagen_dlio_config(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """``dlio_config/`` of every data generation holds exactly the three files that DLIO writes there."""
    for leaf in _generations(result):
        if isinstance(leaf, NoEvidence):
            yield leaf
        else:
            yield from dlio_config_findings(leaf, edition)


@rule("2.1.19", "runFiles", subject=TrainingResult, editions=("3.0",))
def run_files(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run holds the files of a finished run, and its summary and metadata can be read.

    A file that the publisher emptied of its content counts as present. What this rule reports as missing or unreadable
    is no evidence for the other rules.
    """
    required = _required(edition, "run")
    for leaf in _runs(result):
        if isinstance(leaf, NoEvidence):
            yield leaf
        else:
            yield from missing_files(leaf, required)
            yield from unreadable_records(leaf)


@rule("2.1.20", "runDlioConfig", subject=TrainingResult, editions=("3.0",))
def run_dlio_config(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """``dlio_config/`` of every run holds exactly the three files that DLIO writes there."""
    for leaf in _runs(result):
        if isinstance(leaf, NoEvidence):
            yield leaf
        else:
            yield from dlio_config_findings(leaf, edition)


@rule("DG-TRN-2", "datagenLeafCompleteness", subject=TrainingResult, editions=("3.0",), severity=Severity.WARNING)
def datagen_completeness(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A data generation says of itself that it generated data, and how many files; one that does not is a warning."""
    # What the official report calls a complete leaf is not published. These are the two things without which a leaf in
    # datagen/ shows nothing of the data that the runs read.
    for leaf in _generations(result):
        if isinstance(leaf, NoEvidence):
            yield leaf
        elif leaf.metadata is None:
            yield NoEvidence("metadata could not be read", leaf.relpath)
        else:
            file, command = leaf.metadata.path or leaf.relpath, leaf.metadata.command
            if command is None or command.strip().lower() != "datagen":
                yield _incomplete("the metadata is not that of a data generation", command, "datagen", file, "command")
            else:
                yield Met(f"command {shown(command.strip())}", "command datagen")
            files = leaf.metadata.parameter_number("dataset.num_files_train")
            if files is None or files < 1:
                given = leaf.metadata.parameter("dataset.num_files_train")
                yield _incomplete(
                    "the metadata does not say how many files were generated",
                    given,
                    "at least 1",
                    file,
                    "parameters.dataset.num_files_train",
                )
            else:
                yield Met(f"{files:.15g} files", "at least 1 file")


def _incomplete(message: str, measured: object, required: str, file: str, field: str) -> Finding:
    return Finding(
        message,
        severity=Severity.WARNING,
        category=Category.CLOSED,
        measured=shown(measured),
        required=required,
        file=file,
        field=field,
    )
