"""Rules of round 1.0 on the runs of a result: how many, how busy, how alike, how close together (rules.md §2.10)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.read_v1 import summary_names
from pytest_mlpstorage.results.records import Leaf, Summary, TrainingResult
from pytest_mlpstorage.rules.aggregate import mean
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.run_gaps import overlap
from pytest_mlpstorage.rules.runs import required_utilization_percent, with_summary
from pytest_mlpstorage.rules.runs_v1 import configured_runs, lacks_overrides
from pytest_mlpstorage.rules.wording import seconds, shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

# The rules that only a person can decide, V1-6 among them (caches cleared between runs, no warm-up), stand in the catalogue.

_ONE_SUMMARY = "one that can be read in each run"

_NOUNS = {"num_accelerators": " accelerators", "num_files_train": " files", "num_samples_per_file": " samples/file"}
"""What is counted by a field that the runs have in common."""


@rule("V1-1", "fiveRuns", subject=TrainingResult, editions=("1.0",))
def five_runs(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A result has exactly as many runs as the round demands, and each run has one summary that can be read.

    The summary stands in the run's folder, or one level deeper in the folder of a client; nowhere else.
    """
    # The tool looked one level deep only, the round's own description of the tree has the level of clients below the run,
    # and results with it were accepted: a reviewer takes both.
    wanted = edition.training.run_directories
    if len(result.runs) != wanted:
        yield Finding(
            "a result does not have the number of runs that the round demands",
            measured=len(result.runs),
            required=wanted,
            file=result.relpath,
        )
    else:
        yield Met(f"{len(result.runs)} runs", f"{wanted} runs")
    for leaf in result.runs:
        names = summary_names(leaf.files)
        if not names:
            yield Finding("a run has no summary, so it did not finish", required="summary.json", file=leaf.relpath)
        elif names[0] in leaf.pruned:
            yield NoEvidence("the summary was removed by its publisher", f"{leaf.relpath}/{names[0]}", withheld=True)
        elif leaf.summary is None:
            for problem in leaf.problems:
                if problem.file.endswith(names[0]):
                    yield Finding(f"a summary {problem.message}", file=problem.file)
        elif len(names) > 1:
            yield from _same_summaries(result, leaf, leaf.summary, names)
        else:
            yield Met("a summary in each", _ONE_SUMMARY)


def _same_summaries(result: TrainingResult, leaf: Leaf, summary: Summary, names: tuple[str, ...]) -> Iterator[Finding | Met]:
    """Only one rank writes a summary: a second one is a copy of it, or of another run."""
    files = TreeFiles(result.root)
    if any(files.json_object(leaf.path / name) != summary.raw for name in names[1:]):
        yield Finding("a run has summaries that differ", measured=f"{len(names)} summaries", required="one", file=leaf.relpath)
    else:
        yield Met(f"{len(names)} equal summaries", _ONE_SUMMARY)


