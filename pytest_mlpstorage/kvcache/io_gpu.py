"""The GPU tier as a model: it has a size and a speed, and no card."""

from __future__ import annotations

import time
from typing import Final

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.io import ObjectTimes
from pytest_mlpstorage.units import GIB

__all__ = ["BYTES_PER_SECOND", "ModelledGPU"]

BYTES_PER_SECOND: Final = 50 * GIB
"""What a copy to or from a card takes: about that of 16 lanes of PCIe 5. The official tool copies each entry over that bus."""


class ModelledGPU:
    """A :class:`~pytest_mlpstorage.kvcache.io.Target` that only takes time; what an entry holds follows from its number."""

    def __init__(self, bytes_per_second: float = BYTES_PER_SECOND) -> None:
        self._rate = bytes_per_second
        self._held: dict[int, int] = {}

    def write_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:  # noqa: ARG002
        """Keep its size."""
        times = self._copy(bytes)
        self._held[entry] = bytes
        return times

    def read_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:  # noqa: ARG002
        """Take the time of a copy; the entry must be there."""
        if self._held.get(entry) != bytes:
            raise BenchmarkExecutionError(f"entry {entry} of {bytes} bytes is not in the GPU tier", code="MLPS-E590")
        return self._copy(bytes)

    def delete(self, entry: int) -> None:
        """Forget an entry, which must be there."""
        if self._held.pop(entry, None) is None:
            raise BenchmarkExecutionError(f"entry {entry} is not in the GPU tier", code="MLPS-E590")

    def close(self) -> None:
        """Forget all."""
        self._held.clear()

    def _copy(self, size: int) -> ObjectTimes:
        began = time.perf_counter_ns()
        time.sleep(size / self._rate)
        ended = time.perf_counter_ns()
        return ObjectTimes(size, began, ended, 0, ended - began, 1)
