"""One file an entry: a .npy whose header is padded to 4096 bytes, so that the payload lies where direct I/O wants it."""

from __future__ import annotations

import dataclasses
import math
import os
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["HEADER_BYTES", "UNIT_BYTES", "Blocks", "ObjectLayout", "Shape", "flat", "npy_header"]

HEADER_BYTES: Final = 4096
UNIT_BYTES: Final = 4096
"""Every offset and length of direct I/O is a multiple of this, whatever less the device would allow."""

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_ELEMENT_BYTES: Final = 2
_LARGEST_NAME: Final = 1 << 32

Shape: TypeAlias = tuple[int, ...]


def flat(bytes: int) -> Shape:
    """The shape of an entry of which nothing but the size is known, or of a tensor parallel rank's part of one."""
    return (bytes // _ELEMENT_BYTES,)


def npy_header(shape: Shape) -> bytes:
    """The header of an array of float16, 4096 bytes with its padding: blanks, as the format (NEP 1) allows any number of."""
    text = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {shape!r}, }}".encode("ascii")
    room = HEADER_BYTES - len(_MAGIC) - 2
    return _MAGIC + struct.pack("<H", room) + text.ljust(room - 1) + b"\n"


@dataclasses.dataclass(frozen=True)
class Blocks:
    """How an object is cut: ``count`` blocks of ``block`` bytes from the start of its file, the last one shorter.

    ``last`` is what is asked of the kernel for the last one, whole units; ``file`` the size that the file has in the end.
    """

    block: int
    count: int
    last: int
    file: int

    @property
    def moved(self) -> int:
        """Bytes asked of the kernel for all of it."""
        return (self.count - 1) * self.block + self.last


class ObjectLayout:
    """Files of one folder; ``shape`` gives the array's shape from the payload's size, which it must fill."""

    def __init__(self, folder: str | os.PathLike[str], shape: Callable[[int], Shape] = flat) -> None:
        self._folder = os.fspath(folder)
        self._shape = shape

    @property
    def folder(self) -> str:
        """Where the files are."""
        return self._folder

    def write_path(self, entry: int) -> str:
        """The file that an entry is written to; when it is whole it is renamed to ``path`` where that is another."""
        return self.path(entry)

    def path(self, entry: int) -> str:
        """The file of an entry."""
        if not 0 <= entry < _LARGEST_NAME:
            raise ValueError(f"no entry has the number {entry}")
        return f"{self._folder}/kv_{entry:08x}.npy"

    def header(self, bytes: int) -> bytes:
        """The header of an entry of that payload; numpy loads what follows it, so it must be whole elements of its shape."""
        shape = self._shape(bytes)
        if bytes <= 0 or math.prod(shape) * _ELEMENT_BYTES != bytes:
            raise ValueError(f"an entry of {bytes} bytes does not have the shape {shape} of float16")
        return npy_header(shape)

    @staticmethod
    def blocks(bytes: int, block: int, unit: int) -> Blocks:
        """Cut an entry for calls of ``block`` bytes in whole ``unit``s (1 where nothing is asked)."""
        file = HEADER_BYTES + bytes
        count = -(-file // block)
        rest = file - (count - 1) * block
        return Blocks(block, count, -(-rest // unit) * unit, file)
