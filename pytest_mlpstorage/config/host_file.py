"""Files that name hosts, as Open MPI (``name slots=4``) and MPICH (``name:4``) read them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["HostLine", "Unreadable", "read_host_file"]

MAX_BYTES: Final = 1024 * 1024
_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?::([1-9][0-9]{0,5})|\s+slots\s*=\s*([1-9][0-9]{0,5}))?")


class Unreadable(Exception):
    """Why a host file cannot be read, in words that follow "which"."""


@dataclasses.dataclass(frozen=True)
class HostLine:
    """One line: its number from 1, its text, and the host in it; no host where it is of no known form."""

    number: int
    text: str
    host: str | None
    slots: int | None


def read_host_file(path: Path) -> Iterator[HostLine]:
    """The lines that are neither empty nor comments; raises Unreadable."""
    try:
        if not path.is_file():
            raise Unreadable("is no file" if path.exists() else "is not there")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("is not UTF-8 text") from error
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {error}") from error
    if len(content) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES // 1024} KiB")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if words:
            match = _LINE.fullmatch(words)
            slots = (match[2] or match[3]) if match else None
            yield HostLine(number, words, match[1] if match else None, int(slots) if slots else None)
