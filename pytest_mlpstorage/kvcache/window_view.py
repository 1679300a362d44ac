"""What the log of a pass says of its window: latencies, queue age, what was in flight at an edge, how soon data was read again."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.kvcache.events import NEVER, Events, Kind, Tier
from pytest_mlpstorage.kvcache.histogram import Durations
from pytest_mlpstorage.units import GIB

__all__ = [
    "eviction_bytes",
    "eviction_durations",
    "executed_sha256",
    "in_flight_at_edges",
    "load_durations",
    "requests_done",
    "reuse_distances",
    "store_durations",
]

_Mask = npt.NDArray[np.bool_]

_MOVING: Final = (Kind.READ, Kind.WRITE, Kind.EVICT_READ, Kind.EVICT_WRITE)
_EVICTING: Final = (Kind.EVICT_READ, Kind.EVICT_WRITE, Kind.DELETE)

_DISTANCES: Final = tuple(2**power for power in range(17))
"""Upper ends of the bins of reuse distances in GiB, up to 64 TiB."""

_WORK: Final = np.dtype([("user", "<u4"), ("request", "<u4"), ("kind", "u1"), ("reason", "u1"), ("entry", "<u4"), ("bytes", "<u8")])


def _inside(times: npt.NDArray[np.int64], window_ns: int) -> _Mask:
    return (times >= 0) & (times < window_ns)


def _durable_or_done(events: Events) -> npt.NDArray[np.int64]:
    """When a write was durable; where nothing makes it so, when it returned."""
    ends: npt.NDArray[np.int64] = np.where(events["durable"] > NEVER, events["durable"], events["t_complete"])
    return ends


def load_durations(events: Events, window_ns: int) -> Durations:
    """From the first byte submitted to the last in memory, of whole entries that storage gave in the window."""
    done = (events["kind"] == Kind.READ) & (events["tier"] == Tier.STORAGE) & _inside(events["t_complete"], window_ns)
    durations: Durations = events["t_complete"][done] - events["t_submit"][done]
    return durations


def store_durations(events: Events, window_ns: int) -> Durations:
    """From the first byte submitted until the entry was durable, of entries that storage took in the window; demotions are evictions."""
    ends = _durable_or_done(events)
    done = (events["kind"] == Kind.WRITE) & (events["tier"] == Tier.STORAGE) & _inside(ends, window_ns)
    durations: Durations = ends[done] - events["t_submit"][done]
    return durations


def eviction_durations(events: Events, window_ns: int) -> Durations:
    """Times of the steps that made room: of a demotion its read and its write, of a deletion itself."""
    done = np.isin(events["kind"], _EVICTING) & _inside(events["t_complete"], window_ns)
    durations: Durations = events["t_complete"][done] - events["t_start"][done]
    return durations


def eviction_bytes(events: Events, window_ns: int, kind: Kind) -> int:
    """Bytes that demotions read or wrote in whole in the window, of and to any tier."""
    done = (events["kind"] == kind) & _inside(events["t_complete"], window_ns)
    return int(events["bytes"][done].sum(dtype=np.uint64))


def in_flight_at_edges(events: Events, window_ns: int) -> tuple[int, int]:
    """Number and bytes of operations on storage that had begun before one end of the window and were not over at it.

    Whole operations with all their bytes: how much of them the window-true rates left out is told by those.
    """
    starts, ends = events["t_start"], events["t_complete"]
    moving = np.isin(events["kind"], _MOVING) & (events["tier"] == Tier.STORAGE) & (starts > NEVER)
    at_start = (starts < 0) & ((ends >= 0) | (ends == NEVER))
    at_end = (starts < window_ns) & ((ends >= window_ns) | (ends == NEVER))
    late = moving & (at_start | at_end)
    return int(np.count_nonzero(late)), int(events["bytes"][late].sum(dtype=np.uint64))


def requests_done(requests: Events, window_ns: int) -> Events:
    """The requests that ended in the window."""
    return requests[_inside(requests["t_done"], window_ns)]


def reuse_distances(events: Events) -> dict[str, Any] | None:
    """How many bytes storage moved between one use of an entry and its next read, as counts of reads; None for no read.

    A cache of the storage with the least recent out first serves at least the reads whose distance is below its size, because what moved
    in between may be the same bytes again. Distances from the log's order of starts, over the whole pass.
    """
    used = events[np.isin(events["kind"], (Kind.READ, Kind.WRITE, Kind.EVICT_WRITE)) & (events["tier"] == Tier.STORAGE)]
    used = used[used["t_start"] > NEVER]
    used = used[np.argsort(used["t_start"], kind="stable")]
    if not np.count_nonzero(used["kind"] == Kind.READ):
        return None
    moved = np.cumsum(used["bytes"], dtype=np.uint64).astype(np.int64)
    before = moved - used["bytes"].astype(np.int64)
    order = np.argsort(used["entry"], kind="stable")
    again = np.zeros(len(used), bool)
    again[1:] = used["entry"][order][1:] == used["entry"][order][:-1]
    reads = used["kind"][order] == Kind.READ
    distances = before[order][1:] - moved[order][:-1]
    known = distances[(again & reads)[1:]] / GIB
    counts = np.bincount(np.searchsorted(_DISTANCES, known, side="right"), minlength=len(_DISTANCES) + 1)
    return {
        "below_gib": list(_DISTANCES),
        "reads": counts[:-1].tolist(),
        "reads_beyond": int(counts[-1]),
        "reads_of_unused": int(np.count_nonzero(reads & ~again)),
    }


def executed_sha256(events: Events, requests: Events) -> str:
    """Checksum of the operations that were completed, by user and in each user's order: what was done, whenever it was done."""
    done = events[events["t_complete"] > NEVER]
    users = np.zeros(int(max(requests["request"].max(initial=0), done["request"].max(initial=0))) + 1, "<u4")
    users[requests["request"]] = requests["user"]
    work = np.zeros(len(done), _WORK)
    work["user"] = users[done["request"]]
    for name in ("request", "kind", "reason", "entry", "bytes"):
        work[name] = done[name]
    order = np.lexsort((np.arange(len(done)), done["t_start"], work["request"], work["user"]))
    return hashlib.sha256(work[order].tobytes()).hexdigest()
