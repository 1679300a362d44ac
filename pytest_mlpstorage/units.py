"""Sizes in bytes and times in seconds, read from and written as text that carries its unit."""

from __future__ import annotations

import math
import re
from typing import Final

__all__ = ["GIB", "KIB", "MIB", "TIB", "format_bytes", "format_seconds", "parse_duration", "parse_size"]

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
TIB: Final = 1024**4

_SIZE_UNITS: Final = {
    "B": 1,
    "KiB": KIB,
    "MiB": MIB,
    "GiB": GIB,
    "TiB": TIB,
    "PiB": 1024**5,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "PB": 1000**5,
}
_TIME_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_QUANTITY: Final = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$")


def _parse(text: object, units: dict[str, float] | dict[str, int], kind: str, example: str) -> float:
    match = _QUANTITY.match(text) if isinstance(text, str) else None
    if match is None or not match[2]:
        raise ValueError(f"{kind} with its unit is needed, such as {example}; allowed units: {', '.join(units)}")
    if match[2] not in units:
        folded = {name.lower(): name for name in units}
        near = folded.get(match[2].lower())
        hint = f"; did you mean {match[1]}{near}?" if near else ""
        raise ValueError(f"unknown unit {match[2]!r}; allowed units: {', '.join(units)}{hint}")
    value = float(match[1]) * units[match[2]]
    if not math.isfinite(value):
        raise ValueError(f"{kind} of that many digits is beyond all measure")
    return value


def parse_size(text: object) -> int:
    """Bytes of a size such as ``512GiB`` or ``1.5 TB``; raises ValueError for a bare number or an unknown unit."""
    value = _parse(text, _SIZE_UNITS, "a size", "512GiB")
    if value != int(value):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(value)


def parse_duration(text: object) -> float:
    """Seconds of a time such as ``300s``, ``10min`` or ``2h``; raises ValueError for a bare number or an unknown unit."""
    return _parse(text, _TIME_UNITS, "a time", "300s")


def format_bytes(count: float) -> str:
    """A size for people, in binary units: ``format_bytes(1536)`` is ``1.50 KiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.2f} {unit}"
        value /= 1024
    return f"{value:.2f} TiB"


def format_seconds(seconds: float) -> str:
    """A time for people: ``12.3 s``, ``4 min 05 s``, ``2 h 03 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
