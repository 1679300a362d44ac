"""The official tool's counters of its cache at the time it takes its statistics (kvcache.md §2, ``cache_stats``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_MILLISECOND, NEVER, Events, Kind, Reason, Tier
from pytest_mlpstorage.kvcache.histogram import percentile
from pytest_mlpstorage.units import GIB

__all__ = ["HEALTH_LIMITS_MS", "by", "cache_stats", "turn_hits_and_misses"]

_Mask = npt.NDArray[np.bool_]

_POINTS: Final = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9, "p9999": 99.99}

HEALTH_LIMITS_MS: Final = {"storage_read_device_p95_ms": 200.0, "storage_write_device_p95_ms": 500.0}
"""Limits of ``storage_health``. Entries of a gigabyte never meet them: nothing of ours judges or shows it."""


def by(times: npt.NDArray[np.int64], when: int) -> _Mask:
    """What had happened by then, at that very time included: the end of a thread is the end of its last request."""
    return (times > NEVER) & (times <= when)


def turn_hits_and_misses(events: Events, taken_ns: int) -> tuple[int, int]:
    """Lookups of earlier turns that found their entry, and that did not."""
    turns = (events["reason"] == Reason.TURN) & by(events["t_start"], taken_ns)
    return int(np.count_nonzero(turns & (events["kind"] == Kind.READ))), int(np.count_nonzero(turns & (events["kind"] == Kind.MISS)))


def cache_stats(events: Events, requests: Events, taken_ns: int, elapsed_s: float, bytes_per_token: int) -> dict[str, Any]:
    """``cache_stats`` of everything that had begun (reads, lookups) or returned (writes, evictions) by then.

    What makes room counts in the bytes of its tiers, but neither as a read or write of the cache nor in its latencies: of those the
    tool keeps none. A value without a sample is absent, or null where the tool has the key always.
    """
    kinds = events["kind"]
    begun, returned = by(events["t_start"], taken_ns), by(events["t_complete"], taken_ns)
    reads, misses = begun & (kinds == Kind.READ), begun & (kinds == Kind.MISS)
    writes = returned & (kinds == Kind.WRITE)
    tiers_read = reads | (returned & (kinds == Kind.EVICT_READ))
    tiers_written = writes | (returned & (kinds == Kind.EVICT_WRITE))
    hits, missed = int(np.count_nonzero(reads)), int(np.count_nonzero(misses))
    read_bytes, written_bytes = _bytes(events, reads), _bytes(events, writes)
    held = _held(events, returned)
    stats: dict[str, Any] = {
        "cache_hit_rate": hits / (hits + missed) if hits + missed else None,
        "cache_hits": hits,
        "cache_misses": missed,
        **{f"{tier.name.lower()}_entries": held[tier][0] for tier in Tier},
        **{f"{tier.name.lower()}_memory_used_gb": held[tier][1] / GIB for tier in (Tier.GPU, Tier.CPU)},
        **{f"offloads_{tier.name.lower()}": _count(events, tiers_written, tier) for tier in (Tier.CPU, Tier.STORAGE)},
        "prefill_writes": int(np.count_nonzero(writes)),
        "decode_reads": hits,
    }
    for word, direction, mask in (("written", "write", tiers_written), ("read", "read", tiers_read)):
        for tier in Tier:
            gib = _bytes(events, mask & (events["tier"] == tier)) / GIB
            stats[f"tier_{tier.name.lower()}_kv_bytes_{word}_gb"] = gib
            stats[f"tier_{tier.name.lower()}_{direction}_bandwidth_gbps"] = gib / elapsed_s
    stats |= _hits(events, requests, reads)
    stats |= {
        "total_read_bytes": read_bytes,
        "total_write_bytes": written_bytes,
        "total_read_gb": read_bytes / GIB,
        "total_write_gb": written_bytes / GIB,
        "read_write_ratio": read_bytes / written_bytes if written_bytes else None,
        "read_iops": hits,
        "write_iops": int(np.count_nonzero(writes)),
        "storage_tokens_processed": _storage_bytes(events, returned) / bytes_per_token,
    }
    stats |= _latencies(events, returned)
    return {**stats, "storage_health": _health(stats)}


def _bytes(events: Events, mask: _Mask) -> int:
    return int(events["bytes"][mask].sum(dtype=np.uint64))


def _count(events: Events, mask: _Mask, tier: Tier) -> int:
    return int(np.count_nonzero(mask & (events["tier"] == tier)))


def _storage_bytes(events: Events, returned: _Mask) -> int:
    """Bytes that storage has moved for the cache by operations that are over."""
    moved = np.isin(events["kind"], (Kind.READ, Kind.WRITE, Kind.EVICT_WRITE)) & (events["tier"] == Tier.STORAGE)
    return _bytes(events, returned & moved)


def _held(events: Events, returned: _Mask) -> dict[Tier, tuple[int, int]]:
    """Entries and bytes in each tier: the last thing that was done to an entry says where it is."""
    placing = np.isin(events["kind"], (Kind.WRITE, Kind.EVICT_WRITE, Kind.DELETE))
    changes = events[returned & placing]
    changes = changes[np.lexsort((changes["t_complete"], changes["entry"]))]
    last = np.ones(len(changes), bool)
    last[:-1] = changes["entry"][1:] != changes["entry"][:-1]
    there = changes[last & (changes["kind"] != Kind.DELETE)]
    found = {}
    for tier in Tier:
        mine = there["tier"] == tier
        found[tier] = int(np.count_nonzero(mine)), _bytes(there, mine)
    return found


def _hits(events: Events, requests: Events, reads: _Mask) -> dict[str, int]:
    """Every read by the kind of request it was for: an earlier turn, one that began with a system prompt, any other."""
    turns = int(np.count_nonzero(reads & (events["reason"] == Reason.TURN)))
    prompted = requests["request"][requests["prefix_tokens"] > 0]
    system = int(np.count_nonzero(reads & (events["reason"] != Reason.TURN) & np.isin(events["request"], prompted)))
    return {
        "system_prompt_hits": system,
        "common_phrase_hits": 0,
        "user_cache_hits": int(np.count_nonzero(reads)) - turns - system,
        "multi_turn_hits": turns,
    }


def _latencies(events: Events, returned: _Mask) -> dict[str, float]:
    found: dict[str, float] = {}
    for tier in Tier:
        for direction, kind in (("read", Kind.READ), ("write", Kind.WRITE)):
            done = events[returned & (events["kind"] == kind) & (events["tier"] == tier)]
            name = f"{tier.name.lower()}_{direction}"
            found |= _points(name, done["host_ns"] + done["device_ns"])
            if tier is Tier.STORAGE:
                found |= _points(f"{name}_device", done["device_ns"]) | _points(f"{name}_host", done["host_ns"])
    return found


def _points(name: str, durations: npt.NDArray[np.int64]) -> dict[str, float]:
    if not len(durations):
        return {}
    return {f"{name}_{point}_ms": percentile(durations, percent) / NANOSECONDS_PER_MILLISECOND for point, percent in _POINTS.items()}


def _health(stats: Mapping[str, Any]) -> dict[str, Any]:
    criteria = [
        {"name": name, "target": limit, "actual": stats[name], "unit": "ms", "passed": stats[name] < limit}
        for name, limit in HEALTH_LIMITS_MS.items()
        if name in stats
    ]
    passed = sum(bool(each["passed"]) for each in criteria)
    return {
        "overall_status": "PASS" if passed == len(criteria) else "FAIL",
        "criteria": criteria,
        "passed_count": passed,
        "total_count": len(criteria),
    }
