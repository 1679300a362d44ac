"""Metrics of a result of round 1.0 (rules.md §4.4): mean and population standard deviation over its runs, in the report's own words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.records import Summary, TrainingResult
from pytest_mlpstorage.rules.aggregate import mean

__all__ = ["aggregate_v1", "overall_metrics", "population_stdev"]

_EDITION = "1.0"
_RATES = {"samples_per_second": "mean_samples_per_second", "MB_per_second": "io_mean_mib_per_second"}
"""Unit in the names of metrics, and where a summary has the mean of its epochs. What is called MB is MiB."""


def population_stdev(values: Sequence[float]) -> float:
    """Standard deviation of all the values there are (divided by their number, not by one less); ValueError for no values."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) * (value - middle) for value in values]))


def overall_metrics(summaries: Sequence[Summary]) -> dict[str, float]:
    """What the runs of a group give: ``train_throughput_{mean,stdev}_{samples,MB}_per_second``; one that a run lacks is absent."""
    found: dict[str, float] = {}
    for unit, attribute in _RATES.items():
        values = [value for summary in summaries if (value := getattr(summary.metric, attribute)) is not None]
        if values and len(values) == len(summaries):
            figures = {"mean": mean(values), "stdev": population_stdev(values)}
            found.update({f"train_throughput_{name}_{unit}": v for name, v in figures.items() if math.isfinite(v)})
    return found


def aggregate_v1(result: TrainingResult) -> Mapping[str, float]:
    """Metrics of a result of round 1.0; none where its runs are not the five of the round or one has no summary.

    A whatif result is reduced whatever its number of runs.
    """
    summaries = [run.summary for run in result.runs if run.summary is not None]
    complete = result.division.value == "whatif" or len(result.runs) == edition(_EDITION).training.run_directories
    return overall_metrics(summaries) if complete and len(summaries) == len(result.runs) else {}
