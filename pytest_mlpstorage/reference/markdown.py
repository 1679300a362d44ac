"""Pieces of Markdown that read the same on a code forge, in Sphinx and as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["code", "plain", "table", "told_default"]

_DEFAULT: Final = re.compile(r"(?:^| \(|; )default:? ([^()]+(?:\([^()]*\)[^()]*)?)\)?$")
"""Where a help says in words what holds without an option."""

_ACTIVE: Final = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "\\<", "*": "\\*", "[": "\\[", "$": "\\$"})


def plain(text: str) -> str:
    """A text of the code as Markdown shows it unchanged, on one line; what stands in backticks stays code."""
    parts = " ".join(text.split()).replace("``", "`").split("`")
    if len(parts) % 2 == 0:  # a lone backtick opens nothing
        return "\\`".join(part.translate(_ACTIVE) for part in parts)
    return "`".join(part.replace("|", "\\|") if number % 2 else part.translate(_ACTIVE) for number, part in enumerate(parts))


def code(text: str) -> str:
    """A word as code; nothing for an empty one."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def told_default(help_text: str) -> tuple[str, str]:
    """What a help says that an option does, and what it says that holds without; the second is empty where it says nothing of it."""
    found = _DEFAULT.search(help_text)
    return (help_text[: found.start()].strip(), found[1].strip()) if found else (help_text.strip(), "")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells are Markdown already."""
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
