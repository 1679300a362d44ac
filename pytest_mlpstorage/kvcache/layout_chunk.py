"""One file a chunk, in two levels of folders by what it holds, as the file tiers of inference servers keep them (kvcache.md §5.5)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from pytest_mlpstorage.kvcache.layout import HEADER_BYTES, UNIT_BYTES, ObjectLayout, Shape, flat

__all__ = ["ChunkLayout", "chunk_file_bytes"]

_MIXER: Final = 0x9E37_79B9_7F4A_7C15
_MASK: Final = 2**64 - 1
_LEVEL: Final = 0xFF
_TEMPORARY: Final = ".tmp"


class ChunkLayout(ObjectLayout):
    """Files named by the hash of their chunk, in folders by its first two bytes, which are made when they are first needed.

    What a hash of the tokens is elsewhere is one of the chunk's number here: as even, and the same in every run. With ``rename`` a
    chunk is written beside its place and takes it when it is whole, so that no reader ever meets a part of one.
    """

    def __init__(self, folder: str | os.PathLike[str], shape: Callable[[int], Shape] = flat, *, rename: bool = True) -> None:
        super().__init__(folder, shape)
        self._rename = rename
        self._made: set[str] = set()

    def path(self, entry: int) -> str:
        """The file of a chunk."""
        super().path(entry)  # sees that there can be one
        name = ((entry + 1) * _MIXER) & _MASK
        return f"{self._folder_of(name)}/{name:016x}.npy"

    def write_path(self, entry: int) -> str:
        """The file that a chunk is written to, in a folder that is there."""
        path = self.path(entry)
        folder = os.path.dirname(path)  # noqa: PTH120 - no Path object a chunk
        if folder not in self._made:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
            self._made.add(folder)
        return path + _TEMPORARY if self._rename else path

    def _folder_of(self, name: int) -> str:
        return f"{self.folder}/{name >> 56:02x}/{name >> 48 & _LEVEL:02x}"


def chunk_file_bytes(payload: int) -> int:
    """Bytes of the file of a chunk as direct I/O moves it: header and payload, rounded up to whole units."""
    return -(-(HEADER_BYTES + payload) // UNIT_BYTES) * UNIT_BYTES
