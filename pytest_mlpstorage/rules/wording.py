"""How a finding writes what was measured: short, and safe for whatever a foreign file holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["LONGEST", "seconds", "shown"]

LONGEST: Final = 80
"""Characters of a foreign value that a finding repeats."""


def shown(value: object) -> str | None:
    """A value of a file as a finding repeats it; None stays None. What holds other values is named by its kind, not written out."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return f"an object of {len(value)} keys"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)} values"
    return str(value)[:LONGEST]


def seconds(value: float) -> str:
    """Seconds with no more digits than they have, to the microsecond: a limit must not look equal to what is just below it."""
    return f"{value:.6f}".rstrip("0").rstrip(".") + " s"
