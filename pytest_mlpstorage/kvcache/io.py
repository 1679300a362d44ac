"""What the runner asks of storage, and how storage answers: objects in, times and chunk completions out."""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.errors import FileSystemError, ValidationError, code_of_os

__all__ = [
    "READ",
    "WRITE",
    "ChunkSink",
    "Durability",
    "Int64s",
    "ObjectTimes",
    "Stop",
    "Target",
    "close_quietly",
    "no_sink",
    "object_error",
    "short_transfer",
    "wrong_header",
    "wrong_size",
]

READ: Final = 0
WRITE: Final = 1

Durability: TypeAlias = Literal["fsync", "fdatasync", "dsync", "none"]
"""How a store is made durable: one call after its last chunk, O_DSYNC for each chunk, or not at all."""

Int64s: TypeAlias = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class ObjectTimes:
    """One object stored or loaded. Times are those of ``time.perf_counter_ns``, which is CLOCK_MONOTONIC on Linux.

    A load spans its first chunk submitted to its last completed; a store ends when it is durable. ``device_ns`` is the sum of
    the read calls of a load, and the sync of a store; ``host_ns`` is what the official tool counts beside it: open, close and
    checks of a load, open and writes of a store. ``client_ns`` is spent on content (stamping, checking), in either.
    """

    bytes: int
    t_submit_ns: int
    t_complete_ns: int
    host_ns: int
    device_ns: int
    chunks: int
    moved_bytes: int = 0
    """Bytes asked of the kernel: the object, its header, and the padding of its last block."""
    client_ns: int = 0
    verified_bytes: int = 0
    abandoned: bool = False
    """Stopped before its last chunk; ``bytes`` is what was moved until then, and a store is not durable."""


class ChunkSink(Protocol):
    """Is told the chunks of each object, once an object, by the thread that moved it; several threads call at a time.

    ``bytes``, ``t_submit_ns`` and ``t_complete_ns`` hold a value a chunk and belong to the caller: they change when the call is
    over. ``durable_ns`` is when the chunks count as done: of a load its last completion, of a store the return of its sync,
    0 if it is not durable.
    """

    def __call__(self, kind: int, bytes: Int64s, t_submit_ns: Int64s, t_complete_ns: Int64s, durable_ns: int) -> None:
        """Take the chunks of one object; ``kind`` is READ or WRITE."""


def no_sink(kind: int, bytes: Int64s, t_submit_ns: Int64s, t_complete_ns: Int64s, durable_ns: int) -> None:
    """Keep nothing of any chunk."""


class Target(Protocol):
    """Where objects are kept. Threads may call at the same time, as many as the target was made for, never for one entry twice.

    Raises MLPStorageError with operation, file, offset and bytes moved, for whatever does not end as it must.
    """

    def write_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:
        """Store an entry whole, and make it durable."""

    def read_object(self, entry: int, bytes: int, *, pass_no: int) -> ObjectTimes:
        """Load an entry whole, and check that it is what was stored in this pass."""

    def delete(self, entry: int) -> None:
        """Remove an entry, which must be there."""

    def close(self) -> None:
        """Give memory back; what is stored stays."""


class Stop:
    """Tells a target to abandon what is under way: after the chunk that it is at, each object ends. Set once, never cleared."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = False


_NEXT: Final = {
    errno.ENOSPC: "free space on that filesystem, or set kvcache.capacity below what is free",
    errno.EDQUOT: "free space under the quota, or set kvcache.capacity below it",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or choose a filesystem for files of that size",
    errno.ENOENT: "the cache directory must stay while the run lasts: see what removed it",
    errno.ENOTDIR: "the cache directory must stay while the run lasts: see what replaced it",
    errno.ESTALE: "the file server no longer knows this file: see whether it restarted, or its export was removed or replaced",
    errno.EIO: "the storage failed: see the kernel's log (dmesg) and that of the storage",
    errno.EROFS: "the filesystem is mounted read-only, or the kernel made it so after an error: see its log (dmesg)",
    errno.EINVAL: "the filesystem may not take O_DIRECT in this way: set kvcache.io.path: buffered",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ETIMEDOUT: "the storage did not answer in time: see its log and the network",
    errno.ENODATA: "the file is shorter than it was written: something beside this run changed it",
}


def short_transfer() -> OSError:
    """A call that moved nothing where bytes were due."""
    return OSError(errno.ENODATA, "nothing was moved where bytes were due")


def object_error(operation: str, path: str, offset: int, done: int, size: int, error: OSError) -> FileSystemError:
    """One error for all that storage may answer; ``done`` of ``size`` bytes were moved before, ``offset`` is where it failed."""
    code = error.errno or 0
    return FileSystemError(
        f"cannot {operation} {path} at offset {offset}: {error.strerror or error}, after {done} of {size} bytes",
        details={
            "operation": operation,
            "file": path,
            "offset": offset,
            "bytes done": done,
            "bytes asked": size,
            "errno": errno.errorcode.get(code, str(code)),
            "process": os.getpid(),
        },
        suggestion=_NEXT.get(code, "see the kernel's log (dmesg) and that of the storage"),
        cause=error,
        code="MLPS-E435" if code == errno.ENODATA else code_of_os(error),
    )


def wrong_size(path: str, how: str, offset: int, expected: int) -> ValidationError:
    """A file that ends elsewhere than where it was stored to end."""
    return ValidationError(
        f"{path} is {how} than it was stored: it should end at offset {expected}, and is another from offset {offset} on",
        details={"operation": "read", "file": path, "offset": offset, "bytes expected": expected},
        suggestion="see what changed the file beside this run; a result from this storage counts for nothing until that is understood",
        code="MLPS-E611",
    )


def wrong_header(path: str) -> ValidationError:
    """A file whose header is not the one that it was stored with."""
    return ValidationError(
        f"{path} does not hold at offset 0 what was stored: its header is that of another array, or damaged",
        details={"operation": "verify", "file": path, "offset": 0},
        suggestion="the storage returned other data than it took: a result from it counts for nothing until that is understood",
        code="MLPS-E611",
    )


def close_quietly(descriptor: int) -> None:
    """Close a file whose trouble is told already."""
    try:
        os.close(descriptor)
    except OSError as error:
        if error.errno == errno.EBADF:
            raise
