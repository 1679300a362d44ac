"""The ends of log files: all at once, and line by line as they grow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["Echo", "last_lines", "printable_lines"]

_TAIL_BYTES = 64 * 1024


def last_lines(path: Path) -> list[str]:
    """The lines in the last 64 KiB of a file, empty ones left out; none when it does not exist."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            content = file.read()
    except FileNotFoundError:
        return []
    return printable_lines(content, first=1 if size > _TAIL_BYTES else 0)


def printable_lines(content: bytes, *, first: int = 0) -> list[str]:
    """The lines of what a program printed from the ``first`` on, without what a terminal would act on; empty ones left out."""
    lines = content.decode(errors="replace").splitlines()[first:]
    # Open MPI ends its own block with a NUL, which makes a log binary for grep.
    clean = ("".join(c if c.isprintable() or c == "\t" else " " for c in line).rstrip() for line in lines)
    return [line for line in clean if line]


class Echo:
    """Calls a function with every line that is added to a file."""

    def __init__(self, path: Path, write: Callable[[str], None]) -> None:
        self._file = path.open("rb")
        self._write = write
        self._rest = b""

    def read(self) -> None:
        """Pass on the lines that have come."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._write(line.decode(errors="replace").rstrip("\r"))

    def close(self) -> None:
        """Pass on what is left, a last line without its end too."""
        self.read()
        if self._rest:
            self._write(self._rest.decode(errors="replace"))
            self._rest = b""
        self._file.close()
