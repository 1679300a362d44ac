"""Reading a file's bytes and nothing else: through the page cache or past it, in chunks of 4 MiB."""

from __future__ import annotations

import errno
import mmap
import os
from collections import OrderedDict

from pytest_mlpstorage.errors import FileSystemError

__all__ = ["ALIGNMENT", "CHUNK_BYTES", "FileCache", "sample_range"]

CHUNK_BYTES = 4 * 1024**2
ALIGNMENT = 4096  # of offsets, lengths and memory; the largest logical block of disks in use


def sample_range(size: int, sample: int, samples: int) -> tuple[int, int]:
    """[start, end) of one of ``samples`` equal parts of a file of ``size`` bytes; together they cover it once."""
    return size * sample // samples, size * (sample + 1) // samples


class FileCache:
    """Open files of one reader, the last used first to stay, with one aligned buffer for all.

    ``direct`` opens with O_DIRECT. Not for several threads at once.
    """

    def __init__(self, *, direct: bool, keep: int) -> None:
        self.direct = direct
        self.bytes_read = 0
        self._keep = keep
        self._open: OrderedDict[str, int] = OrderedDict()
        # An anonymous map begins at a page: what O_DIRECT asks of memory.
        self._buffer = memoryview(mmap.mmap(-1, CHUNK_BYTES))

    def _descriptor(self, path: str) -> int:
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
            return found
        while len(self._open) >= max(self._keep, 1):
            os.close(self._open.popitem(last=False)[1])
        flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_DIRECT if self.direct else 0)
        try:
            found = os.open(path, flags)
        except OSError as error:
            if self.direct and error.errno == errno.EINVAL:
                raise FileSystemError(
                    f"{path}: this filesystem cannot open files with O_DIRECT", suggestion="set reader.odirect to false", code="MLPS-E437"
                ) from error
            raise
        self._open[path] = found
        return found

    def read_sample(self, path: str, sample: int, samples: int) -> int:
        """Read one of ``samples`` parts of ``path``; returns its bytes. Raises FileSystemError where the file ends early."""
        descriptor = self._descriptor(path)
        start, end = sample_range(os.fstat(descriptor).st_size, sample, samples)
        at = start - start % ALIGNMENT if self.direct else start
        while at < end:
            want = min(CHUNK_BYTES, end - at)
            if self.direct:
                want = min(CHUNK_BYTES, -(-want // ALIGNMENT) * ALIGNMENT)
            got = os.preadv(descriptor, [self._buffer[:want]], at)
            if got == 0:
                raise FileSystemError(f"{path} ended at byte {at}, {end} were expected", code="MLPS-E435")
            at += got
            if self.direct and at < end and at % ALIGNMENT:
                raise FileSystemError(f"{path} ended at byte {at}, {end} were expected", code="MLPS-E435")
        self.bytes_read += end - start
        return end - start

    def close(self, path: str) -> None:
        """Close one file if it is open."""
        descriptor = self._open.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def close_all(self) -> None:
        """Close every file."""
        while self._open:
            os.close(self._open.popitem()[1])
