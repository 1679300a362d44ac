"""Addresses of servers as they may be told: in errors, plans and results, which are published."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["address_shown"]

_SECRET: Final = re.compile(r"(?<=://)([^:@/]*:)(?!\d+[,/?])(?:[^/?]+|\S+)(?=@)|(password=)(?:'[^']*'|[^\s&]+)", re.IGNORECASE)
"""A password in a URL - also one with characters that should have been encoded, but no port - and in PostgreSQL's words."""


def address_shown(uri: str) -> str:
    """An address without its password."""
    return _SECRET.sub(r"\1\2***", uri)
