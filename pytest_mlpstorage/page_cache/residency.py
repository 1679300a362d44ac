"""How many bytes of a file lie in the page cache: cachestat(2), else mincore(2), else an honest reason why nobody can tell."""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import mmap
import os
from typing import Final

__all__ = ["Pages", "Probe", "UnmeasurableError"]

_CACHESTAT: Final = 451
"""Number of the system call, Linux 6.5 on; the same on all machines but Alpha, which Python no longer knows."""

_STACKED: Final = frozenset({"overlay"})
"""Filesystems that keep no pages: cachestat finds nothing of them in memory, ever, where mincore sees those of the file below."""

_LARGEST_MAPPING: Final = 1 << 30
"""Bytes mapped at a time for mincore: its answer takes a byte a page."""

_LOW_BIT: Final = bytes(byte & 1 for byte in range(256))
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_MAP_FAILED: Final = ctypes.c_void_p(-1).value


class UnmeasurableError(Exception):
    """Nobody can tell what of a file lies in memory; the text says why."""


@dataclasses.dataclass(frozen=True)
class Pages:
    """What of a range lies in memory; ``dirty`` (or being written) is None where the method does not tell."""

    resident_bytes: int
    dirty: bool | None


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Stat(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recently_evicted"))


class Probe:
    """Measures ranges of open files by the best method of this kernel; ``method`` is the one in use."""

    def __init__(self, method: str = "cachestat") -> None:
        self.method = method

    @classmethod
    def of(cls, filesystem: str) -> Probe:
        """Start with the best method that tells the truth on a type of filesystem."""
        return cls("mincore" if filesystem in _STACKED else "cachestat")

    def pages(self, descriptor: int, offset: int, length: int) -> Pages:
        """What lies in memory of ``length`` bytes from ``offset``, a multiple of the page size. Raises UnmeasurableError."""
        if length <= 0:
            return Pages(0, None)
        if self.method == "cachestat":
            found = self._cachestat(descriptor, offset, length)
            if found is not None:
                return found
        return _mincore(descriptor, offset, length)

    def _cachestat(self, descriptor: int, offset: int, length: int) -> Pages | None:
        """None where the kernel or a container's filter does not have the call: mincore from now on."""
        stat = _Stat()
        number, flags = ctypes.c_long(_CACHESTAT), ctypes.c_uint(0)
        if _LIBC.syscall(number, descriptor, ctypes.byref(_Range(offset, length)), ctypes.byref(stat), flags) == 0:
            return Pages(min(stat.cached * mmap.PAGESIZE, length), bool(stat.dirty or stat.writeback))
        code = ctypes.get_errno()
        # Older filters of containers answer EPERM to a call that they do not know; the kernel only for files of others.
        if code == errno.ENOSYS or (code == errno.EPERM and _is_ours(descriptor)):
            self.method = "mincore"
            return None
        if code == errno.EPERM:
            raise UnmeasurableError("the kernel tells it only of files that one owns or may write")
        raise UnmeasurableError(f"cachestat: {os.strerror(code)}")


def _is_ours(descriptor: int) -> bool:
    """Whether the kernel tells this process of the file's pages: to its owner and to who may write it."""
    user = os.geteuid()
    return user in (0, os.fstat(descriptor).st_uid) or os.access(f"/proc/self/fd/{descriptor}", os.W_OK, effective_ids=True)


def _mincore(descriptor: int, offset: int, length: int) -> Pages:
    # To others mincore says that all is in memory, always (cluster.md, section 5).
    if not _is_ours(descriptor):
        raise UnmeasurableError("mincore tells it only of files that one owns or may write")
    resident, end = 0, offset + length
    while offset < end:
        part = min(end - offset, _LARGEST_MAPPING)
        address = _LIBC.mmap(None, part, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, offset)
        if address in (None, _MAP_FAILED):
            raise UnmeasurableError(f"mmap: {os.strerror(ctypes.get_errno())}")
        try:
            answer = ctypes.create_string_buffer(-(-part // mmap.PAGESIZE))
            if _LIBC.mincore(address, part, answer) != 0:
                raise UnmeasurableError(f"mincore: {os.strerror(ctypes.get_errno())}")
        finally:
            _LIBC.munmap(address, part)
        resident += min(answer.raw.translate(_LOW_BIT).count(1) * mmap.PAGESIZE, part)
        offset += part
    return Pages(resident, None)
