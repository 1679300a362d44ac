"""Metrics of a KV cache result from its published run (rules.md §4.4, rules 6.3.4.1 to 6.3.4.3): arithmetic on records."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary, OptionSummary, RankResult
from pytest_mlpstorage.results.records import KVCacheResult, Leaf
from pytest_mlpstorage.rules.aggregate import Aggregate, AggregationProblem
from pytest_mlpstorage.rules.kv_cache_runs import OptionRanks, cache_book, option_ranks, with_summary
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["aggregate_kv_cache", "highest", "mean_of_sums", "trial_metrics"]

Measure = Callable[[RankResult], "float | None"]
OptionTrials = Sequence[Sequence[RankResult]]


def mean_of_sums(trials: Sequence[Sequence[RankResult]], measure: Measure) -> float | None:
    """The sum over the ranks of each trial, averaged over the trials; None where a rank lacks the value (it is not 0)."""
    values = [[measure(rank) for rank in trial] for trial in trials]
    known = [[value for value in trial if value is not None] for trial in values]
    if not known or [len(trial) for trial in known] != [len(trial) for trial in values]:
        return None
    mean = sum(map(sum, known)) / len(known)
    return mean if math.isfinite(mean) else None


def highest(trials: Sequence[Sequence[RankResult]], measure: Measure) -> float | None:
    """The highest value of any rank in any trial; None where one lacks it.

    A rank whose storage held nothing has no latency of it; as in the official tool it does not count.
    """
    ranks = [rank for trial in trials for rank in trial]
    values = [0.0 if rank.storage_entries == 0 and measure(rank) is None else measure(rank) for rank in ranks]
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def aggregate_kv_cache(result: KVCacheResult, edition: Edition) -> Aggregate:
    """Reduce the published run to the metrics of one row of the results table, option by option.

    Bandwidths and rates are computed anew from the files of the ranks where all of them are there, and are else the summary's own.
    The table takes its throughput from the average over the run and its latency from the summary: how the summary's latency comes
    from the ranks' is not published, so it is passed through, that of storage reads before that of all storage I/O. A metric
    that is nowhere is absent, never 0. Beside the table's columns stand the figures that rule 6.3.4.5 asks for.
    """
    found = with_summary(result)
    if isinstance(found, NoEvidence):
        return Aggregate({}, (), (AggregationProblem(found.reason, found.file, ""),))
    leaf, summary = found
    metrics: dict[str, float] = {}
    problems: list[AggregationProblem] = []
    if summary.host_count is not None:
        metrics["KVCache - # Client Nodes"] = summary.host_count
    for number, option in cache_book(edition).options.items():
        entry = summary.options.get(number)
        if entry is None:
            problems.append(AggregationProblem(f"the summary has no option {number}", summary.path, f"options.{number}"))
            continue
        for name, value in _option_metrics(result, leaf, summary, entry).items():
            if value is None:
                problems.append(AggregationProblem(f"option {number} has no {name}", summary.path, f"options.{number}"))
            else:
                metrics[f"KVCache {option.result_group} - {name}"] = value
    return Aggregate(metrics, (leaf.relpath,), tuple(problems))


def trial_metrics(result: KVCacheResult, edition: Edition) -> Iterator[Mapping[str, float]]:
    """Of each trial of each option what the files of its ranks give of the same metrics; nothing where one of them is missing."""
    found = with_summary(result)
    if isinstance(found, NoEvidence):
        return
    leaf, summary = found
    for number, option in cache_book(edition).options.items():
        entry = summary.options.get(number)
        ranks = option_ranks(result, leaf, summary, entry) if entry is not None else None
        for trial in ranks.trials if ranks is not None and ranks.lacking is None else ():
            values = {name: measure([trial], of) for name, (measure, of) in _BY_TRIAL.items()}
            yield {f"KVCache {option.result_group} - {name}": value for name, value in values.items() if value is not None}


def _option_metrics(result: KVCacheResult, leaf: Leaf, summary: KVCacheSummary, option: OptionSummary) -> dict[str, float | None]:
    ranks = option_ranks(result, leaf, summary, option)
    latency = option.p95_latency_ms if option.storage_read_p95_ms is None else option.storage_read_p95_ms
    return {
        "Throughput (tok/s)": _sum(ranks, lambda r: r.average_tokens_per_second, option.average_tokens_per_second),
        "Read B/W (GiB/s)": _sum(ranks, lambda r: r.read_gib_per_second, option.read_gib_per_second),
        "Write B/W (GiB/s)": _sum(ranks, lambda r: r.write_gib_per_second, option.write_gib_per_second),
        "P95 Read Latency (ms)": latency,
        "storage throughput (tok/s)": _sum(ranks, lambda r: r.storage_tokens_per_second, option.storage_tokens_per_second),
        "P95 device read latency (ms)": _highest(ranks, lambda r: r.device_read_p95_ms, option.device_read_p95_ms),
        "P95 device write latency (ms)": _highest(ranks, lambda r: r.device_write_p95_ms, option.device_write_p95_ms),
    }


def _sum(ranks: OptionRanks, measure: Measure, given: float | None) -> float | None:
    mine = mean_of_sums(ranks.trials, measure) if ranks.lacking is None else None
    return given if mine is None else mine


def _highest(ranks: OptionRanks, measure: Measure, given: float | None) -> float | None:
    mine = highest(ranks.trials, measure) if ranks.lacking is None else None
    return given if mine is None else mine


_BY_TRIAL: Mapping[str, tuple[Callable[[OptionTrials, Measure], float | None], Measure]] = {
    "Throughput (tok/s)": (mean_of_sums, lambda r: r.average_tokens_per_second),
    "Read B/W (GiB/s)": (mean_of_sums, lambda r: r.read_gib_per_second),
    "Write B/W (GiB/s)": (mean_of_sums, lambda r: r.write_gib_per_second),
    "P95 device read latency (ms)": (highest, lambda r: r.device_read_p95_ms),
    "P95 device write latency (ms)": (highest, lambda r: r.device_write_p95_ms),
}
