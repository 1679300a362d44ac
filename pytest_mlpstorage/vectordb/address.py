"""Addresses of servers as they may be told: in errors, plans and results, which are published."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["address_shown"]

_PORT: Final = r"\d+(?:[,?][^@/]*)?(?:/[^@?]*(?:\?|$)|$)"
"""What follows a host: its port, and after it no @ but in the words of a query."""

_IN_URL: Final = rf"(?<=://)([^:@/]*:)(?!{_PORT})(?:[^/?]+|\S+)(?=@)"
"""A password in a URL - also one with characters that should have been encoded, but no port."""

_IN_WORDS: Final = r"(password\s*=\s*)(?:'(?:[^'\\]|\\.)*(?:'|$)|(?:[^\s&\\]|\\.|&(?!\w+=))+)"
"""One in PostgreSQL's words, or in the query of a URL."""

_SECRET: Final = re.compile(f"{_IN_URL}|{_IN_WORDS}", re.IGNORECASE)


def address_shown(uri: str) -> str:
    """An address without its password."""
    return _SECRET.sub(r"\1\2***", uri)