@rule("V1-2", "auExpectation", subject=TrainingResult, editions=("1.0",))
def utilization_verdict(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The emulator's own verdict on the utilization of every run is success; one without a verdict did not succeed."""
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        said = run[1].metric.au_meets_expectation
        if said is None or said.strip().lower() != "success":
            yield Finding(
                "the emulator's own verdict on the utilization of a run is not success",
                measured=shown(said) if said is not None else "missing",
                required="success",
                file=run[1].path,
                field="metric.train_au_meet_expectation",
            )
        else:
            yield Met(said.strip(), "the emulator's own verdict on each run: success")


@rule("V1-7", "auMinimum", subject=TrainingResult, editions=("1.0",))
def utilization_minimum(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The mean accelerator utilization of every run is not below the minimum of its model, compared as recorded and never rounded.

    A utilization that is missing, no number, below 0 or above 100 % is no measurement and fails.
    """
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        model = leaf.metadata.model if leaf.metadata is not None else None
        least = required_utilization_percent(edition, model or "")
        if least is None:
            yield NoEvidence(f"there is no minimum for model {shown(model) or 'unknown'}", leaf.relpath)
        else:
            yield from _utilization(summary, least)


def _utilization(summary: Summary, least: float) -> Iterator[Finding | Met]:
    percent = summary.metric.au_mean_percent
    message, required = "", f"at least {least:g} %"
    if percent is None:
        message = "a run has no accelerator utilization"
    elif not 0 <= percent <= 100:
        message, required = "the accelerator utilization of a run is no percentage", "0 to 100"
    elif percent < least:
        message = "the accelerator utilization of a run is below the minimum"
    if message:
        metric = summary.raw.get("metric")
        given = metric.get("train_au_mean_percentage") if isinstance(metric, Mapping) else None
        yield Finding(
            message,
            measured=percent if percent is not None else shown(given),
            required=required,
            file=summary.path,
            field="metric.train_au_mean_percentage",
        )
    else:
        yield Met(f"{percent} %", required)


@rule("V1-4", "identicalRuns", subject=TrainingResult, editions=("1.0",))
def identical_runs(result: TrainingResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """All runs of a result have the same model, accelerator, number of accelerators, number of files and samples in a file."""
    told: dict[str, list[tuple[object, str]]] = {}
    for leaf, config in configured_runs(result):
        if config is None or config.workload is None:
            yield lacks_overrides(leaf)
            continue
        told.setdefault("model", []).append((config.model, config.overrides_file))
        told.setdefault("accelerator", []).append((config.accelerator, config.overrides_file))
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        for key in ("num_accelerators", "num_files_train", "num_samples_per_file"):
            value = getattr(run[1], key)
            if value is None:
                yield NoEvidence(f"the summary has no {key}", run[1].path)
            else:
                told.setdefault(key, []).append((value, run[1].path))
    alike = []
    for key, values in told.items():
        counts = Counter(value for value, _ in values)
        if len(counts) > 1:
            yield _different(key, values, counts)
        else:
            alike.append(f"{shown(values[0][0])}{_NOUNS.get(key, '')}")
    if alike:
        yield Met(", ".join(alike), "the same in all runs")


def _different(key: str, values: list[tuple[object, str]], counts: Counter[object]) -> Finding:
    usual = counts.most_common(1)[0][0]
    return Finding(
        f"the runs of a result differ in {key}",
        measured=", ".join(f"{shown(value)} ({count} ×)" for value, count in counts.most_common(5)),
        required="the same in all",
        file=next(file for value, file in values if value != usual),
        field=key if key.startswith("num_") else "workload",
    )


@rule("V1-11", "runGap", subject=TrainingResult, editions=("1.0",))
def run_gap(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Runs follow each other: between the end of one and the start of the next is no more time than a run takes in the mean.

    Runs are ordered by their start. Two that overlap were not run one after another, which a reviewer should see: a warning.
    """
    timed = []
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
        elif run[1].start is None or run[1].end is None:
            yield NoEvidence(f"the summary has no {'start' if run[1].start is None else 'end'}", run[1].path)
        elif run[1].end < run[1].start:
            yield Finding(
                "a run ends before it starts", measured=str(run[1].end), required=f"after {run[1].start}", file=run[1].path, field="end"
            )
        else:
            timed.append((run[1].start, run[1].end, run[1].path))
    if len(timed) < max(2, len(result.runs)):
        if len(timed) == len(result.runs) == 1:
            yield NotAsked("1 run", "asked between two runs")
        return  # a run that is missing here would be a gap, and between fewer than two there is none
    timed.sort()
    factor = edition.training.run_gap.factor
    longest = factor * mean([(end - start).total_seconds() for start, end, _ in timed])
    for (_, before, _), (start, _, path) in itertools.pairwise(timed):
        idle = (start - before).total_seconds()
        if idle > longest:
            yield Finding(
                "the time between two runs is longer than a run takes",
                measured=f"{seconds(idle)}, {idle / longest:.2f} times the mean run" if longest else seconds(idle),
                required=f"at most {seconds(longest)}",
                file=path,
                field="start",
            )
        elif idle < 0:
            yield overlap(idle, path)
        else:
            yield Met(seconds(idle), f"at most {seconds(longest)}, {factor:g} × the mean run, between two runs")
