"""Rules on the figures of a KV cache run (section 6.3.4): recomputed from the ranks' own files and compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import integer, number
from pytest_mlpstorage.results.kv_cache_records import OptionSummary, RankResult
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.recompute import SUM_TOLERANCE
from pytest_mlpstorage.results.records import KVCacheResult
from pytest_mlpstorage.rules.aggregate_kv_cache import highest, mean_of_sums
from pytest_mlpstorage.rules.kv_cache_commands import recorded_options
from pytest_mlpstorage.rules.kv_cache_runs import OptionRanks, cache_book, option_ranks, with_summary
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity, amounts

__all__: list[str] = []

Measure = Callable[[RankResult], "float | None"]

# The rules name three ids for the aggregation and the digest of them one sentence; which id is which figure is not told. Here
# each has one: bandwidths, rate, latencies.
#
# Conflict on the rate: the rules aggregate what storage served (storage_throughput), the official table shows the average
# over the run. Both are compared; only the first has a published formula, so the second can only warn.

_BANDWIDTHS: Final[tuple[tuple[str, Measure], ...]] = (
    ("aggregated_read_bandwidth_gbps", lambda rank: rank.read_gib_per_second),
    ("aggregated_write_bandwidth_gbps", lambda rank: rank.write_gib_per_second),
)
_STORAGE_RATE: Final[tuple[str, Measure]] = ("aggregated_storage_throughput_tokens_per_sec", lambda rank: rank.storage_tokens_per_second)
_AVERAGE_RATE: Final[tuple[str, Measure]] = ("aggregated_avg_throughput_tokens_per_sec", lambda rank: rank.average_tokens_per_second)
_LATENCIES: Final[tuple[tuple[str, Measure], ...]] = (
    ("aggregated_device_read_p95_ms", lambda rank: rank.device_read_p95_ms),
    ("aggregated_device_write_p95_ms", lambda rank: rank.device_write_p95_ms),
)

_SUMS: Final = f"ranks' files summed, mean of trials, ±{100 * SUM_TOLERANCE:.4f} %"
_HIGHEST: Final = f"highest of the ranks' files, ±{100 * SUM_TOLERANCE:.4f} %"
_FORMED: Final[Mapping[str, tuple[str, str]]] = {
    _BANDWIDTHS[0][0]: ("GiB/s", f"read: {_SUMS}"),
    _BANDWIDTHS[1][0]: ("GiB/s", f"write: {_SUMS}"),
    _STORAGE_RATE[0]: ("tokens/s", f"storage: {_SUMS}"),
    _AVERAGE_RATE[0]: ("tokens/s", f"whole run: {_SUMS}"),
    _LATENCIES[0][0]: ("ms", f"read P95: {_HIGHEST}"),
    _LATENCIES[1][0]: ("ms", f"write P95: {_HIGHEST}"),
}
"""Unit of each figure, and what it must be made of."""


@rule("6.3.4.1", "kvcacheBandwidthAggregation", subject=KVCacheResult, editions=("3.0",))
def bandwidth_aggregation(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The bandwidths of every option are the sums over its clients in a trial, averaged over the trials."""
    for item in _options(result):
        if isinstance(item, NoEvidence):
            yield item
            continue
        option, ranks, path = item
        if ranks.lacking is not None:
            yield ranks.lacking
            continue
        for key, measure in _BANDWIDTHS:
            yield from _compared(option, path, key, mean_of_sums(ranks.trials, measure))


