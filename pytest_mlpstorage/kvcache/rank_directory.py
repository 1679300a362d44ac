"""The folder of one rank's objects: marked as ours when it is made, and emptied only if it is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn

from pytest_mlpstorage.errors import FileSystemError, MLPStorageError
from pytest_mlpstorage.results.atomic import file_system_error

__all__ = ["TOKEN_NAME", "RankDirectory"]

TOKEN_NAME: Final = ".mlps-kv-cache"  # noqa: S105 - the name of a file
_MARK: Final = "pytest-mlpstorage KV cache directory: everything in it may be removed"
_LARGEST_TOKEN: Final = 4096


class RankDirectory:
    """``<cache>/rank_<rank>``, held while it is open: made and marked, or found marked, and empty then. A context; leaves nothing.

    Raises FileSystemError for a folder that is not ours and not empty, for a link, and for one that another run holds.
    """

    def __init__(self, cache: str | os.PathLike[str], rank: int) -> None:
        self.path = Path(cache) / f"rank_{rank}"
        self._rank = rank
        self._made: list[Path] = []
        self._folder = self._token = -1

    def __enter__(self) -> RankDirectory:
        try:
            self.prepare()
        except BaseException:
            self._remove_made()
            self._release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.remove()
        except FileSystemError as second:
            if error is None:
                raise
            # Storage that failed fails here again: what is said is the first fault, and that something was left.
            if isinstance(error, MLPStorageError):
                error.details["left behind"] = f"{self.path}: {second.cause or second.message}"

    def prepare(self) -> None:
        """Make or take over the folder, and empty it."""
        try:
            self._make_parents()
            with contextlib.suppress(FileExistsError):
                self.path.mkdir()
                self._made.append(self.path)
            self._folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._mark()
            self._hold()
        except OSError as error:
            self._refuse_links(error)
            raise file_system_error(f"cannot make or take over {self.path}", self.path, error) from error
        self.empty()

    def empty(self) -> None:
        """Remove everything but the token: only of a folder that is held, whose token still stands."""
        self._see_token()
        try:
            _remove_content(self._folder, keep=TOKEN_NAME)
        except OSError as error:
            raise file_system_error(f"cannot empty {self.path}", self.path, error) from error

    def mark_again(self) -> bool:
        """Write the token anew where a program that was let into the held folder removed it.

        False where another folder stands in its place, or none: that is nothing of ours, is not touched, and this one is let go.
        """
        try:
            there, held = self.path.lstat() if os.path.lexists(self.path) else None, os.fstat(self._folder)
            if there is None or (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
                self._release()
                return False
            if TOKEN_NAME in self._names():
                return True
            before = self._token
            self._token = os.open(TOKEN_NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=self._folder)
            os.close(before)
            self._write_token()
            self._hold()
            return True
        except OSError as error:
            raise file_system_error(f"cannot mark {self.path} again", self.path, error) from error

    def remove(self) -> None:
        """Remove what is in it, and the folders that were made for it; a folder that was there stays, without its token."""
        if self._folder < 0:
            return
        try:
            self.empty()
            os.unlink(TOKEN_NAME, dir_fd=self._folder)
            self._remove_made()
        except OSError as error:
            raise file_system_error(f"cannot remove {self.path}", self.path, error) from error
        finally:
            self._release()

    def _make_parents(self) -> None:
        missing = [folder for folder in (self.path.parent, *self.path.parent.parents) if not folder.exists()]
        for folder in reversed(missing):
            with contextlib.suppress(FileExistsError):  # another rank was faster
                folder.mkdir()
                self._made.append(folder)

    def _remove_made(self) -> None:
        for folder in reversed(self._made):
            # Another rank may still be in the cache folder, and somebody may have put something there.
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _mark(self) -> None:
        """Open the token; write one if the folder is empty."""
        new = False
        try:
            self._token = os.open(TOKEN_NAME, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            if self._names():
                self._not_ours("it holds files, and no token of ours")
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._token, new = os.open(TOKEN_NAME, flags, 0o644, dir_fd=self._folder), True
        if os.fstat(self._token).st_size == 0 and self._names() == [TOKEN_NAME]:  # new, or of one who was killed before the next line
            try:
                self._write_token()
            except OSError:  # as where the disk is full
                if new:
                    os.unlink(TOKEN_NAME, dir_fd=self._folder)
                raise
        if not self._is_ours(self._token):
            self._not_ours(f"its {TOKEN_NAME} is not the token of this rank")

    def _write_token(self) -> None:
        content = {"what": _MARK, "rank": self._rank, "host": socket.gethostname(), "pid": os.getpid()}
        os.pwrite(self._token, json.dumps(content).encode(), 0)

    def _names(self) -> list[str]:
        with os.scandir(self._folder) as entries:
            return [entry.name for entry in entries]

    def _is_ours(self, descriptor: int) -> bool:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        try:
            content = json.loads(os.pread(descriptor, _LARGEST_TOKEN, 0))
        except (ValueError, RecursionError):
            return False
        return isinstance(content, dict) and content.get("what") == _MARK and content.get("rank") == self._rank

    def _hold(self) -> None:
        try:
            fcntl.flock(self._token, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise FileSystemError(
                    f"{self.path} is in use by another run",
                    details={"path": self.path, "its token": os.pread(self._token, _LARGEST_TOKEN, 0).decode(errors="replace")},
                    suggestion="wait for it, or choose another cache directory",
                    code="MLPS-E420",
                ) from error
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):  # a filesystem without locks
                raise

    def _see_token(self) -> None:
        """See that the folder that is held is still the marked one, by its token's file."""
        try:
            there, held = os.stat(TOKEN_NAME, dir_fd=self._folder, follow_symlinks=False), os.fstat(self._token)
        except OSError as error:
            raise file_system_error(f"{self.path} is not emptied: its token is gone", self.path, error) from error
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            self._not_ours("its token was replaced")

    def _refuse_links(self, error: OSError) -> None:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and self.path.is_symlink():
            self._not_ours("it is a symbolic link")

    def _not_ours(self, reason: str) -> NoReturn:
        raise FileSystemError(
            f"{self.path} is not emptied: {reason}",
            details={"path": self.path},
            suggestion="choose another kvcache.cache_dir, or remove that folder yourself if nothing in it is needed",
            code="MLPS-E412",
        )

    def _release(self) -> None:
        for descriptor in (self._token, self._folder):
            if descriptor >= 0:
                os.close(descriptor)
        self._folder = self._token = -1


def _remove_content(folder: int, keep: str = "") -> None:
    """Remove what is in an open folder, never through a link and never on another filesystem."""
    device = os.fstat(folder).st_dev
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if entry.name != keep]
    for name, is_folder in found:
        if not is_folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            continue
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            if os.fstat(inner).st_dev != device:
                raise OSError(errno.EXDEV, f"another filesystem is mounted on {name}")
            _remove_content(inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=folder)
