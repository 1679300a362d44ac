"""The number of searches that a worker began, in memory that its rank sees too: a search that hangs is noticed while it hangs."""

from __future__ import annotations

import mmap
import os
from typing import Final, Protocol

__all__ = ["Cell", "Heart"]

_BYTES: Final = 8


class Cell(Protocol):
    """What holds one number at the place 0."""

    def __setitem__(self, place: int, number: int, /) -> None:
        """Set it."""


class Heart:
    """One cell. Made by the rank, handed on by the number of its descriptor; setting it costs a search nothing."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = os.memfd_create("heart") if descriptor is None else descriptor
        if descriptor is None:
            os.ftruncate(self._descriptor, _BYTES)
        self._memory = mmap.mmap(self._descriptor, _BYTES)
        self.cell: memoryview[int] = memoryview(self._memory).cast("q")

    def fileno(self) -> int:
        """The descriptor, for the worker to inherit."""
        return self._descriptor

    @property
    def beats(self) -> int:
        """Searches begun."""
        return self.cell[0]

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        if not self._memory.closed:
            self.cell.release()
            self._memory.close()
            os.close(self._descriptor)