@rule("6.3.4.2", "kvcacheThroughputAggregation", subject=KVCacheResult, editions=("3.0",))
def throughput_aggregation(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The tokens a second of every option are the sum over its clients in a trial, averaged over the trials.

    That of what storage served must agree. That of the whole run, which the results table shows, is formed the same way as far as
    published figures tell, but no rule says so: there a difference is a warning.
    """
    for item in _options(result):
        if isinstance(item, NoEvidence):
            yield item
            continue
        option, ranks, path = item
        if ranks.lacking is not None:
            yield ranks.lacking
            continue
        key, measure = _STORAGE_RATE
        yield from _compared(option, path, key, mean_of_sums(ranks.trials, measure))
        key, measure = _AVERAGE_RATE
        average = mean_of_sums(ranks.trials, measure)
        if average is not None and key in option.raw:
            for said in _compared(option, path, key, average):
                yield dataclasses.replace(said, severity=Severity.WARNING, category=Category.CLOSED) if isinstance(said, Finding) else said


@rule("6.3.4.3", "kvcacheLatencyAggregation", subject=KVCacheResult, editions=("3.0",))
def latency_aggregation(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The device latencies (P95) of every option, where its summary has them, are the highest of any client in any trial.

    The summaries of the round have none, though the rules ask for them; there is then nothing to compare.
    """
    for item in _options(result):
        if isinstance(item, NoEvidence):
            yield item
            continue
        option, ranks, path = item
        for key, measure in _LATENCIES:
            if key in option.raw:
                compared = _compared(option, path, key, highest(ranks.trials, measure))
                yield from compared if ranks.lacking is None else (ranks.lacking,)
            else:
                yield NotAsked("not in the summary", "compared where the summary has them")


def _options(result: KVCacheResult) -> Iterator[tuple[OptionSummary, OptionRanks, str] | NoEvidence]:
    """Every option of the published run with its ranks, and the path of the summary."""
    run = with_summary(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, summary = run
    for option in summary.options.values():
        yield option, option_ranks(result, leaf, summary, option), summary.path


def _compared(option: OptionSummary, path: str, key: str, mine: float | None) -> Iterator[Finding | NoEvidence | Met]:
    field = f"options.{option.number}.{key}"
    if mine is None:
        yield NoEvidence(f"a rank of option {option.number} lacks the value that {key} is made of", path)
        return
    reported = number(option.raw.get(key))
    if reported is None or not math.isclose(reported, mine, rel_tol=SUM_TOLERANCE, abs_tol=SUM_TOLERANCE):
        yield Finding(
            f"a figure of option {option.number} is not what the files of its ranks give",
            measured=shown(option.raw.get(key)) or "missing",
            required=mine,
            file=path,
            field=field,
        )
    else:
        unit, required = _FORMED[key]
        yield Met(f"{amounts(reported, None)[0]} {unit}", required)


@rule("6.3.4.4", "kvcacheLatencyValidity", subject=KVCacheResult, editions=("3.0",))
def latency_validity(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Storage held something in every option: one whose clients all kept nothing there measured memory.

    Where the option has no memory to keep anything in, that cannot be and fails; where it has, the result is OPEN at best.
    """
    run = with_summary(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, summary = run
    for option in summary.options.values():
        empty = _storage_was_empty(option, option_ranks(result, leaf, summary, option))
        field = f"options.{option.number}.cpu_tier_ranks"
        if empty is None:
            yield NoEvidence(f"nothing says whether the clients of option {option.number} kept anything on storage", summary.path)
        elif empty and _has_memory_tier(result, leaf.metadata, option.number, edition):
            yield Finding(
                f"no client of option {option.number} kept anything on storage: its latency is not that of storage",
                severity=Severity.INFO,
                category=Category.OPEN,
                file=summary.path,
                field=field,
            )
        elif empty:
            yield Finding(
                f"no client of option {option.number} kept anything on storage, though it had no memory to keep it in",
                file=summary.path,
                field=field,
            )
        else:
            yield Met(f"option {option.number} kept entries", "of each option a client kept something on storage")


def _storage_was_empty(option: OptionSummary, ranks: OptionRanks) -> bool | None:
    """Whether no rank kept anything on storage: by the ranks' files, else by the summary's list of such ranks; None if neither tells."""
    entries = [rank.storage_entries for trial in ranks.trials for rank in trial]
    if any(entries):
        return False
    if ranks.lacking is None and None not in entries:
        return True
    if option.cpu_tier_ranks is None:
        return None
    if not option.cpu_tier_ranks:
        return False
    named = {rank for rank in map(integer, option.cpu_tier_ranks) if rank is not None}
    # Of what shape its entries are was never published: only plain ranks can be counted.
    if len(named) == option.rank_count:
        return True
    return False if len(option.cpu_tier_ranks) == len(named) else None


def _has_memory_tier(result: KVCacheResult, metadata: LeafMetadata | None, number_of_option: int, edition: Edition) -> bool:
    """Whether an option ran with memory to keep entries in, by its command lines, else by the edition's table."""
    records = recorded_options(metadata, number_of_option) if metadata is not None else ()
    values = [number(r.values.get(flag)) for r in records for flag in ("gpu-mem-gb", "cpu-mem-gb") if flag in r.values]
    if values:
        return any(value is None or value > 0 for value in values)
    option = cache_book(edition).options.get(number_of_option)
    if option is None:
        return result.division is not Division.CLOSED
    return option.gpu_memory_gb > 0 or option.cpu_memory_gb > 0


@rule("6.3.4.5", "kvcacheHeadlineResult", subject=KVCacheResult, editions=("3.0",))
def headline_result(result: KVCacheResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every option has its headline: bandwidths, device latencies (P95), tokens a second, and the number of clients.

    The summaries of the round hold no device latency. It counts as reported where the files of the ranks give it, because they are
    what the figure is made of. A figure of 0 or less measured nothing, save where nothing of the option reached storage.
    """
    run = with_summary(result)
    if isinstance(run, NoEvidence):
        yield run
        return
    leaf, summary = run
    wanted = tuple(cache_book(edition).options) if result.division is Division.CLOSED else ()
    for missing in wanted or (() if summary.options else cache_book(edition).options):
        if missing not in summary.options:
            yield Finding(f"option {missing} has no result", file=summary.path, field=f"options.{missing}")
    if summary.total_ranks is None:
        yield Finding(
            "the summary does not say how many clients took part",
            measured=shown(summary.raw.get("total_ranks")),
            required="a whole number",
            file=summary.path,
            field="total_ranks",
        )
    else:
        yield Met(f"{summary.total_ranks} clients", "the number of clients is told")
    for option in summary.options.values():
        yield from _headline(option, option_ranks(result, leaf, summary, option), summary.path)


def _headline(option: OptionSummary, ranks: OptionRanks, path: str) -> Iterator[Finding | NoEvidence | Met]:
    least_is_zero, whole = _storage_was_empty(option, ranks) is True, True
    for key in (*(key for key, _measure in _BANDWIDTHS), _STORAGE_RATE[0]):
        value = number(option.raw.get(key))
        if value is None or value < 0 or (value == 0 and not least_is_zero):
            whole = False
            yield Finding(
                f"option {option.number} has no {key}",
                measured=shown(option.raw.get(key)),
                required="a number above 0",
                file=path,
                field=f"options.{option.number}.{key}",
            )
    if whole:
        yield Met(f"option {option.number}", "bandwidths and tokens/s above 0 if storage held anything")
    latencies = [
        number(option.raw.get(key)) is not None or (ranks.lacking is None and highest(ranks.trials, measure) is not None)
        for key, measure in _LATENCIES
    ]
    if not all(latencies):
        withheld = ranks.lacking is not None and ranks.lacking.withheld
        what = f"the device latencies of option {option.number}"
        yield NoEvidence(f"neither the summary nor the files of its ranks give {what}", path, withheld)
    else:
        yield Met(f"option {option.number}", "device latencies (P95) in the summary or its ranks' files")
