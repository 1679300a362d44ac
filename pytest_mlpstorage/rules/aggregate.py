"""Metrics of a training result from its measured runs (rules.md §4.4, rule 3.3.8): pure arithmetic on records."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import Leaf, Summary, TrainingResult
from pytest_mlpstorage.rules.runs import warmup_count
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.verdict import Division

__all__ = [
    "Aggregate",
    "AggregationProblem",
    "aggregate_training",
    "mean",
    "mean_of_epoch_means",
    "measured_runs",
    "read_bandwidth_gib_per_second",
]

READ_BANDWIDTH = "Read B/W (GiB/s)"
"""Column of the official results table."""

_LISTS = {
    "train_au_percentage": "au_percent",
    "train_throughput_samples_per_second": "samples_per_second",
}
"""Per-epoch lists of a summary's ``metric``, and where the record has them."""


@dataclasses.dataclass(frozen=True)
class AggregationProblem:
    """Why the runs cannot be reduced to one figure."""

    message: str
    file: str
    field: str


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """Metrics by their official column names (units in them), the leaves they come from, and what stood in the way.

    ``Read B/W (GiB/s)``; ``train_mean_of_au_percentage`` in percent; ``train_mean_of_throughput_samples_per_second``. A
    metric that a measured run lacks is absent, never 0.
    """

    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    problems: tuple[AggregationProblem, ...] = ()


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; ValueError for no values."""
    if not values:
        raise ValueError("the mean of no values is not defined")
    return sum(values) / len(values)


def mean_of_epoch_means(runs: Sequence[Sequence[float]]) -> float:
    """Mean over runs of the mean over epochs, as the rules want it: every run counts the same whatever its epochs."""
    return mean([mean(epochs) for epochs in runs])


def read_bandwidth_gib_per_second(mib_per_second: Sequence[float]) -> float:
    """Read bandwidth of a result in GiB/s from the runs' mean I/O rates in MiB/s."""
    return mean(mib_per_second) * MIB / GIB


def measured_runs(result: TrainingResult, edition: Edition) -> tuple[Leaf, ...]:
    """Return the run leaves that enter the result: all but the warm-up, which is the earliest.

    A result with no more runs than warm-ups has no measured run.
    """
    return result.runs[warmup_count(result, edition) :]


def aggregate_training(result: TrainingResult, edition: Edition) -> Aggregate:
    """Reduce the measured runs to the metrics of one row of the results table.

    A closed or open result whose number of runs is not the edition's has no metrics (GATE-TRN-6): nobody can tell which of
    them count. A whatif result is reduced whatever its number.
    """
    leaves = measured_runs(result, edition)
    summaries = [leaf.summary for leaf in leaves if leaf.summary is not None]
    problems = tuple(problem for summary in summaries for problem in _problems(summary))
    complete = result.division is Division.WHATIF or len(result.runs) == edition.training.run_directories
    names = tuple(leaf.relpath for leaf in leaves)
    if not summaries or len(summaries) != len(leaves) or not complete:
        return Aggregate({}, names, problems)
    return Aggregate(_metrics(summaries), names, problems)


def _metrics(summaries: Sequence[Summary]) -> dict[str, float]:
    found: dict[str, float] = {}
    rates = [rate for s in summaries if (rate := s.metric.io_mean_mib_per_second) is not None]
    if len(rates) == len(summaries):
        found[READ_BANDWIDTH] = read_bandwidth_gib_per_second(rates)
    for key, attribute in _LISTS.items():
        lists = [values for s in summaries if (values := getattr(s.metric, attribute))]
        if len(lists) == len(summaries):
            found[f"train_mean_of_{key.removeprefix('train_')}"] = mean_of_epoch_means(lists)
    return found


def _problems(summary: Summary) -> list[AggregationProblem]:
    found = []
    for key, attribute in _LISTS.items():
        values = getattr(summary.metric, attribute)
        if not values:
            what = "is empty" if values is not None else "is missing or holds what is no number"
            found.append(AggregationProblem(f"the list of values per epoch of a measured run {what}", summary.path, f"metric.{key}"))
    return found
