"""Metrics of a training result of edition 2.0 from its runs (rules.md §4.4): no warm-up, one figure an accelerator."""

from __future__ import annotations

from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import TrainingResult
from pytest_mlpstorage.rules.aggregate import Aggregate, AggregationProblem, mean
from pytest_mlpstorage.rules.round_v2_runs import RoundRun, complete, finished_by_accelerator, named, run_directories

__all__ = ["READ_BANDWIDTH_MIB", "aggregate_training_v2"]

READ_BANDWIDTH_MIB: Final = "Read B/W (MiB/s)"
"""The round's own table holds this figure, unconverted, under the heading ``Read B/W (GiB/s)``."""


def aggregate_training_v2(result: TrainingResult, edition: Edition) -> Aggregate:
    """Reduce the runs to the mean of their I/O rates in MiB/s.

    A closed or open result whose number of finished runs is not the edition's has no metric, and none where a run lacks its
    rate. A model that ran on several accelerators has one metric for each, named ``… on h100``.
    """
    groups = finished_by_accelerator(result)
    metrics: dict[str, float] = {}
    problems: list[AggregationProblem] = []
    for accelerator, group in groups.items():
        rates = [rate for run in group if (rate := _rate(run)) is not None]
        problems += [_problem(run) for run in group if _rate(run) is None]
        if complete(result, group, edition) and len(rates) == len(group):
            metrics[named(READ_BANDWIDTH_MIB, accelerator, groups)] = mean(rates)
    return Aggregate(metrics, tuple(run.leaf.relpath for run in run_directories(result)), tuple(problems))


def _rate(run: RoundRun) -> float | None:
    return run.summary.metric.io_mean_mib_per_second if run.summary is not None else None


def _problem(run: RoundRun) -> AggregationProblem:
    what = "the I/O rate of a run is missing or no number" if run.summary is not None else "the summary of a run could not be read"
    return AggregationProblem(what, run.summary_file, "metric.train_io_mean_MB_per_second" if run.summary is not None else "")
