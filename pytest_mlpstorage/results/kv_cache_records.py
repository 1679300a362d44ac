"""What a KV cache run wrote: the summary over its options, and one file a rank, trial and option, as records."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject, Reading, boolean, integer, number

__all__ = ["OLDER_SUMMARY", "KVCacheSummary", "OptionSummary", "RankName", "RankResult", "rank_names"]

OLDER_SUMMARY: Final = re.compile(r"kvcache_run_summary[^/]*\.json\Z")
"""Name of the summary as older releases of the tool wrote it, and as the text of the rules has it."""

_RANK_FILE: Final = re.compile(r"option_(\d{1,6})/trial_(\d{1,6})/rank_(\d{1,9})/kvcache_results_[^/]*\.json\Z", re.ASCII)

_LATENCY: Final = re.compile(r"storage_(?:read|write)(?:_device)?_p(?:50|95|99|999)_ms\Z")


@dataclasses.dataclass(frozen=True)
class OptionSummary:
    """One option over its ranks and trials. The files say ``gbps`` and mean GiB/s. A value that is missing or no number is None.

    ``cpu_tier_ranks``: ranks whose storage held nothing; None where the writer does not say.
    """

    number: int
    read_gib_per_second: float | None = None
    write_gib_per_second: float | None = None
    average_tokens_per_second: float | None = None
    storage_tokens_per_second: float | None = None
    p95_latency_ms: float | None = None
    storage_read_p95_ms: float | None = None
    device_read_p95_ms: float | None = None
    device_write_p95_ms: float | None = None
    rank_count: int | None = None
    trial_count: int | None = None
    partial_failure: bool | None = None
    missing_files: int = 0
    cpu_tier_ranks: tuple[object, ...] | None = None
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, raw: JSONObject, number: int, prefix: str, problems: list[str]) -> OptionSummary:
        """From one entry of ``options``; a field of the wrong kind is None and named in ``problems``."""
        fields = Reading(raw, prefix, problems)
        missing, cpu = raw.get("missing_files"), raw.get("cpu_tier_ranks")
        return cls(
            number=number,
            read_gib_per_second=fields.number("aggregated_read_bandwidth_gbps"),
            write_gib_per_second=fields.number("aggregated_write_bandwidth_gbps"),
            average_tokens_per_second=fields.number("aggregated_avg_throughput_tokens_per_sec"),
            storage_tokens_per_second=fields.number("aggregated_storage_throughput_tokens_per_sec"),
            p95_latency_ms=fields.number("aggregated_p95_latency_ms"),
            storage_read_p95_ms=fields.number("aggregated_storage_read_p95_ms"),
            device_read_p95_ms=fields.number("aggregated_device_read_p95_ms"),
            device_write_p95_ms=fields.number("aggregated_device_write_p95_ms"),
            rank_count=fields.integer("rank_count"),
            trial_count=fields.integer("trial_count"),
            partial_failure=boolean(raw.get("partial_failure")),
            missing_files=len(missing) if isinstance(missing, list) else int(bool(missing)),
            cpu_tier_ranks=tuple(cpu) if isinstance(cpu, list) else None,
            raw=raw,
        )


@dataclasses.dataclass(frozen=True)
class KVCacheSummary:
    """``summary.json`` of a KV cache run, its options by number. ``path`` is relative to the tree.

    ``trial_failures`` is what the writer put there, of whatever shape (none is published); empty or absent where no trial failed.
    """

    path: str = ""
    npernode: int | None = None
    host_count: int | None = None
    total_ranks: int | None = None
    trials_per_option: int | None = None
    options: Mapping[int, OptionSummary] = dataclasses.field(default_factory=dict)
    partial_failure: bool | None = None
    trial_failures: object = None
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, raw: JSONObject, path: str = "") -> KVCacheSummary:
        """From a parsed file of either name; an entry of ``options`` that is no whole number or no object is named in ``problems``."""
        fields = Reading(raw)
        options: dict[int, OptionSummary] = {}
        entries = fields.mapping("options") or {}
        for key, entry in sorted(entries.items()):
            number = integer(key)
            if number is None or not isinstance(entry, Mapping):
                fields.problems.append(f"options.{key[:40]} is no option")
            else:
                options[number] = OptionSummary.from_json(entry, number, f"options.{key}.", fields.problems)
        return cls(
            path=path,
            npernode=fields.integer("npernode"),
            host_count=fields.integer("host_count"),
            total_ranks=fields.integer("total_ranks"),
            trials_per_option=fields.integer("trials_per_option"),
            options=dict(sorted(options.items())),
            partial_failure=boolean(raw.get("partial_failure")),
            trial_failures=raw.get("trial_failures"),
            problems=tuple(fields.problems),
            raw=raw,
        )


@dataclasses.dataclass(frozen=True, order=True)
class RankName:
    """Whose file one is, by its path in the leaf."""

    option: int
    trial: int
    rank: int
    name: str


def rank_names(files: Iterable[str]) -> tuple[RankName, ...]:
    """Every ``option_<O>/trial_<T>/rank_<N>/kvcache_results_*.json`` among the files of a leaf, by option, trial and rank."""
    matches = ((_RANK_FILE.match(name), name) for name in files)
    return tuple(sorted(RankName(int(m[1]), int(m[2]), int(m[3]), name) for m, name in matches if m is not None))


@dataclasses.dataclass(frozen=True)
class RankResult:
    """What one rank measured in one trial of one option. A value that is missing or no number is None.

    ``autoscaled``: whether the rank recorded any scaling. ``latencies_ms``: percentiles of the time of storage by their official keys.
    """

    name: RankName
    path: str
    read_gib_per_second: float | None = None
    write_gib_per_second: float | None = None
    average_tokens_per_second: float | None = None
    storage_tokens_per_second: float | None = None
    device_read_p95_ms: float | None = None
    device_write_p95_ms: float | None = None
    storage_entries: int | None = None
    autoscaled: bool = False
    latencies_ms: Mapping[str, float] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, raw: JSONObject, name: RankName, path: str = "") -> RankResult:
        """From a parsed file. Its lists of one value a request are not kept."""
        top = Reading(raw)
        summary = Reading(top.mapping("summary") or {}, "summary.", top.problems)
        cache = Reading(summary.mapping("cache_stats") or top.mapping("cache_stats") or {}, "cache_stats.", top.problems)
        return cls(
            name=name,
            path=path,
            read_gib_per_second=cache.number("tier_storage_read_bandwidth_gbps"),
            write_gib_per_second=cache.number("tier_storage_write_bandwidth_gbps"),
            average_tokens_per_second=summary.number("avg_throughput_tokens_per_sec"),
            storage_tokens_per_second=summary.number("storage_throughput_tokens_per_sec"),
            device_read_p95_ms=cache.number("storage_read_device_p95_ms"),
            device_write_p95_ms=cache.number("storage_write_device_p95_ms"),
            storage_entries=cache.integer("storage_entries"),
            autoscaled=any(bool(summary.raw.get(key)) for key in ("autoscaling_stats", "autoscaling_summary")),
            latencies_ms={key: value for key in cache.raw if _LATENCY.match(str(key)) and (value := number(cache.raw[key])) is not None},
            problems=tuple(top.problems),
        )
