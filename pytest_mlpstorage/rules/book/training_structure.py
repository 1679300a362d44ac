"""Rules on the directories of a training result: which there must be, their names, how far apart the runs are (section 2.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import wall_time
from pytest_mlpstorage.results.layout import PHASES, is_noise
from pytest_mlpstorage.results.records import Listing, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_summary
from pytest_mlpstorage.rules.wording import seconds, shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


def _directories(listing: Listing) -> list[str]:
    """Directories that count: dot entries and what desktops leave behind are tolerated everywhere."""
    return [name for name in listing.directories if not name.startswith(".") and not is_noise(name)]


@rule("2.1.11", "trainingWorkloads", subject=TrainingResult, editions=("3.0",), preflight=True)
def training_workloads(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every directory in ``training/`` is named for a model that the division accepts, in exactly that spelling."""
    accepted = edition.training.models_for(result.division)
    if result.model not in accepted:
        yield Finding(
            f"training/ holds a directory that is no training workload of division {result.division.value}; "
            f"{nearest(result.model, accepted)}",
            measured=shown(result.model),
            required=" or ".join(accepted),
            file=result.relpath,
        )
    else:
        yield Met(result.model, f"in {result.division.value}: {' or '.join(accepted)}")


@rule("2.1.12", "trainingPhases", subject=TrainingResult, editions=("3.0",))
def training_phases(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The directory of a workload holds exactly ``datasize``, ``datagen`` and ``run``; files beside them are allowed."""
    held = _directories(result.entries)
    for phase in PHASES:
        if phase not in held:
            # While the round ran, a missing datasize was only warned of: most tools of the time did not keep it.
            yield Finding("a phase of the workload is missing", required=f"{phase}/", file=result.relpath, part=phase)
    for name in held:
        if name not in PHASES:
            yield Finding(
                "the workload holds a directory that is no phase of training",
                measured=shown(name),
                required=", ".join(PHASES),
                file=f"{result.relpath}/{name}",
            )
    if set(held) == set(PHASES):
        yield Met(", ".join(f"{name}/" for name in sorted(held)), f"exactly {', '.join(f'{phase}/' for phase in sorted(PHASES))}")


@rule("2.1.13", "datagenTimestamp", subject=TrainingResult, editions=("3.0",))
def datagen_timestamp(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """``datagen/`` holds exactly one directory, and it is named ``YYYYMMDD_HHMMSS``."""
    if "datagen" not in result.entries.directories:
        yield NoEvidence("there is no datagen/", result.relpath)
        return
    place = f"{result.relpath}/datagen"
    names = _directories(result.datagen_entries)
    yield from _misnamed(names, place, "datagen/", edition)
    if len(names) != 1:
        yield Finding("datagen/ does not hold the directory of exactly one data generation", measured=len(names), required=1, file=place)
    else:
        yield Met("1 directory", "exactly 1 directory")


@rule("2.1.16", "runResultsJson", subject=TrainingResult, editions=("3.0",))
def run_results_json(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """``run/`` is there and holds one file ``results.json``, the table of its runs."""
    if "run" not in result.entries.directories:
        yield Finding("there is no run/, and so no table of its runs", required="run/results.json", file=result.relpath)
    elif "results.json" not in result.run_listing.files:
        yield Finding("run/ holds no table of its runs", required="results.json", file=f"{result.relpath}/run")
    else:
        yield Met("run/ holds results.json", "one results.json in run/")


@rule("2.1.17", "runTimestamps", subject=TrainingResult, editions=("3.0",))
def run_timestamps(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every directory in ``run/`` is named ``YYYYMMDD_HHMMSS``, and there are exactly as many as the edition demands.

    The warm-up is one of them, the earliest. Only directories are counted: ``run/`` also holds ``results.json``.
    """
    # Conflicts C-8 and C-15: the tool's own check at run time is content with five, and the diagram of the tree draws
    # five. A package is judged by the text, which says exactly six, because a seventh run leaves open which were chosen.
    place = f"{result.relpath}/run"
    names = _directories(result.run_listing)
    yield from _misnamed(names, place, "run/", edition)
    required = edition.training.run_directories
    split = f"{edition.training.warmup_runs} warm-up + {edition.training.measured_runs} measured"
    if len(names) != required:
        yield Finding(
            f"run/ does not hold the run directories of a complete result ({split})", measured=len(names), required=required, file=place
        )
    else:
        yield Met(f"{len(names)} directories", f"exactly {required} ({split})")


def _misnamed(names: list[str], place: str, where: str, edition: Edition) -> Iterator[Finding | Met]:
    pattern = re.compile(edition.timestamp_pattern, re.ASCII)
    misnamed = 0
    for name in names:
        if not pattern.fullmatch(name):
            misnamed += 1
            yield Finding(
                f"a directory in {where} is not named as a timestamp",
                measured=shown(name),
                required="YYYYMMDD_HHMMSS",
                file=f"{place}/{name}",
            )
    if names and not misnamed:
        first, last = min(names), max(names)
        yield Met(first if first == last else f"{first} to {last}", "named YYYYMMDD_HHMMSS")


@rule("2.1.18", "runTimestampGap", subject=TrainingResult, editions=("3.0",))
def run_timestamp_gap(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The runs follow one another without a break in which another run would have found room.

    Directories are named for the start of a run, so two neighbours must lie closer together than twice the duration of the
    shortest run of the workload. A run whose summary gives no duration fails.
    """
    # The text measures from the end of one run to the start of the next against one run; names have only starts, hence
    # the factor of two, which is what the official code judges by.
    gap = edition.training.run_gap
    durations: list[float] = []
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        duration, file = summary.duration_seconds, summary.path or leaf.relpath
        if duration is None:
            key = "start" if summary.start is None else "end"
            yield Finding(
                "the summary of a run does not say when it started and ended", measured=shown(summary.raw.get(key)), file=file, field=key
            )
        elif duration <= 0:
            yield Finding("a run did not end after its start", measured=seconds(duration), required="more than 0 s", file=file, field="end")
        else:
            durations.append(duration)
    if not durations:
        return
    limit = gap.factor * min(durations)
    demanded = f"{'at most' if gap.equal_passes else 'less than'} {seconds(limit)}, {gap.factor:g} × the {gap.of} run"
    if len(result.runs) == 1:
        yield NotAsked("1 run", "asked of neighbouring runs")
    for earlier, later in zip(result.runs, result.runs[1:], strict=False):
        one, two = wall_time(earlier.name), wall_time(later.name)
        if one is None or two is None:
            name = earlier.name if one is None else later.name
            yield Finding("a run is named for a time that does not exist", measured=name, required="YYYYMMDD_HHMMSS", file=later.relpath)
            continue
        apart = (two - one).total_seconds()
        if apart > limit or (apart == limit and not gap.equal_passes):
            yield Finding(
                f"two neighbouring runs lie too far apart: {earlier.name} and {later.name}",
                measured=seconds(apart),
                required=demanded,
                file=later.relpath,
            )
        else:
            yield Met(seconds(apart), demanded)
