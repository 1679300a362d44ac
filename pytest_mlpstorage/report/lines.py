"""Lines of our section on the terminal: how they are marked up, broken and cut to its width."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

__all__ = ["Line", "cut", "terminal_width", "wrapped"]

_NARROWEST, _WIDEST = 60, 160
_UNKNOWN: Final = (100, 24)
"""Columns and lines of what is no terminal and names none by ``COLUMNS``: a log, which people read in some window."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One line and how it is marked up; whether colors are shown is pytest's to decide (``--color``, ``NO_COLOR``)."""

    text: str
    markup: Mapping[str, bool] = dataclasses.field(default_factory=dict)


def terminal_width() -> int:
    """Columns to write for: those of the terminal, within what can be read."""
    return min(max(shutil.get_terminal_size(_UNKNOWN).columns, _NARROWEST), _WIDEST)


def wrapped(text: str, width: int, *, indent: str = "", hanging: str = "  ") -> Iterator[str]:
    """The text in lines of at most ``width`` characters; a word that is longer, such as a path, keeps a line to itself."""
    yield from textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent + hanging, break_long_words=False, break_on_hyphens=False
    )


def cut(text: str, width: int) -> str:
    """The text, or its beginning and a sign that more of it was there."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip(' ,;:')}…"
