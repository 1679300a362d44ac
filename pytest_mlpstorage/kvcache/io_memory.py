"""The memory tier: entries that really lie in this rank's memory, copied in, copied out, and copied on to storage when they must go."""

from __future__ import annotations

import bisect
import contextlib
import mmap
import threading
import time
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.buffers import Arena, Lane, huge_memory
from pytest_mlpstorage.kvcache.io import ObjectTimes
from pytest_mlpstorage.kvcache.io_threads import Fill
from pytest_mlpstorage.kvcache.layout import HEADER_BYTES, ObjectLayout
from pytest_mlpstorage.kvcache.stamps import SECTOR_BYTES, Content, Mark

__all__ = ["Extents", "MemoryTarget"]

_SLACK: Final = 64 * 1024 * 1024
"""Over the capacity, for entries are rounded up to whole sectors; not touched unless it is needed."""

Move: TypeAlias = Callable[[Lane, int, int], int]
"""Moves a block of so many bytes by way of a lane; the nanoseconds of its copy."""

Count: TypeAlias = Callable[[], int]


class Extents:
    """Hands out parts of ``size`` bytes, in as many pieces as it takes, so that nothing is lost to fragmentation."""

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._free: list[tuple[int, int]] = [(0, size)]
        """Start and end of each free piece, in order, none touching the next."""

    def take(self, size: int) -> list[tuple[int, int]] | None:
        """Pieces of ``size`` bytes in sum, the foremost that are free; None where there is not that much."""
        with self._lock:
            if sum(end - start for start, end in self._free) < size:
                return None
            taken = []
            while size:
                start, end = self._free[0]
                cut = min(end, start + size)
                taken.append((start, cut))
                size -= cut - start
                if cut == end:
                    del self._free[0]
                else:
                    self._free[0] = (cut, end)
            return taken

    def give(self, pieces: list[tuple[int, int]]) -> None:
        """Take pieces back, and join them to their neighbours."""
        with self._lock:
            for start, end in pieces:
                at = bisect.bisect(self._free, (start, end))
                if at < len(self._free) and self._free[at][0] == end:
                    end = self._free.pop(at)[1]
                if at and self._free[at - 1][1] == start:
                    start, at = self._free.pop(at - 1)[0], at - 1
                self._free.insert(at, (start, end))

    @property
    def free_bytes(self) -> int:
        """What may still be taken."""
        with self._lock:
            return sum(end - start for start, end in self._free)


class MemoryTarget:
    """A :class:`~pytest_mlpstorage.kvcache.io.Target` of ``capacity`` bytes of memory, there before anything is timed.

    What does not fit is the policy's fault, which makes room first. Its chunks are told to no sink: they are not of storage.
    """

    def __init__(self, capacity: int, arena: Arena, content: Content) -> None:
        self._arena = arena
        self._content = content
        self._extents = Extents(capacity + _SLACK)
        self._mapping, self._view = huge_memory(capacity + _SLACK)
        self._memory: npt.NDArray[np.uint8] = np.frombuffer(self._view, dtype=np.uint8)
        self._memory[: capacity : mmap.PAGESIZE] = 0
        self._held: dict[int, tuple[int, list[tuple[int, int]]]] = {}

    def write_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:
        """Make an entry chunk by chunk, and copy each to its place."""
        mark = Mark(entry, pass_no)
        if entry in self._held:
            self.delete(entry)
        pieces = self._extents.take(-(-bytes // SECTOR_BYTES) * SECTOR_BYTES)
        if pieces is None:
            raise BenchmarkExecutionError(
                f"entry {entry} of {bytes} bytes does not fit the memory tier: {self._extents.free_bytes} bytes are free",
                suggestion="this is a fault of the cache policy, please report it",
                code="MLPS-E590",
            )

        def move(lane: Lane, block: int, length: int) -> int:
            self._content.fill(lane, mark, block, length)
            began = time.perf_counter_ns()
            self._copy(lane, pieces, block, length, into_lane=False)
            return time.perf_counter_ns() - began

        times = self._each(bytes, move)
        self._held[entry] = bytes, pieces
        return times

    def read_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:
        """Copy an entry out chunk by chunk, and check each."""
        pieces, mark, checked = self._pieces(entry, bytes), Mark(entry, pass_no), 0

        def move(lane: Lane, block: int, length: int) -> int:
            nonlocal checked
            began = time.perf_counter_ns()
            self._copy(lane, pieces, block, length, into_lane=True)
            ended = time.perf_counter_ns()
            if (entry + block) % self._content.one_in == 0:
                self._content.check(lane, mark, block, length, f"(memory tier, entry {entry})")
                checked += length
            return ended - began

        return self._each(bytes, move, checked=lambda: checked)

    def filler(self, entry: int, bytes: int) -> Fill:
        """What fills the buffers of a storage target with an entry of this one: the way of a demotion, a real copy out."""
        pieces, file = self._pieces(entry, bytes), HEADER_BYTES + bytes

        def fill(lane: Lane, mark: Mark, block: int, length: int) -> None:  # noqa: ARG001
            self._copy(lane, pieces, block, min(length, file - block * self._arena.stretch), into_lane=True)

        return fill

    def delete(self, entry: int) -> None:
        """Forget an entry, which must be there."""
        found = self._held.pop(entry, None)
        if found is None:
            raise BenchmarkExecutionError(f"entry {entry} is not in the memory tier", code="MLPS-E590")
        self._extents.give(found[1])

    def close(self) -> None:
        """Give the memory of the tier back; the arena is its owner's."""
        self._held.clear()
        self._memory = np.empty(0, dtype=np.uint8)
        with contextlib.suppress(BufferError):  # a filler that a traceback still holds
            self._view.release()
            self._mapping.close()

    def _pieces(self, entry: int, size: int) -> list[tuple[int, int]]:
        found = self._held.get(entry)
        if found is None or found[0] != size:
            raise BenchmarkExecutionError(f"entry {entry} of {size} bytes is not in the memory tier", code="MLPS-E590")
        return found[1]

    def _each(self, size: int, move: Move, checked: Count = lambda: 0) -> ObjectTimes:
        blocks = ObjectLayout.blocks(size, self._arena.stretch, 1)
        lane = self._arena.take()
        began = time.perf_counter_ns()
        try:
            copied = 0
            for block in range(blocks.count):
                copied += move(lane, block, blocks.last if block == blocks.count - 1 else blocks.block)
        finally:
            self._arena.give(lane)
        ended = time.perf_counter_ns()
        client = ended - began - copied
        return ObjectTimes(size, began, ended, 0, copied, blocks.count, client_ns=client, verified_bytes=checked())

    def _copy(self, lane: Lane, pieces: list[tuple[int, int]], block: int, length: int, *, into_lane: bool) -> None:
        """Copy what a block holds of the payload, piece by piece; its first bytes are the header, which is not kept here."""
        at = block * self._arena.stretch - HEADER_BYTES
        begin, end = max(at, 0), at + length
        position = 0
        for start, stop in pieces:
            first, last = max(begin, position), min(end, position + stop - start)
            if first < last:
                here = self._memory[start + first - position : start + last - position]
                there = lane.bytes_view[first - at : last - at]
                if into_lane:
                    np.copyto(there, here)
                else:
                    np.copyto(here, there)
            position += stop - start
            if position >= end:
                return
