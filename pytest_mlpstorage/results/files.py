"""Reading files of a tree that somebody else made: bounded, never out of the tree, damage becomes a ReadProblem."""

from __future__ import annotations

import dataclasses
import errno
import functools
import itertools
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.records import Listing, ReadProblem
from pytest_mlpstorage.results.yaml_files import bounded_yaml

__all__ = ["MAX_JSON_BYTES", "MAX_YAML_BYTES", "NO_TEXT", "STRAY_NO_TEXT", "TreeFiles", "is_directory", "is_pruned", "is_text", "printable"]

MAX_JSON_BYTES: Final = 64 * 1024**2
"""Largest JSON file that is parsed (the largest of a real submission is under 1 MiB)."""

MAX_YAML_BYTES: Final = 4 * 1024**2
"""Largest YAML file that is parsed."""

MAX_NAMES: Final = 100_000
"""Most names read of one directory."""

_DEEPEST: Final = 100
"""Most levels of directories below the root that are entered; no layout has twenty."""

PRUNED: Final = b"PRUNED BY STAFF"
"""What publishers leave of a log that they removed."""


NO_TEXT: Final = "has a name that is not UTF-8, so no report could say where it stands: rename it, and it is judged"
"""What is wrong with a name that no path of a record can hold; where it is shown, each such byte is a number."""


def printable(name: str) -> str:
    """Write a file name, or any text of a file, as text that any stream can take: what is no UTF-8 is shown by number."""
    if name.isascii():
        return name
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half a character, which no file name can hold and JSON can
        return name.encode("utf-8", "backslashreplace").decode()


STRAY_NO_TEXT: Final = "has a name that is not UTF-8, and stands where no result does"
"""The same of what nothing would be judged of under any name."""


def is_text(name: str) -> bool:
    """Whether a file name is UTF-8. One that is not stands in a path only as ``printable`` shows it, which nothing can be opened by."""
    return name.isascii() or printable(name) == name


def is_pruned(content: bytes) -> bool:
    """Whether a file holds the publisher's placeholder and nothing else."""
    return len(content) <= len(PRUNED) + 2 and content.strip() == PRUNED


