"""One writer at a time in a results or data directory, across processes and, where the filesystem can, across hosts."""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import json
import os
import weakref
from pathlib import Path
from types import TracebackType

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.layout import STAGING
from pytest_mlpstorage.results.processes import Holder

__all__ = ["TreeLock", "data_lock", "results_lock"]

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_HOLDER_BYTES = 8192


class TreeLock:
    """An exclusive lock on a file, released by ``release``, by leaving the ``with`` block and by the end of the process.

    ``warning`` is a sentence where the filesystem has no locks (then nothing is held), else empty. The file stays: its
    content names the holder for the error that a second writer reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warning = ""
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock now."""
        return self._descriptor is not None

    def acquire(self) -> TreeLock:
        """Take the lock at once or raise FileSystemError naming the holder; a lock that is held already is kept."""
        while not self.held and not self.warning:
            self._try_once()
        return self

    def _try_once(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Not inheritable: a child that outlives us must not keep the lock.
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise file_system_error("cannot open the lock", self.path, error) from error
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if self.warning or not self._still_there(descriptor):
            os.close(descriptor)
            return
        self._descriptor = descriptor
        _open_locks.add(self)
        since = dt.datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(Holder.this_process(since).to_json()).encode(), 0)
        except OSError as error:
            self._forget()
            raise file_system_error("cannot write to the lock", self.path, error) from error

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise self._refusal(descriptor) from error
            if error.errno not in _NO_LOCKS:
                raise file_system_error("cannot lock", self.path, error) from error
            self.warning = (
                f"the filesystem of {self.path.parent} has no locks ({os.strerror(error.errno)}): "
                "nothing keeps a second start from writing there at the same time"
            )

    def _refusal(self, descriptor: int) -> FileSystemError:
        try:
            holder = str(Holder.from_json(json.loads(os.pread(descriptor, _HOLDER_BYTES, 0))))
        except (ValueError, AttributeError):
            # The holder has the lock and has not written yet, or writes this moment.
            holder = "a process that has not written its name yet"
        return FileSystemError(
            f"{self.path.parent} is in use by another start",
            details={"holder": holder, "lock": self.path},
            suggestion="wait until it ends, end it, or choose another directory; a lock ends with its process",
            code="MLPS-E420",
        )

    def _still_there(self, descriptor: int) -> bool:
        """Whether the locked file is the one at the path: it may have been removed between opening and locking."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))  # noqa: PTH116 - the pair of fstat
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock back; without effect when it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self._forget()

    def _forget(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _open_locks.discard(self)

    def __enter__(self) -> TreeLock:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


_open_locks: weakref.WeakSet[TreeLock] = weakref.WeakSet()


def _close_in_forked_child() -> None:
    # A flock belongs to the open file: a forked child that lives on would hold it after our end.
    for lock in list(_open_locks):
        lock._forget()


os.register_at_fork(after_in_child=_close_in_forked_child)


def results_lock(results_dir: Path) -> TreeLock:
    """Lock of a results directory (not taken yet)."""
    return TreeLock(results_dir / STAGING / "lock")


def data_lock(data_dir: Path) -> TreeLock:
    """Lock of a data or checkpoint directory (not taken yet)."""
    return TreeLock(data_dir / ".mlps-lock")
