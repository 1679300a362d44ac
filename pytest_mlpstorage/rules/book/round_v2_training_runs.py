"""Rules of edition 2.0 on the runs of a training result together: how many, how close to each other (section 2.10)."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from fractions import Fraction

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.records import TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.round_v2_runs import RoundRun, by_accelerator, directories_without_run, measured_runs, run_directories
from pytest_mlpstorage.rules.run_gaps import overlap
from pytest_mlpstorage.rules.wording import seconds, shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


@rule("V2-TRNSUB-check_num_runs", "check_num_runs", subject=TrainingResult, editions=("2.0",))
def number_of_runs(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The model has exactly as many finished runs on each accelerator as the edition demands, and nothing else among them.

    A directory without a summary is a run that did not finish; it must not stand in a package.
    """
    runs = run_directories(result)
    untidy = list(directories_without_run(result, runs))
    yield from untidy
    if not untidy:
        yield Met(f"{len(runs)} directories", "a finished run in each, named as a timestamp")
    required = edition.training.measured_runs
    groups = by_accelerator(tuple(run for run in runs if run.finished)) or {"": []}
    for accelerator, group in groups.items():
        where = f" on {accelerator}" if accelerator else ""
        if len(group) == required:
            yield Met(f"{len(group)} runs{shown(where)}", f"{required} runs on each accelerator")
        else:
            yield Finding(
                f"the finished runs{where} are not as many as a result has",
                measured=len(group),
                required=required,
                file=f"{result.relpath}/run",
            )


@rule("V2-TRNSUB-check_inter_test_times", "check_inter_test_times", subject=TrainingResult, editions=("2.0",))
def times_between_runs(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Between the end of a run and the start of the next no more time passes than a run takes on the average.

    Runs on one accelerator, in order of their start; times are those of the summaries. Two that overlap were not run one after
    another, which a reviewer should see: a warning.
    """
    # The round's checker let every overlap pass, and no rule has a word on it; its text wants the runs consecutive.
    measured: list[RoundRun] = []
    for run in measured_runs(result):
        if isinstance(run, NoEvidence):
            yield run
        else:
            measured.append(run)
    for group in by_accelerator(tuple(measured)).values():
        yield from _gaps(group, edition)


def _gaps(group: list[RoundRun], edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    spans: list[tuple[dt.datetime, dt.datetime, str]] = []
    for run in group:
        start, end = (run.summary.start, run.summary.end) if run.summary is not None else (None, None)
        if start is None or end is None or end < start:
            # A run in an unknown place would make a gap of its neighbours that is none.
            yield NoEvidence("the summary has no start with an end after it", run.summary_file)
        else:
            spans.append((start, end, run.summary_file))
    if len(spans) != len(group):
        return
    if len(spans) == 1:
        yield NotAsked("1 run", "asked between two runs")
    spans.sort()
    gap_rule = edition.training.run_gap
    limit = Fraction(sum(_microseconds(end - start) for start, end, _ in spans), len(spans) * 10**6) * Fraction(str(gap_rule.factor))
    for (_, end, _), (start, _, file) in itertools.pairwise(spans):
        gap = Fraction(_microseconds(start - end), 10**6)
        if gap > limit or (gap == limit and not gap_rule.equal_passes):
            yield Finding(
                "between two runs more time passed than a run takes on the average",
                measured=seconds(float(gap)),
                required=f"at most {seconds(float(limit))}",
                file=file,
                field="start",
            )
        elif gap < 0:
            yield overlap(float(gap), file)
        else:
            yield Met(seconds(float(gap)), f"at most {seconds(float(limit))}, {gap_rule.factor:g} × the mean run, between two runs")


def _microseconds(span: dt.timedelta) -> int:
    return span // dt.timedelta(microseconds=1)
