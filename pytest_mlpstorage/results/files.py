"""Reading files of a tree that somebody else made: bounded, never out of the tree, damage becomes a ReadProblem."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.records import Listing, ReadProblem
from pytest_mlpstorage.results.yaml_files import bounded_yaml

__all__ = ["MAX_JSON_BYTES", "MAX_YAML_BYTES", "TreeFiles", "is_pruned", "printable"]

MAX_JSON_BYTES: Final = 64 * 1024**2
"""Largest JSON file that is parsed (the largest of a real submission is under 1 MiB)."""

MAX_YAML_BYTES: Final = 4 * 1024**2
"""Largest YAML file that is parsed."""

MAX_NAMES: Final = 100_000
"""Most names read of one directory."""

PRUNED: Final = b"PRUNED BY STAFF"
"""What publishers leave of a log that they removed."""


def printable(name: str) -> str:
    """Write a file name as text that any stream can take: bytes that are no UTF-8 are shown by number."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_pruned(content: bytes) -> bool:
    """Whether a file holds the publisher's placeholder and nothing else."""
    return len(content) <= len(PRUNED) + 2 and content.strip() == PRUNED


@dataclasses.dataclass
class TreeFiles:
    """Access to the files below ``root``; what could not be read is added to ``problems``.

    Directories behind symbolic links are not entered. A file behind a symbolic link is read only where it lies in the tree.
    """

    root: Path
    problems: list[ReadProblem] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self._real_root = os.path.realpath(self.root)

    def relative(self, path: Path) -> str:
        """Posix path relative to the tree, safe to print."""
        return "/".join(printable(part) for part in path.relative_to(self.root).parts)

    def complain(self, path: Path, message: str) -> None:
        """Remember that a file could not be read as what it should be."""
        self.problems.append(ReadProblem(self.relative(path), message))

    def listing(self, directory: Path) -> Listing:
        """Names in a directory, sorted; an absent directory is empty, an unreadable one is empty and a problem."""
        try:
            with os.scandir(directory) as found:
                entries = list(itertools.islice(found, MAX_NAMES + 1))
                directories = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                links = [e.name for e in entries if e.is_symlink() and (directory / e.name).is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return Listing()
        except OSError as error:
            self.complain(directory, f"cannot be listed: {error.strerror}")
            return Listing()
        if len(entries) > MAX_NAMES:
            self.complain(directory, f"holds more than {MAX_NAMES} names; the rest was not read")
            entries = entries[:MAX_NAMES]
        for name in sorted(links):
            self.complain(directory / name, "is a symbolic link to a directory; not followed")
        kept = {e.name for e in entries}
        return Listing(tuple(sorted(kept)), tuple(sorted(kept.intersection(directories))))

    def leaf_files(self, directory: Path, *, depth: int = 2) -> tuple[frozenset[str], frozenset[str]]:
        """Files of a leaf, ``depth`` levels deep, as posix paths relative to it; and those of them that were pruned."""
        found = self._names(directory, "", depth)
        present: set[str] = set()
        pruned: set[str] = set()
        for name in found:
            size = self._size(directory / name)
            if size is None:
                continue
            present.add(printable(name))
            if len(PRUNED) <= size <= len(PRUNED) + 2 and is_pruned(self.content(directory / name, limit=64) or b""):
                pruned.add(printable(name))
        return frozenset(present), frozenset(pruned)

    def _names(self, directory: Path, prefix: str, depth: int) -> list[str]:
        listing = self.listing(directory)
        found = [f"{prefix}{name}" for name in listing.files if not is_noise(name)]
        for inner in listing.directories if depth > 1 else ():
            if not is_noise(inner):
                found += self._names(directory / inner, f"{prefix}{inner}/", depth - 1)
        return found

    def _size(self, path: Path) -> int | None:
        """Bytes of a regular file in the tree; None (and a problem) for all else."""
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                if path.is_dir():  # its listing has named it
                    return None
                if not self._inside(path):
                    self.complain(path, "is a symbolic link out of the tree; not followed")
                    return None
                status = path.stat()
        except OSError as error:
            self.complain(path, f"cannot be read: {error.strerror}")
            return None
        if not stat.S_ISREG(status.st_mode):
            self.complain(path, "is no regular file")
            return None
        return status.st_size

    def _inside(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return os.path.commonpath([self._real_root, real]) == self._real_root

    def content(self, path: Path, *, limit: int) -> bytes | None:
        """Bytes of a regular file in the tree up to ``limit`` bytes; None and a problem for all else."""
        if not self._inside(path):
            self.complain(path, "lies out of the tree; not read")
            return None
        try:
            # Not to wait for a writer where the name is a pipe.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            reason = "is a loop of symbolic links" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
            self.complain(path, reason)
            return None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                self.complain(path, "is no regular file")
                return None
            if status.st_size > limit:
                self.complain(path, f"holds {status.st_size} bytes, more than the {limit} that are read")
                return None
            try:
                return file.read(limit)
            except OSError as error:
                self.complain(path, f"cannot be read: {error.strerror}")
                return None

    def yaml_document(self, path: Path, *, limit: int = MAX_YAML_BYTES) -> object:
        """Read the document in a YAML file with plain types; None and a problem where there is none, or where it is a bomb."""
        content = self.content(path, limit=limit)
        if content is None or is_pruned(content):
            return None
        try:
            return bounded_yaml(content)
        except ValueError as error:
            self.complain(path, f"is no YAML: {str(error)[:200]}")
            return None

    def json_object(self, path: Path, *, limit: int = MAX_JSON_BYTES) -> JSONObject | None:
        """Read the object in a JSON file; None and a problem where there is none. A pruned file is None without a problem."""
        content = self.content(path, limit=limit)
        if content is None or is_pruned(content):
            return None
        if not content.strip():
            self.complain(path, "is empty")
            return None
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError) as error:
            self.complain(path, f"is no JSON: {str(error)[:200]}")
            return None
        if not isinstance(parsed, Mapping):
            self.complain(path, f"holds a JSON {type(parsed).__name__}, not an object")
            return None
        return parsed
