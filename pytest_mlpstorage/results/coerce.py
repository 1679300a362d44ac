"""Values as tools and people write them: numbers and booleans as text, times with and without a zone, NaN."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
import reprlib
from collections.abc import Mapping
from typing import Any, TypeAlias

__all__ = ["JSONObject", "Reading", "boolean", "integer", "native", "number", "wall_time"]

JSONObject: TypeAlias = Mapping[str, Any]
"""A JSON object as the json module reads it."""

_WALL_TIME = re.compile(r"(\d{4})-(\d{2})-(\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?\s*(?:Z|[+-]\d{2}:?\d{2})?$", re.ASCII)
_DIRECTORY_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})_(\d{2})(\d{2})(\d{2})$", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+$", re.ASCII)
# Beyond this Python itself refuses to read a whole number from text.
_LONGEST_NUMBER = 400


def number(value: object) -> float | None:
    """Return the finite float that a JSON value stands for (``1``, ``1.5``, ``"195.15"``), or None: never NaN, infinity or a boolean."""
    if type(value) is float:  # what nearly all are, in hundreds of thousands
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_NUMBER or not _NUMBER.match(text):
            return None
        parsed = float(text)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            parsed = float(value)
        except OverflowError:  # an int of more than 308 digits
            return None
    else:
        return None
    return parsed if math.isfinite(parsed) else None


def integer(value: object) -> int | None:
    """Return the whole number that a JSON value stands for (``20``, ``"17023000"``, ``20.0``), exact; None for all else."""
    if isinstance(value, int) and not isinstance(value, bool):
        # Products of longer ones could not even be written out.
        return value if abs(value) < 10**_LONGEST_NUMBER else None
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _INTEGER.match(value.strip()):
        return int(value.strip())
    parsed = number(value)
    return int(parsed) if parsed is not None and parsed.is_integer() else None


def boolean(value: object) -> bool | None:
    """Return the truth value of ``true``, ``"True"``, ``"false"``, or None for all else (a number is not a truth value)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def native(value: object) -> object:
    """Give a value that came from a command line as text its type: ``"True"`` is True, ``"100"`` is 100.

    Parameters of v3.0 metadata hold both forms of one value; compare them after this.
    """
    if not isinstance(value, str):
        return value
    for parse in (boolean, integer, number):
        parsed = parse(value)
        if parsed is not None:
            return parsed
    return value


def wall_time(value: object) -> dt.datetime | None:
    """Return the wall-clock time as written, always naive, or None.

    Summaries and directory names hold local times without a zone, other fields carry ``Z``; rules compare wall clocks,
    so a zone mark is read over (rule 4.7.1 says so). Accepts ISO 8601 and ``YYYYMMDD_HHMMSS``.
    """
    if not isinstance(value, str):
        return None
    usual = _usual_time(value)
    if usual is not None:
        return usual
    match = _WALL_TIME.match(value.strip()) or _DIRECTORY_TIME.match(value.strip())
    if match is None:
        return None
    fields = match.groups()
    fraction = fields[6] if len(fields) > 6 else None
    try:
        year, month, day, hour, minute, second = (int(field) for field in fields[:6])
        return dt.datetime(year, month, day, hour, minute, second, int((fraction or "0")[:6].ljust(6, "0")))
    except ValueError:  # month 13, or the like
        return None


def _usual_time(text: str) -> dt.datetime | None:
    """The time in the one form that DLIO writes (``2026-07-13T08:10:00.000001``), many times as fast; a round holds 100 000."""
    marks = text[4:5] + text[7:8] + text[10:11] + text[13:14] + text[16:17]
    if len(text) not in (19, 26) or marks != "--T::" or text[19:20] not in ("", ".") or text[11:13] == "24" or not text.isascii():
        return None
    try:
        parsed = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is None else None


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel, _BRIEF.maxlist, _BRIEF.maxdict, _BRIEF.maxstring = 3, 20, 20, 60


def _shown(value: object) -> str:
    """The beginning of a value; what holds others is written a few levels deep, because JSON may nest as deep as the interpreter can go."""
    return (_BRIEF.repr(value) if isinstance(value, (Mapping, list)) else str(value))[:60]


@dataclasses.dataclass
class Reading:
    """Reads fields of one JSON object and remembers each that is there but is not what it should be.

    An absent field and a null are None without a complaint; a field of the wrong kind or NaN is None with one, so that a
    damaged value can neither crash a rule nor pass as a measurement.
    """

    raw: JSONObject
    prefix: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)

    def _complain(self, key: str, value: object, wanted: str) -> None:
        self.problems.append(f"{self.prefix}{key} is {_shown(value)!r}, not {wanted}")

    def number(self, *keys: str) -> float | None:
        """Return the first of these keys that is there, as a finite float."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None:
                parsed = number(value)
                if parsed is None:
                    self._complain(key, value, "a finite number")
                return parsed
        return None

    def integer(self, *keys: str) -> int | None:
        """Return the first of these keys that is there, as a whole number."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None:
                parsed = integer(value)
                if parsed is None:
                    self._complain(key, value, "a whole number")
                return parsed
        return None

    def text(self, *keys: str) -> str | None:
        """Return the first of these keys that is there, as text; a number is written out."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None:
                if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                    return str(value)
                self._complain(key, value, "a text")
                return None
        return None

    def numbers(self, key: str) -> tuple[float, ...] | None:
        """Return a list of finite floats (a single number is a list of one); None when absent or when an element is no number."""
        value = self.raw.get(key)
        if value is None:
            return None
        if type(value) is list and set(map(type, value)) <= {float} and all(map(math.isfinite, value)):
            return tuple(value)
        parsed = [number(v) for v in (value if isinstance(value, list) else [value])]
        whole = tuple(v for v in parsed if v is not None)
        if len(whole) != len(parsed):
            self._complain(key, value, "a list of finite numbers")
            return None
        return whole

    def time(self, *keys: str) -> dt.datetime | None:
        """Return the first of these keys that is there, as a naive wall-clock time."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None:
                parsed = wall_time(value)
                if parsed is None:
                    self._complain(key, value, "a time")
                return parsed
        return None

    def mapping(self, *keys: str) -> JSONObject | None:
        """Return the first of these keys that holds an object; a null or absent one is passed over."""
        for key in keys:
            value = self.raw.get(key)
            if type(value) is dict or isinstance(value, Mapping):
                return value
            if value is not None:
                self._complain(key, value, "an object")
        return None
