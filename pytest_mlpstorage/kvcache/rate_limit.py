"""A target of a known rate, without storage: what is measured on it must come out as what it is."""

from __future__ import annotations

import threading
import time

import numpy as np

from pytest_mlpstorage.kvcache.io import READ, WRITE, ChunkSink, ObjectTimes, Stop, no_sink, object_error
from pytest_mlpstorage.kvcache.layout import ObjectLayout

__all__ = ["RateLimitedTarget", "TokenBucket"]


class TokenBucket:
    """Lets ``rate`` bytes a second through, of all threads in the order they ask; after a pause ``burst`` bytes at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._ns_per_byte = 1e9 / rate
        self._burst_ns = burst * self._ns_per_byte
        self._lock = threading.Lock()
        self._free = 0.0

    def pass_through(self, size: int) -> None:
        """Wait until ``size`` bytes have gone through."""
        with self._lock:
            now = time.perf_counter_ns()
            # Turns are counted from where the last one ends, not from when it woke up: sleeping too long costs no rate.
            self._free = max(self._free, now - self._burst_ns) + size * self._ns_per_byte
            until = self._free
        while (left := until - time.perf_counter_ns()) > 0:
            time.sleep(left / 1e9)


class RateLimitedTarget:
    """A :class:`~pytest_mlpstorage.kvcache.io.Target` of which only sizes are kept; reads and writes share one bucket of a chunk."""

    def __init__(self, *, rate: float, chunk: int, sink: ChunkSink = no_sink, stop: Stop | None = None) -> None:
        self._bucket = TokenBucket(rate, chunk)
        self._chunk = chunk
        self._sink = sink
        self._stop = stop or Stop()
        self._sizes: dict[int, int] = {}

    def write_object(self, entry: int, bytes: int, *, pass_no: int, fill: object = None) -> ObjectTimes:  # noqa: ARG002
        """Take as long as ``bytes`` take, then have the entry."""
        times = self._move(WRITE, bytes)
        if not times.abandoned:
            self._sizes[entry] = bytes
        return times

    def read_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:  # noqa: ARG002
        """Take as long as ``bytes`` take; the entry must have been stored, as large as it is read."""
        found = self._sizes.get(entry)
        if found != bytes:
            self._missing("read", entry, bytes)
        return self._move(READ, bytes)

    def delete(self, entry: int) -> None:
        """Forget an entry, which must be there."""
        if self._sizes.pop(entry, None) is None:
            self._missing("delete", entry, 0)

    def close(self) -> None:
        """Forget all."""
        self._sizes.clear()

    def _missing(self, operation: str, entry: int, size: int) -> None:
        raise object_error(operation, ObjectLayout("(rate limited)").path(entry), 0, 0, size, FileNotFoundError(2, "No such entry"))

    def _move(self, kind: int, size: int) -> ObjectTimes:
        count = -(-size // self._chunk)
        starts, ends = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        sizes = np.full(count, self._chunk, dtype=np.int64)
        sizes[-1] = size - (count - 1) * self._chunk
        done, began = 0, time.perf_counter_ns()
        for index in range(count):
            if self._stop.now:
                break
            starts[index] = time.perf_counter_ns()
            self._bucket.pass_through(int(sizes[index]))
            ends[index] = time.perf_counter_ns()
            done += 1
        ended, whole = time.perf_counter_ns(), done == count
        self._sink(kind, sizes[:done], starts[:done], ends[:done], ended if whole or kind == READ else 0)
        moved, device = int(sizes[:done].sum()), int((ends[:done] - starts[:done]).sum())
        return ObjectTimes(moved, began, ended, ended - began - device, device, done, moved_bytes=moved, abandoned=not whole)
