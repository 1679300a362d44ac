"""One file of a checkpoint, streamed to or from storage through two buffers, with every byte counted."""

from __future__ import annotations

import array
import contextlib
import dataclasses
import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias

from pytest_mlpstorage.checkpointing.job import ALIGNMENT
from pytest_mlpstorage.errors import FileSystemError, code_of_os
from pytest_mlpstorage.units import MIB

__all__ = ["Advance", "Streamer"]

_BUFFERS: Final = 2
_WORD_BYTES: Final = 8

Advance: TypeAlias = Callable[[int], None]
"""Is told the bytes of each piece that has been written or read."""

_Moved: TypeAlias = tuple[int, OSError | None]
"""Bytes of a piece that were moved, and why not all of them were."""


class Streamer:
    """Writes and reads files, one after the other; a context, because it holds memory and, for O_DIRECT, threads.

    What is written is random, and no ALIGNMENT bytes of it are written twice: each carries the number of its piece, so that
    storage which folds equal blocks finds none. With ``direct`` two pieces are under way at a time, since the device would be
    idle between two; through the page cache the kernel sees to that.
    """

    def __init__(self, *, chunk_bytes: int, direct: bool, fsync: bool) -> None:
        self._chunk = chunk_bytes
        self._direct = direct
        self._fsync = fsync
        self._buffers = [_memory(chunk_bytes) for _ in range(_BUFFERS)]
        self._filled = False
        self._piece = 0
        self._workers = ThreadPoolExecutor(_BUFFERS) if direct else None

    def __enter__(self) -> Streamer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
        for buffer in self._buffers:
            buffer.close()

    def fill(self) -> None:
        """Make the random content, which takes a moment: to be called before anything is timed."""
        if self._filled:
            return
        for buffer in self._buffers:
            for start in range(0, self._chunk, MIB):
                end = min(start + MIB, self._chunk)
                buffer[start:end] = os.urandom(end - start)
        self._filled = True

    def write(self, path: Path, size: int, advance: Advance = lambda _: None) -> None:
        """Make a file of ``size`` bytes, or replace its content, and force it to disk unless that was not asked for.

        FileSystemError names the file, the bytes written and asked for, and the reason. Its directory is the caller's to force.
        """
        self.fill()
        transfer = _Transfer(path, size, "write", "wrote", self._direct)
        with transfer.reported():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | self._flag, 0o644)
            try:
                self._stream(descriptor, transfer, self._write_piece, advance)
                if self._fsync:
                    transfer.step = ", fsync"
                    os.fsync(descriptor)
                transfer.check_size(descriptor)
            finally:
                os.close(descriptor)

    def read(self, path: Path, size: int, advance: Advance = lambda _: None) -> None:
        """Read a file that must have ``size`` bytes, to its end; FileSystemError names the file, bytes found and expected."""
        transfer = _Transfer(path, size, "read", "read", self._direct)
        self._filled = False  # the buffers will hold what is read
        with transfer.reported():
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | self._flag)
            try:
                transfer.check_size(descriptor)
                if not self._direct:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
                self._stream(descriptor, transfer, self._read_piece, advance)
            finally:
                os.close(descriptor)

    @property
    def _flag(self) -> int:
        return os.O_DIRECT if self._direct else 0

    def _stream(self, descriptor: int, transfer: _Transfer, move: Callable[[int, int, int, int], _Moved], advance: Advance) -> None:
        """Move every piece of a file in order, so that what was moved has no gap."""
        whole = transfer.size - transfer.size % ALIGNMENT if self._direct else transfer.size
        waiting: list[Future[_Moved]] = []
        try:
            for number, offset in enumerate(range(0, whole, self._chunk)):
                piece = (descriptor, number % _BUFFERS, offset, min(self._chunk, whole - offset))
                if self._workers is None:
                    transfer.add(move(*piece), advance)
                    continue
                if len(waiting) == _BUFFERS:
                    transfer.add(waiting.pop(0).result(), advance)
                waiting.append(self._workers.submit(move, *piece))
            while waiting:
                transfer.add(waiting.pop(0).result(), advance)
        finally:
            # No piece may still be under way when the descriptor is closed: its number can be another file's next.
            for future in waiting:
                future.exception()
        if whole < transfer.size:
            # What is left is no multiple of what O_DIRECT can move.
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) & ~os.O_DIRECT)
            transfer.add(move(descriptor, 0, whole, transfer.size - whole), advance)

    def _write_piece(self, descriptor: int, buffer: int, offset: int, length: int) -> _Moved:
        with memoryview(self._buffers[buffer]) as view, view[:length] as piece:
            self._stamp(view)
            return _move_all(lambda rest, at: os.pwrite(descriptor, rest, at), piece, offset)

    def _read_piece(self, descriptor: int, buffer: int, offset: int, length: int) -> _Moved:
        with memoryview(self._buffers[buffer]) as view, view[:length] as piece:
            return _move_all(lambda rest, at: os.preadv(descriptor, [rest], at), piece, offset)

    def _stamp(self, view: memoryview) -> None:
        """Number each unit of a buffer: its other words are random, so no other buffer of any rank has the same."""
        self._piece += 1
        with view.cast("Q") as words:
            words[:: ALIGNMENT // _WORD_BYTES] = array.array("Q", [self._piece]) * (self._chunk // ALIGNMENT)


@dataclasses.dataclass
class _Transfer:
    """One file on its way: what was asked, how far it got, and how to say that it went wrong."""

    path: Path
    size: int
    verb: str
    past: str
    direct: bool
    done: int = 0
    step: str = ""

    def add(self, moved: _Moved, advance: Advance) -> None:
        done, error = moved
        self.done += done
        if error is not None:
            raise error
        advance(done)

    def check_size(self, descriptor: int) -> None:
        found = os.fstat(descriptor).st_size
        if found != self.size:
            raise FileSystemError(f"{self.path} has {found} bytes, expected {self.size}", code="MLPS-E435")

    @contextlib.contextmanager
    def reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if self.direct and error.errno == errno.EINVAL:
                reason += " (its filesystem may not allow O_DIRECT)"
            counted = f"{self.past} {self.done} of {self.size} bytes{self.step}"
            raise FileSystemError(f"cannot {self.verb} {self.path}: {counted}: {reason}", cause=error, code=code_of_os(error)) from error


def _memory(size: int) -> mmap.mmap:
    """Memory that begins at a page, as O_DIRECT wants it, in huge pages where there are any, and all of it there already."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):
        memory.madvise(mmap.MADV_HUGEPAGE)
    for page in range(0, size, mmap.PAGESIZE):
        memory[page] = 0
    return memory


def _move_all(move: Callable[[memoryview, int], int], piece: memoryview, offset: int) -> _Moved:
    """Move a piece in as many calls as the system wants: one that moves less than asked is no error, one that moves nothing is."""
    done = 0
    while done < len(piece):
        try:
            with piece[done:] as rest:
                moved = move(rest, offset + done)
        except OSError as error:
            return done, error
        if moved == 0:
            return done, OSError(errno.EIO, "the file ended before its size")
        done += moved
    return done, None
