"""Memory of a rank's I/O: one arena cut into lanes, one lane an object under way, all of it there before anything is timed."""

from __future__ import annotations

import array
import collections
import contextlib
import mmap
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError
from pytest_mlpstorage.units import KIB, MIB

__all__ = [
    "BUDGET_BYTES", "LARGEST_CHUNK", "LARGEST_STRETCH", "SMALLEST_CHUNK", "Arena", "Lane", "Words", "arena_soon", "calls_of_stretch",
    "chunk_bytes", "huge_memory", "noise",
]  # fmt: skip

BUDGET_BYTES: Final = 384 * MIB
"""Of all lanes of a rank."""

LARGEST_CHUNK: Final = 2 * MIB
LARGEST_STRETCH: Final = 2 * MIB
"""Of calls that are smaller, so many bytes are made or checked at once."""

SMALLEST_CHUNK: Final = 128 * KIB
_SECTOR_WORDS: Final = 64
_HUGE_PAGE: Final = 2 * MIB
_NOISE_SEED: Final = 0x6D6C_7073

Words = npt.NDArray[np.uint64]


def chunk_bytes(lanes: int, budget: int = BUDGET_BYTES) -> int:
    """Bytes of a call: 2 MiB, or the largest power of two that ``lanes`` of it fit the budget, but not under 128 KiB."""
    if lanes < 1:
        raise ValueError("somebody must do the work")
    share = max(SMALLEST_CHUNK, min(LARGEST_CHUNK, budget // lanes))
    return 1 << (share.bit_length() - 1)


def calls_of_stretch(lanes: int, chunk: int, budget: int = BUDGET_BYTES) -> int:
    """How many calls of ``chunk`` bytes a lane holds: as many as fit 2 MiB and the share of each of ``lanes``, at least one.

    What is made or checked of small calls one by one costs each of them a turn at the interpreter: numpy gives it away for arrays of
    more than 500 words, and has to wait for it afterwards. With 128 KiB and four threads that took an eighth of the rate.
    """
    return max(1, min(LARGEST_STRETCH, budget // max(1, lanes)) // chunk)


def noise(size: int) -> Words:
    """Words that do not compress, the same on every machine: SFC64 of a fixed seed, in little-endian order."""
    words: Words = np.frombuffer(huge_memory(size)[1], dtype="<u8")
    words[:] = np.random.SFC64(_NOISE_SEED).random_raw(size // 8)
    return words


def huge_memory(size: int) -> tuple[mmap.mmap, memoryview]:
    """Memory in huge pages where there are any, and the part of it that begins at one.

    Stamps lie 8 a small page, and looking up that many pages costs as much as the stamps: half the CPU of a checked load, and of
    a store, went to it.
    """
    memory = mmap.mmap(-1, size + _HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(memory, dtype=np.uint8)
    begin = -whole.ctypes.data % _HUGE_PAGE
    del whole
    return memory, memoryview(memory)[begin : begin + size]


class Lane:
    """What one object under way needs: a buffer of a stretch, the same as words, scratch for its stamps, and times of its chunks."""

    def __init__(self, memory: memoryview, chunk: int) -> None:
        self.buffer = memory
        self.calls: list[list[memoryview]] = [[memory[start : start + chunk]] for start in range(0, len(memory), chunk)]
        """What ``preadv`` takes for each chunk of the stretch."""
        self.words: Words = np.frombuffer(memory, dtype="<u8")
        self.bytes_view: npt.NDArray[np.uint8] = np.frombuffer(memory, dtype=np.uint8)
        self.stamps = self.words[::_SECTOR_WORDS]
        sectors = len(self.stamps)
        self.expected: Words = np.empty(sectors, dtype="<u8")
        self.differs: npt.NDArray[np.bool_] = np.empty(sectors, dtype=np.bool_)
        self.key: Words = np.zeros(1, dtype="<u8")
        self.base: Words = np.zeros(1, dtype="<u8")
        """What the stretch at hand is XORed with, and its first stamp."""
        self.holds: int | None = None
        """The key of the whole stretch of noise that lies here but for its stamps; None where something else does, or may."""
        self.partial = 0
        """Bytes of the chunk at hand that were moved before a call that failed."""
        # Arrays of the standard library, not of numpy: one value is stored in half the time.
        self.bytes, self.submitted, self.completed = (array.array("q") for _ in range(3))
        self.reserve(64)

    def reserve(self, chunks: int) -> None:
        """See that there is room for the times of so many chunks; grows seldom, and never within an object."""
        if len(self.bytes) < chunks:
            room = 1 << (chunks - 1).bit_length()
            self.bytes, self.submitted, self.completed = (array.array("q", bytes(8 * room)) for _ in range(3))


class Arena:
    """Lanes of one anonymous mapping, page-aligned as O_DIRECT wants them; a context, because it holds the memory.

    ``chunk`` are the bytes of a call; each lane is a stretch of so many ``calls``, which is made or checked at once.
    """

    def __init__(self, lanes: int, chunk: int, calls: int = 1) -> None:
        if chunk % mmap.PAGESIZE:
            raise ConfigurationError(f"a chunk of {chunk} bytes is no multiple of the page size of {mmap.PAGESIZE}", code="MLPS-E115")
        self.chunk = chunk
        self.calls = calls
        self.stretch = stretch = chunk * calls
        """Bytes of a lane."""
        self._memory, whole = huge_memory(lanes * stretch)
        # A fork beside a read under way would, on kernels before 6.3, let the bytes arrive in a page that is no longer ours.
        self._memory.madvise(mmap.MADV_DONTFORK)
        np.frombuffer(whole, dtype=np.uint8)[:: mmap.PAGESIZE] = 0  # by numpy, which lets other threads of Python go on
        self._views = [whole[start : start + stretch] for start in range(0, len(whole), stretch)]
        whole.release()
        self._free = collections.deque(Lane(view, chunk) for view in self._views)
        self._lanes = lanes

    def take(self) -> Lane:
        """A lane that nobody else has: the one given back last, whose memory may still lie in the processor's cache."""
        try:
            lane = self._free.pop()
        except IndexError:
            raise BenchmarkExecutionError(
                f"more than {self._lanes} objects are under way: memory was made for no more", code="MLPS-E590"
            ) from None
        lane.holds = None
        return lane

    def give(self, lane: Lane) -> None:
        """Give a lane back."""
        self._free.append(lane)

    def close(self) -> None:
        """Give the memory back to the system, as soon as nobody looks at it."""
        self._free.clear()
        for view in self._views:
            with contextlib.suppress(BufferError):  # a lane that a traceback still holds: its memory goes with it
                view.release()
        with contextlib.suppress(BufferError):
            self._memory.close()

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def arena_soon(lanes: int, chunk: int, calls: int = 1) -> Future[Arena]:
    """An arena that a thread of its own brings in: the first touch of its memory takes as long as all else before the first byte."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="arena")
    arena = pool.submit(Arena, lanes, chunk, calls)
    pool.shutdown(wait=False)
    return arena
