"""The ``mlps`` block of one rank: what is true of the window, and what is known of how it was measured (kvcache.md §5.13)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND, Events, Kind
from pytest_mlpstorage.kvcache.histogram import Durations, LogHistogram, exact_ms
from pytest_mlpstorage.kvcache.qos import served_by_class
from pytest_mlpstorage.kvcache.series import ByteSeries
from pytest_mlpstorage.kvcache.window_view import (
    eviction_bytes,
    eviction_durations,
    executed_sha256,
    in_flight_at_edges,
    load_durations,
    requests_done,
    reuse_distances,
    store_durations,
)
from pytest_mlpstorage.units import GIB

__all__ = ["FACTS", "LATENCIES", "NOTHING_READ", "NULL_REASONS", "STEADINESS", "Block", "rank_block"]

NULL_REASONS: Final = "null_reasons"
"""Key of a block that says, for each of its keys that is null, why."""

NOTHING_READ: Final = "nothing was read through the page cache"
"""Why there is no share of what lay in memory; any other reason says that it could not be measured."""

FACTS: Final = (
    "engine",
    "profile",
    "comparable",
    "comparable_reasons",
    "kernel_read_gib",
    "kernel_write_gib",
    "resident_fraction_before_read",
    "direct",
    "dio_align",
    "filesystem",
    "storage",
    "durability",
    "chunk_bytes",
    "queue_depth",
    "backend",
    "client_cpu_seconds_per_gib",
    "client_bound",
    "peak_rss_mib",
    "verified_bytes",
    "verify_level",
    "verify_errors",
    "schedule_sha256",
)
"""Keys whose values the rank program knows, and the logs do not."""

LATENCIES: Final[Mapping[str, str]] = {
    "object_load": "object_load_latency_ms",
    "object_store": "object_store_latency_ms",
    "chunk_read": "chunk_read_latency_ms",
    "chunk_write": "chunk_write_latency_ms",
    "queue_age": "queue_age_ms",
    "service": "service_ms",
    "eviction": "eviction_ms",
}
"""Histograms, and the key that tells each of them in milliseconds."""

STEADINESS: Final[Mapping[str, str]] = {
    "cv_percent": "nothing moved, or the window has fewer than two whole seconds",
    "half_drift_percent": "nothing moved in the first half of the window",
}
"""How steady the rates by the second were, and why that may be null."""

_NONE_OF: Final[Mapping[str, str]] = {
    "object_load_latency_ms": "no entry was read from storage in whole in the window",
    "object_store_latency_ms": "no entry became durable on storage in the window",
    "chunk_read_latency_ms": "no chunk was read from storage in the window",
    "chunk_write_latency_ms": "no chunk was written to storage in the window",
    "queue_age_ms": "no request ended in the window",
    "service_ms": "no request ended in the window",
    "eviction_ms": "nothing was evicted in the window",
}


@dataclasses.dataclass
class Block:
    """Values by key, and why those that are null are."""

    values: dict[str, Any] = dataclasses.field(default_factory=dict)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)

    def put(self, key: str, value: object, why_none: str) -> None:
        """Set a key; the reason counts where the value is None."""
        self.values[key] = value
        if value is None:
            self.reasons[key] = why_none

    def put_each(self, key: str, values: Mapping[str, object], why_none: str) -> None:
        """Set a key that holds several values, each of which may be None."""
        self.values[key] = dict(values)
        self.reasons |= {f"{key}.{name}": why_none for name, value in values.items() if value is None}

    def to_json(self) -> dict[str, Any]:
        """The keys in the order in which they were set, and last the reasons."""
        return {**self.values, NULL_REASONS: self.reasons}


def rank_block(
    account: WindowAccount,
    events: Events,
    requests: Events,
    cache_stats: Mapping[str, Any],
    *,
    arrivals_in_window: int,
    facts: Mapping[str, Any],
    reasons: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The block of one rank and pass.

    ``cache_stats`` are those of the official view of the same logs. ``facts``: values of ``FACTS``; one that is None or not given is
    null, for what ``reasons`` says of it. ValueError for a fact that there is not.
    """
    foreign = sorted(facts.keys() - set(FACTS))
    if foreign:
        raise ValueError(f"no such facts: {', '.join(foreign)}")
    window, block = account.window_ns, Block()
    why = dict(reasons or {})
    _facts(block, FACTS[:4], facts, why)
    for direction, series, word in (("read", account.read, "read from"), ("write", account.write, "made durable on")):
        true = series.gib_per_second if series.bytes else None
        block.put(f"storage_{direction}_bandwidth_window_gibps", true, f"no byte was {word} storage in the window")
    for direction in ("read", "write"):
        true = block.values[f"storage_{direction}_bandwidth_window_gibps"]
        official = cache_stats[f"tier_storage_{direction}_bandwidth_gbps"]
        block.put(f"official_over_window_{direction}", official / true if true else None, "there is no rate in the window")
    done = requests_done(requests, window)
    _requests(block, done, window, arrivals_in_window)
    histograms = _latencies(block, account, events, done)
    undone = account.write_not_durable_bytes if account.makes_durable else None
    block.put("write_not_durable_bytes", undone, "nothing made writes durable, so that they counted when they returned")
    for direction, kind in (("read", Kind.EVICT_READ), ("write", Kind.EVICT_WRITE)):
        block.put(f"eviction_{direction}_gib", eviction_bytes(events, window, kind) / GIB or None, f"no eviction {direction} in the window")
    block.values["late_operations"], block.values["late_bytes"] = in_flight_at_edges(events, window)
    block.put("reuse_distance_histogram", reuse_distances(events), "nothing was read from storage")
    for key, moved, word in (("read_gib", account.read_bytes, "read from"), ("write_gib", account.written_bytes, "written to")):
        block.put(key, moved / GIB or None, f"no byte was {word} storage in the pass")
    _facts(block, FACTS[4:], facts, why)
    block.put("executed_sha256", executed_sha256(events, requests) if len(events) else None, "no operation is logged")
    block.values["window_s"] = window / NANOSECONDS_PER_SECOND
    _steadiness(block, {"read": account.read, "write": account.write})
    block.values["histograms"] = {name: histogram.to_json() for name, histogram in histograms.items()}
    return block.to_json()


