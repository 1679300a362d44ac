"""Durations counted in bins of half a percent: what many ranks measured becomes one population, and its size does not grow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_MILLISECOND
from pytest_mlpstorage.results.coerce import integer, number

__all__ = ["BIN_RATIO", "POINTS", "Durations", "LogHistogram", "exact_ms", "percentile"]

Durations = npt.NDArray[np.int64]
"""Nanoseconds."""

BIN_RATIO: Final = 1.005
"""Upper end of a bin over its lower end. The middle of a bin is thus nowhere wrong by more than a quarter of a percent."""

_LOG_RATIO: Final = math.log(BIN_RATIO)
_LONGEST_NS: Final = 10**14
"""More than a day: beyond it bins end, and the maximum alone tells how long it was."""

_MOST: Final = 2**62
"""No count and no time of ours is greater."""

_BIN: Final = re.compile(r"(\d{1,6}):(\d{1,20})", re.ASCII)
_LONGEST_TEXT: Final = 256 * 1024

_BINS: Final = int(math.log(_LONGEST_NS) / _LOG_RATIO) + 1

POINTS: Final[Mapping[str, float]] = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
"""Percentiles that every distribution of ours is told by, between its mean and its maximum."""


def percentile(values: Durations, percent: float) -> float:
    """The percentile of at least one value, between two of them in proportion, as the official tool and numpy form it."""
    return float(np.percentile(values, percent))


def exact_ms(values: Durations) -> dict[str, float] | None:
    """Mean, percentiles and maximum of nanoseconds in milliseconds; None for no value."""
    if not len(values):
        return None
    points = {name: percentile(values, percent) for name, percent in POINTS.items()}
    found = {"mean": float(np.mean(values)), **points, "max": float(np.max(values))}
    return {name: value / NANOSECONDS_PER_MILLISECOND for name, value in found.items()}


class LogHistogram:
    """Counts durations in nanoseconds; mean, least and most are exact, percentiles within half a percent of those of the values."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self.count = 0
        self.total_ns = 0
        self.least_ns = 0
        self.most_ns = 0

    def add(self, durations: npt.ArrayLike) -> None:
        """Count durations; one below a nanosecond (a clock that is too coarse) stands in the first bin."""
        values = np.atleast_1d(np.asarray(durations, np.int64))
        if not len(values):
            return
        bins = (np.log(np.maximum(values, 1)) / _LOG_RATIO).astype(np.int64)
        np.add.at(self._counts, np.minimum(bins, _BINS - 1), 1)
        self._widen(len(values), int(values.sum()), int(values.min()), int(values.max()))

    def _widen(self, count: int, total_ns: int, least_ns: int, most_ns: int) -> None:
        self.least_ns = min(self.least_ns, least_ns) if self.count else least_ns
        self.most_ns = max(self.most_ns, most_ns) if self.count else most_ns
        self.count += count
        self.total_ns += total_ns

    def merge(self, other: LogHistogram) -> None:
        """Count what another one has counted, as if all had been counted here."""
        if other.count:
            self._counts += other._counts
            self._widen(other.count, other.total_ns, other.least_ns, other.most_ns)

    @classmethod
    def merged(cls, parts: Iterable[LogHistogram]) -> LogHistogram:
        """The population of several."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    def percentile(self, percent: float) -> float:
        """The percentile in nanoseconds as ``percentile`` forms it of the values themselves. ValueError without a value."""
        if not self.count:
            raise ValueError("a percentile of no values is not defined")
        place = percent / 100 * (self.count - 1)
        below = math.floor(place)
        lower, upper = self._value_at(below), self._value_at(min(below + 1, self.count - 1))
        return lower + (upper - lower) * (place - below)

    def _value_at(self, place: int) -> float:
        """The value that would stand at a place among the sorted ones: the middle of its bin, of the first and last themselves."""
        if place == 0:
            return float(self.least_ns)
        if place == self.count - 1:
            return float(self.most_ns)
        found = int(np.searchsorted(np.cumsum(self._counts), place, side="right"))
        return min(max(math.exp((found + 0.5) * _LOG_RATIO), self.least_ns), self.most_ns)

    def ms(self) -> dict[str, float] | None:
        """Mean, percentiles and maximum in milliseconds; None for no value."""
        if not self.count:
            return None
        points = {name: self.percentile(percent) for name, percent in POINTS.items()}
        found = {"mean": self.total_ns / self.count, **points, "max": float(self.most_ns)}
        return {name: value / NANOSECONDS_PER_MILLISECOND for name, value in found.items()}

    def to_json(self) -> dict[str, Any]:
        """All of it. ``bins`` is ``number:count`` of each bin that counted something; bin *i* is from ``bin_ratio`` to the *i* ns on.

        As text, because a list of some thousand numbers would stand one a line in the file of each rank.
        """
        filled = np.flatnonzero(self._counts)
        return {
            "bin_ratio": BIN_RATIO,
            "count": self.count,
            "total_ns": self.total_ns,
            "least_ns": self.least_ns,
            "most_ns": self.most_ns,
            "bins": " ".join(f"{place}:{self._counts[place]}" for place in filled.tolist()),
        }

    @classmethod
    def from_json(cls, raw: object) -> LogHistogram | None:
        """Read back what ``to_json`` gave; None for anything else, as of a file that somebody changed."""
        if not isinstance(raw, Mapping) or number(raw.get("bin_ratio")) != BIN_RATIO:
            return None
        bins = _bins(raw.get("bins"))
        count, total, least, most = (integer(raw.get(key)) for key in ("count", "total_ns", "least_ns", "most_ns"))
        if bins is None or count is None or total is None or least is None or most is None or sum(bins.values()) != count:
            return None
        if not -_MOST <= least <= most <= _MOST or not count * least <= total <= count * most:
            return None
        found = cls()
        found._counts[list(bins)] = list(bins.values())
        if count:
            found._widen(count, total, least, most)
        return found


def _bins(text: object) -> dict[int, int] | None:
    """Counts by bin of their text; None where it is none, names a bin that there is not or one twice, or counts nothing."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        return None
    found: dict[int, int] = {}
    for part in text.split():
        match = _BIN.fullmatch(part)
        if match is None or int(match[1]) >= _BINS or int(match[1]) in found or not 0 < int(match[2]) <= _MOST:
            return None
        found[int(match[1])] = int(match[2])
    return found
