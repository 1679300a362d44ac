"""Files that are there whole or not at all: written beside their place, forced to disk, renamed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from pytest_mlpstorage.errors import FileSystemError, ValidationError, code_of_os

__all__ = ["file_system_error", "sync_directory", "sync_tree", "write_json", "write_text"]

_NEXT_STEP = {
    errno.ENOSPC: "free space on that filesystem, or choose another directory",
    errno.EDQUOT: "free space under the quota, or choose another directory",
    errno.EROFS: "the filesystem is mounted read-only: choose another directory",
    errno.EACCES: "make the directory writable for this user, or choose another",
    errno.EPERM: "make the directory writable for this user, or choose another",
    errno.EXDEV: "source and destination lie on different filesystems: keep the results directory on one",
}


def file_system_error(message: str, path: Path, cause: OSError) -> FileSystemError:
    """Turn an OSError into the error that people read, with the next step for the causes that are known."""
    return FileSystemError(
        message,
        details={"path": path},
        cause=cause,
        suggestion=_NEXT_STEP.get(cause.errno or 0, "check the path and its filesystem"),
        code=code_of_os(cause),
    )


def sync_directory(path: Path) -> None:
    """Force the names in a directory to disk; a filesystem that cannot (some network ones) is left to its own promise."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Force every file and every name below a directory to disk; what a link leads to is elsewhere. Raises OSError."""
    for directory, _, names in os.walk(root):
        for name in names:
            file = Path(directory, name)
            if file.is_symlink() or not file.is_file():
                continue
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(directory))


def write_text(path: Path, text: str, *, keep_equal: bool = False, private: bool = False) -> None:
    """Write or replace a text file at once; with ``keep_equal`` a file that holds this text already is not touched.

    A ``private`` one may be read by its owner only, from its first byte on.
    Half a character, which foreign JSON can name and UTF-8 cannot hold, is written as JSON escapes it. Raises FileSystemError; then the
    old file, if any, still stands.
    """
    content = text.encode("utf-8", "backslashreplace")
    if keep_equal and _holds(path, content):
        return
    staged = path.with_name(f".{path.name}.{os.getpid()}.part"[-255:])
    try:
        if private:
            staged.unlink(missing_ok=True)  # one that was left keeps its permissions
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600 if private else 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            staged.replace(path)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    except OSError as error:
        raise file_system_error(f"cannot write {path.name}", path, error) from error


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False  # not there, or unreadable: writing it will say why


def write_json(path: Path, value: Any, *, keep_equal: bool = False, private: bool = False) -> None:
    """Write or replace a JSON file at once, indented by 2; ``keep_equal`` and ``private`` as in ``write_text``.

    Raises FileSystemError, or ValidationError for NaN or infinity: a value that is missing is written as null.
    """
    try:
        text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise ValidationError(
            f"{path.name} would hold a number that JSON cannot", details={"path": path}, cause=error, code="MLPS-E610"
        ) from error
    write_text(path, text + "\n", keep_equal=keep_equal, private=private)
