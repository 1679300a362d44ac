"""Pieces of Markdown that read the same on a code forge, in Sphinx and as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["code", "plain", "table"]

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


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; its cells are Markdown already."""
    return [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