def is_directory(path: Path) -> bool:
    """Whether a path is a directory or leads to one; False where that may not be known (``Path.is_dir`` raises there)."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError):
        return False


@functools.lru_cache(maxsize=64)
def _real_path(path: str) -> str:
    return os.path.realpath(path)


# Asked of every file of a leaf: resolving each path anew was a tenth of the time of judging a round. A directory of a tree that is
# judged does not become a symbolic link while it is judged.
@functools.lru_cache(maxsize=65_536)
def _is_real(root: str, directory: str) -> bool:
    """Whether no level of a directory below ``root`` is a symbolic link."""
    if directory == root:
        return True
    above = root if root.endswith("/") else f"{root}/"
    below = directory[len(above) :].split("/")
    if not directory.startswith(above) or os.pardir in below or len(below) > _DEEPEST:
        return False
    if len(below) > 1 and not _is_real(root, directory.rpartition("/")[0]):
        return False
    try:
        return not stat.S_ISLNK(os.lstat(directory).st_mode)
    except (OSError, ValueError):  # not there, or no name at all: opening it will say so
        return True


@dataclasses.dataclass
class TreeFiles:
    """Access to the files below ``root``; what could not be read is added to ``problems``.

    Directories behind symbolic links are not entered. A file behind a symbolic link is read only where it lies in the tree.
    """

    root: Path
    problems: list[ReadProblem] = dataclasses.field(default_factory=list)

    def relative(self, path: Path) -> str:
        """Posix path relative to the tree, safe to print."""
        return "/".join(printable(part) for part in path.relative_to(self.root).parts)

    def complain(self, path: Path, message: str) -> None:
        """Remember that a file could not be read as what it should be."""
        self.problems.append(ReadProblem(self.relative(path), message))

    def listing(self, directory: Path) -> Listing:
        """Names in a directory, sorted; an absent directory is empty, an unreadable one is empty and a problem."""
        if not _is_real(str(self.root), str(directory)):  # the listing above it has named the link
            return Listing()
        try:
            with os.scandir(directory) as found:
                entries = list(itertools.islice(found, MAX_NAMES + 1))
                directories = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
                links = [e.name for e in entries if e.is_symlink() and is_directory(directory / e.name)]
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
            size = self._size(directory, name)
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

    def _size(self, directory: Path, name: str) -> int | None:
        """Bytes of a regular file in the tree; None (and a problem) for all else."""
        try:
            # A path as text: one object less for each of the thousands of files of a round.
            status = os.lstat(f"{directory}/{name}")
            if stat.S_ISREG(status.st_mode):
                return status.st_size
            path = directory / name
            if stat.S_ISLNK(status.st_mode):
                if is_directory(path):  # its listing has named it
                    return None
                if not self._inside(path):
                    self.complain(path, "is a symbolic link out of the tree; not followed")
                    return None
                status = path.stat()
        except OSError as error:
            self.complain(directory / name, f"cannot be read: {error.strerror}")
            return None
        if not stat.S_ISREG(status.st_mode):
            self.complain(path, "is no regular file")
            return None
        return status.st_size

    def _inside(self, path: Path) -> bool:
        root = _real_path(str(self.root))
        return os.path.commonpath([root, os.path.realpath(path)]) == root

    def content(self, path: Path, *, limit: int) -> bytes | None:
        """Bytes of a regular file in the tree up to ``limit`` bytes; None and a problem for all else."""
        descriptor = self._open(path)
        if descriptor is None:
            return None
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)  # Python itself would refuse a directory with an error
            self.complain(path, "is no regular file")
            return None
        with os.fdopen(descriptor, "rb") as file:
            if status.st_size > limit:
                self.complain(path, f"holds {status.st_size} bytes, more than the {limit} that are read")
                return None
            try:
                return file.read(limit)
            except OSError as error:
                self.complain(path, f"cannot be read: {error.strerror}")
                return None

    def text_lines(self, path: Path, *, limit: int, longest: int = 1 << 20) -> Iterator[str]:
        """Lines of a regular file in the tree one by one, of up to ``limit`` bytes in all; a longer line comes in pieces.

        None at all, and a problem, for all else. Bytes that are no UTF-8 are replaced.
        """
        descriptor = self._open(path)
        if descriptor is None:
            return
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            os.close(descriptor)
            too_large = f"holds {status.st_size} bytes, more than the {limit} that are read"
            self.complain(path, too_large if stat.S_ISREG(status.st_mode) else "is no regular file")
            return
        with os.fdopen(descriptor, encoding="utf-8", errors="replace", newline="") as file:
            try:
                while line := file.readline(longest):
                    yield line
            except OSError as error:
                self.complain(path, f"cannot be read: {error.strerror}")

    def _open(self, path: Path) -> int | None:
        """Open a file that is no symbolic link out of the tree."""
        # Not to wait for a writer where the name is a pipe.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        if _is_real(str(self.root), str(path).rpartition("/")[0]):
            try:
                return os.open(path, flags | os.O_NOFOLLOW)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    self.complain(path, f"cannot be read: {error.strerror}")
                    return None
        if not self._inside(path):
            self.complain(path, "lies out of the tree; not read")
            return None
        try:
            return os.open(path, flags)
        except OSError as error:
            reason = "is a loop of symbolic links" if error.errno == errno.ELOOP else f"cannot be read: {error.strerror}"
            self.complain(path, reason)
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

    def json_document(self, path: Path, *, limit: int = MAX_JSON_BYTES) -> object:
        """Read whatever stands in a JSON file; None and a problem where nothing does. A pruned file is None without a problem."""
        parsed = self._json(path, limit)
        return parsed[0] if parsed else None

    def json_object(self, path: Path, *, limit: int = MAX_JSON_BYTES) -> JSONObject | None:
        """Read the object in a JSON file; None and a problem where there is none. A pruned file is None without a problem."""
        parsed = self._json(path, limit)
        if parsed is None:
            return None
        if not isinstance(parsed[0], Mapping):
            self.complain(path, f"holds a JSON {type(parsed[0]).__name__}, not an object")
            return None
        return parsed[0]

    def _json(self, path: Path, limit: int) -> tuple[object] | None:
        content = self.content(path, limit=limit)
        if content is None or is_pruned(content):
            return None
        if not content.strip():
            self.complain(path, "is empty")
            return None
        try:
            return (json.loads(content),)
        except (ValueError, RecursionError) as error:
            self.complain(path, f"is no JSON: {str(error)[:200]}")
            return None
