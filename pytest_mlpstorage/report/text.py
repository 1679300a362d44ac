"""Text from a tree that somebody else made, written so that neither a terminal nor a browser acts on it."""

from __future__ import annotations

import html
import sys
import unicodedata
from typing import Final

__all__ = ["cell", "escaped", "number", "plain"]

_LONGEST: Final = 2000
_COUNTED: Final = 100_000
"""Whole numbers from here on are counts (of vectors, of files), whatever type they came in."""

# Controls, lone surrogates, and format characters: among them those that turn the direction of a line round.
_UNSAFE: Final = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp"})


def plain(text: object, *, longest: int = _LONGEST) -> str:
    """One line without control characters (ESC is shown as its number, 1b), cut at ``longest`` characters."""
    raw = str(text)
    shown = raw[:longest] if len(raw) > longest else raw
    safe = "".join(_shown(c) if unicodedata.category(c) in _UNSAFE else c for c in shown)
    return f"{safe}… ({len(raw)} characters)" if len(raw) > longest else safe


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escaped(text: object, *, longest: int = _LONGEST) -> str:
    """``plain`` text for HTML, quotes included."""
    return html.escape(plain(text, longest=longest))


def number(value: object, digits: int = 2) -> str:
    """A figure for people, never more exact than ``digits``; empty for None. What decides is compared unrounded elsewhere."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return plain(value, longest=200)
    if isinstance(value, float) and value.is_integer() and abs(value) >= _COUNTED:
        value = int(value)
    return plain(f"{value:,}", longest=200) if isinstance(value, int) else f"{value:,.{digits}f}"


def cell(text: object) -> str:
    """Text of a CSV cell that no spreadsheet takes for a formula."""
    safe = plain(text, longest=sys.maxsize)  # a file for machines is never cut
    return f"'{safe}" if safe.startswith(("=", "+", "-", "@")) else safe