def _facts(block: Block, keys: tuple[str, ...], facts: Mapping[str, Any], reasons: Mapping[str, str]) -> None:
    for key in keys:
        block.put(key, facts.get(key), reasons.get(key, "the rank did not determine it"))


def _requests(block: Block, done: Events, window_ns: int, arrivals: int) -> None:
    tokens = int(done["generated_tokens"].sum(dtype=np.int64))
    nothing = "no request ended in the window"
    block.values["requests_in_window"] = len(done)
    block.values["arrivals_in_window"] = arrivals
    block.put("tokens_in_window_per_s", tokens / (window_ns / NANOSECONDS_PER_SECOND) if len(done) else None, nothing)
    block.put("overload_factor", arrivals / len(done) if len(done) else None, nothing)
    block.values["served_by_class"] = served_by_class(done)


def _latencies(block: Block, account: WindowAccount, events: Events, done: Events) -> dict[str, LogHistogram]:
    """Exact where the logs hold every value; chunks, which nothing logs, by their histograms."""
    window = account.window_ns
    logged: dict[str, Durations] = {
        "object_load": load_durations(events, window),
        "object_store": store_durations(events, window),
        "queue_age": done["t_dequeue"] - done["t_intended"],
        "service": done["t_done"] - done["t_dequeue"],
        "eviction": eviction_durations(events, window),
    }
    histograms = {"chunk_read": account.read_latency, "chunk_write": account.write_latency}
    for name, key in LATENCIES.items():
        if name in logged:
            histograms[name] = LogHistogram()
            histograms[name].add(logged[name])
        block.put(key, exact_ms(logged[name]) if name in logged else histograms[name].ms(), _NONE_OF[key])
    return histograms


def _steadiness(block: Block, series: Mapping[str, ByteSeries]) -> None:
    block.values["series_1s"] = {name: each.to_json() for name, each in series.items()}
    for key, why_none in STEADINESS.items():
        block.put_each(key, {name: getattr(each, key) for name, each in series.items()}, why_none)
