"""Rules on what a checkpointing result consists of: its name, directories, files, idle time between its runs (section 2.1)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.base import Unknown
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf
from pytest_mlpstorage.rules.checkpoints import Moment, checkpointing_of, span_of
from pytest_mlpstorage.rules.leaf_files import dlio_config_findings, missing_files, unreadable_records
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import seconds
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


@rule("2.1.21", "checkpointingWorkloads", subject=CheckpointingResult, editions=("3.0",), preflight=True)
def checkpointing_workloads(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of a checkpointing result bears the name of one of the edition's models, in its very letters."""
    models = checkpointing_of(edition).models
    if result.model not in models:
        yield Finding(
            "the directory is not named as a model of the checkpointing benchmark",
            measured=result.model,
            required=", ".join(models),
            file=result.relpath,
        )
    else:
        yield Met(result.model, f"one of {', '.join(models)}")


@rule("2.1.22", "checkpointingResultsJson", subject=CheckpointingResult, editions=("3.0",))
def results_json(result: CheckpointingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The model directory holds exactly one ``results.json``, beside the runs."""
    wanted = "results.json"
    alike = [name for name in result.entries.files if name.lower() == wanted]
    if alike != [wanted]:
        yield Finding(
            f"the model directory does not hold exactly one {wanted}",
            measured=", ".join(alike) or "none",
            required=wanted,
            file=result.relpath,
        )
    else:
        yield Met(f"{len(alike)} {wanted}", f"exactly one {wanted} beside the runs")


@rule("2.1.23", "checkpointingTimestamps", subject=CheckpointingResult, editions=("3.0",))
def run_timestamps(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every directory beside ``results.json`` is named ``YYYYMMDD_HHMMSS``, and there are one (write and read) or two (each alone)."""
    pattern = re.compile(edition.timestamp_pattern, re.ASCII)
    names = [name for name in result.run_listing.directories if not is_noise(name)]
    for name in names:
        if not pattern.fullmatch(name):
            yield Finding(
                "a directory of a run is not named as a timestamp", measured=name, required="YYYYMMDD_HHMMSS", file=result.relpath
            )
        else:
            yield Met(name, "named YYYYMMDD_HHMMSS")
    allowed = sorted({len(form) for form in checkpointing_of(edition).closed_invocations or ()})
    if len(names) not in allowed:
        yield Finding(
            "the model directory does not hold the run directories of a complete result",
            measured=len(names),
            required=" or ".join(map(str, allowed)),
            file=result.relpath,
        )
    else:
        yield Met(_runs(len(names)), f"{' or '.join(map(str, allowed))} runs")


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


@rule("2.1.24", "checkpointingTimestampGap", subject=CheckpointingResult, editions=("3.0",))
def run_gap(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Between two neighbouring runs less time passes idle than the longer of the two took.

    Each run's times are those of its invocation; where its metadata has none, the summary's are taken, which leave out what
    surrounds the measurement, so that the idle time is then an upper bound.
    """
    limit = checkpointing_of(edition).run_gap
    if limit is None:
        return
    spans = [(leaf, *span_of(leaf)) for leaf in result.runs]
    for leaf, begin, end in spans if len(spans) > 1 else ():
        if begin is None or end is None:
            yield NoEvidence(f"nothing says when the run {'began' if begin is None else 'ended'}", leaf.relpath)
        elif end.time < begin.time:
            yield NoEvidence("the run ended before it began, so its times cannot be used", leaf.relpath)
    if len(spans) < 2:
        yield NotAsked(_runs(len(spans)), "asked between two runs")
    known = [(leaf, b, e) for leaf, b, e in spans if b is not None and e is not None and b.time <= e.time]
    known.sort(key=lambda span: (span[1].time, span[0].name))
    for first, second in itertools.pairwise(known):
        yield from _idle(first, second, limit.factor, equal_passes=limit.equal_passes)


def _idle(
    first: tuple[Leaf, Moment, Moment], second: tuple[Leaf, Moment, Moment], factor: float, *, equal_passes: bool
) -> Iterator[Finding | Met]:
    idle = (second[1].time - first[2].time).total_seconds()
    longest = factor * max((end.time - begin.time).total_seconds() for _, begin, end in (first, second))
    exact = second[1].exact and first[2].exact
    limit = f"{'at most' if equal_passes else 'less than'} {seconds(longest)}"
    if idle > longest or (idle == longest and not equal_passes):
        bound = "" if exact else " (an upper bound: the summaries' times)"
        yield Finding(
            f"the time between two runs is {'longer' if equal_passes else 'not shorter'} than the longer of them{bound}",
            measured=seconds(idle),
            required=limit,
            file=second[1].file,
            field=second[1].field,
        )
    else:
        yield Met(f"{'' if exact else 'at most '}{seconds(idle)}", f"idle {limit}, as the longer run took")


@rule("2.1.25", "checkpointingFiles", subject=CheckpointingResult, editions=("3.0",))
def run_files(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run holds the files of a finished run, and its summary and metadata can be read.

    A file that the publisher emptied of its content counts as present. What this rule reports as missing or unreadable is no
    evidence for the other rules.
    """
    required = edition.required_files.get("checkpointing/run")
    if required is None or isinstance(required, Unknown):
        yield NoEvidence(f"the files of a checkpointing run are not known for edition {edition.name}")
        return
    if not result.runs:
        yield NoEvidence("there is no run", result.relpath)
    for leaf in result.runs:
        yield from missing_files(leaf, required)
        yield from unreadable_records(leaf)


@rule("2.1.26", "checkpointingDlioConfig", subject=CheckpointingResult, editions=("3.0",))
def dlio_config(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of DLIO's configuration in every run holds exactly the files that DLIO writes there."""
    if not result.runs:
        yield NoEvidence("there is no run", result.relpath)
    for leaf in result.runs:
        yield from dlio_config_findings(leaf, edition)
