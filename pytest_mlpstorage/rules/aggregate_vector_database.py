"""Metrics of a vector database result from its runs (rules.md §4.4): arithmetic on records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import VectorDatabaseResult
from pytest_mlpstorage.results.vector_records import MEAN_RECALL, Given, VectorRecord, recall_fraction
from pytest_mlpstorage.rules.aggregate import Aggregate, AggregationProblem, mean
from pytest_mlpstorage.rules.vector_runs import run_recall, run_records
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["aggregate_vector_database"]

_COLUMNS: Final = {
    "VDB - # Client Nodes": "disk_io.host_count",
    "VDB - Vector Count": "num_vectors",
    "VDB - Vector Dimension": "dimension",
    "VDB - Queries per Sec": "throughput_qps",
    "VDB - Query Latency (ms)": "p99_latency_ms",
}
"""Columns of the official results table, and the values of a run that stand in them as they are."""

_SPREAD: Final = ("throughput_qps", "p99_latency_ms", "recall")


def aggregate_vector_database(result: VectorDatabaseResult, _edition: Edition) -> Aggregate:
    """Reduce the runs to the metrics of one row of the results table.

    How five runs become one row is defined nowhere. The columns of the table are those of the first run as it gave them, which is
    what the official report does. Beside them stand mean, least, highest and coefficient of variation over all runs
    (``mean of throughput_qps``), under names that no table has, so that nobody takes one for the other. A metric that a run lacks
    is absent, never 0. Storage IOPs are blank in the table and stay so: the benchmark does not measure them.
    """
    records: list[VectorRecord] = []
    recalls: list[float | None] = []
    problems: list[AggregationProblem] = []
    for run in run_records(result):
        if isinstance(run, NoEvidence):
            problems.append(AggregationProblem(run.reason, run.file, ""))
            continue
        given = run_recall(result, *run)
        records.append(run[1])
        recalls.append(None if isinstance(given, NoEvidence) else recall_fraction(given.raw, MEAN_RECALL))
    leaves = tuple(leaf.relpath for leaf in result.runs)
    if problems or not records:
        return Aggregate({}, leaves, tuple(problems))
    first = {name: records[0].given(key) for name, key in _COLUMNS.items()}
    metrics = {name: given.number for name, given in first.items() if given.number is not None}
    if recalls[0] is not None:
        metrics["VDB - Recall Percentage"] = recalls[0] * 100
    read = records[0].given("disk_io.total_bytes_read_per_sec").number
    if read is not None:
        metrics["VDB - Read B/W (GiB/s)"] = read / GIB
    for key in _SPREAD:
        values = recalls if key == "recall" else [record.given(key).number for record in records]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            metrics |= _spread(key, known)
    problems = [_missing(given) for given in first.values() if given.number is None]
    return Aggregate({name: value for name, value in metrics.items() if math.isfinite(value)}, leaves, tuple(problems))


def _spread(key: str, values: Sequence[float]) -> dict[str, float]:
    average = mean(values)
    found = {f"mean of {key}": average, f"lowest {key}": min(values), f"highest {key}": max(values)}
    if average > 0:
        # Multiplied, because a power of what is too large raises.
        found[f"coefficient of variation of {key}"] = math.sqrt(mean([(v - average) * (v - average) for v in values])) / average
    return found


def _missing(given: Given) -> AggregationProblem:
    return AggregationProblem(f"the first run gives no usable {given.field}", given.file, given.field)
