"""The hash of a code image: MD5 over the paths and contents of its files, streamed, within bounds (rules.md §1.5)."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import printable
from pytest_mlpstorage.results.provenance import CODE_HASH

__all__ = ["MAX_BYTES", "MAX_ENTRIES", "TreeHash", "hashed_files", "tree_hash"]

MAX_ENTRIES: Final = 200_000
"""Most files and directories of an image that are looked at; an image of the official tool has some hundred."""

MAX_BYTES: Final = 1024**3
"""Most bytes of an image that are hashed, some seconds' work; an image of the official tool has some megabytes."""

_PRUNED_DIRECTORIES: Final = frozenset(
    {
        ".git", ".idea", ".vscode", ".claude", ".agent", ".agents", ".roo", ".planning", ".gsd-tmp", ".pytest_cache", ".venv", ".tox",
        "__pycache__", "node_modules", "build", "dist", "test", "tests",
    }
)  # fmt: skip
_PRUNED_DIRECTORY_SUFFIX: Final = ".egg-info"
_PRUNED_FILES: Final = frozenset({CODE_HASH, ".DS_Store", "Thumbs.db"})
_PRUNED_FILE_SUFFIXES: Final = (".pyc", ".pyo")
_CHUNK: Final = 1024**2


@dataclasses.dataclass(frozen=True)
class TreeHash:
    """The hash of a directory, and of how many files and bytes it is; ``digest`` is None for the reason in ``problem``.

    ``too_large``: that reason is a bound, and no damage.
    """

    digest: str | None
    files: int = 0
    size_bytes: int = 0
    problem: str = ""
    too_large: bool = False


class _Bound(Exception):
    """A bound was passed."""


def tree_hash(root: Path, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> TreeHash:
    """Hash the files below ``root`` as the official tool does: for each in order of the bytes of its path, the path, then the content.

    Development leftovers (``.git``, ``tests``, ``*.pyc`` …) and all symbolic links are left out. Never raises for what stands there.
    """
    names: list[bytes] = []
    left = max_bytes
    try:
        names = sorted(_names(os.fsencode(root), max_entries))
        digest = hashlib.md5(usedforsecurity=False)
        for name in names:
            digest.update(name)
            left = _feed(digest, os.path.join(os.fsencode(root), name), left)  # noqa: PTH118 - bytes, as names may be no text
    except _Bound as bound:
        return TreeHash(None, len(names), max_bytes - left, str(bound), too_large=True)
    except OSError as error:
        where = printable(os.path.relpath(os.fsdecode(error.filename), root)) if error.filename else "a file"
        return TreeHash(None, len(names), max_bytes - left, f"{where} cannot be read: {error.strerror}")
    return TreeHash(digest.hexdigest(), len(names), max_bytes - left)


def hashed_files(root: Path) -> list[str]:
    """Posix paths, relative to ``root``, of every file that its hash is made of, in the order of the hash.

    Raises OSError for a directory that cannot be read, ValueError for one that holds too much.
    """
    try:
        return [os.fsdecode(name) for name in sorted(_names(os.fsencode(root), MAX_ENTRIES))]
    except _Bound as bound:
        raise ValueError(f"{root} {bound}") from None


def _names(root: bytes, max_entries: int) -> list[bytes]:
    """Posix paths, relative to ``root``, of every file that is hashed; in no order."""
    found: list[bytes] = []
    pending = [b""]
    seen = 0
    while pending:
        below = pending.pop()
        with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118 - bytes
            for entry in entries:
                seen += 1
                if seen > max_entries:
                    raise _Bound(f"holds more than {max_entries} files and directories")
                name = os.fsdecode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if name not in _PRUNED_DIRECTORIES and not name.endswith(_PRUNED_DIRECTORY_SUFFIX):
                        pending.append(below + entry.name + b"/")
                elif entry.is_file(follow_symlinks=False) and not _is_left_out(name):
                    found.append(below + entry.name)
    return found


def _is_left_out(name: str) -> bool:
    return name in _PRUNED_FILES or name.endswith(_PRUNED_FILE_SUFFIXES)


def _feed(digest: hashlib._Hash, path: bytes, left: int) -> int:
    """Hash the content of one file; returns how many bytes may still be hashed after it."""
    # Nothing that was put in the file's place since it was listed is followed or waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return left
        if status.st_size > left:  # known before it is read
            raise _Bound("holds more bytes than are hashed")
        while chunk := file.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise _Bound("holds more bytes than are hashed")
            digest.update(chunk)
    return left
