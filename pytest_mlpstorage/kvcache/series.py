"""Bytes by the second of a window: the rate in it, how steady it was, and its picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.units import GIB

__all__ = ["ByteSeries", "text_plot"]

_STEPS: Final = " ▁▂▃▄▅▆▇█"
"""A character cell filled from below by eighths."""

_LABEL_COLUMNS: Final = 20
"""What the name of the highest rate may take of the width."""

_WIDEST_SECOND: Final = 4
"""Columns of one second where there are few."""

_LEAST_BYTES, _MOST_BYTES = 0, 2**62


class ByteSeries:
    """Bytes of what was completed in [0, ``window_ns``), by second and by half of the window. What lies outside is not counted."""

    def __init__(self, window_ns: int) -> None:
        if window_ns <= 0:
            raise ValueError("a window has a length")
        self.window_ns = window_ns
        self._seconds = np.zeros(-(-window_ns // NANOSECONDS_PER_SECOND), np.int64)
        self._halves = np.zeros(2, np.int64)

    def _inside(self, completed_ns: npt.ArrayLike, sizes: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        times, counts = np.broadcast_arrays(np.atleast_1d(np.asarray(completed_ns, np.int64)), np.asarray(sizes, np.int64))
        inside = (times >= 0) & (times < self.window_ns)
        return times[inside], counts[inside]

    def add(self, completed_ns: npt.ArrayLike, sizes: npt.ArrayLike) -> None:
        """Count bytes by the time of their completion."""
        times, counts = self._inside(completed_ns, sizes)
        np.add.at(self._seconds, times // NANOSECONDS_PER_SECOND, counts)
        # Compared doubled: half of a window of odd length is no whole number.
        np.add.at(self._halves, (2 * times >= self.window_ns).astype(np.int64), counts)

    def count_inside(self, completed_ns: npt.ArrayLike, sizes: npt.ArrayLike) -> int:
        """How many of these bytes ``add`` would count."""
        return int(self._inside(completed_ns, sizes)[1].sum())

    def cut(self, seconds: int) -> ByteSeries:
        """The first whole seconds of it; of an odd number of them the middle one counts by half to each half."""
        part = ByteSeries(seconds * NANOSECONDS_PER_SECOND)
        part._seconds[:] = self._seconds[:seconds]
        middle = int(part._seconds[seconds // 2]) // 2 if seconds % 2 else 0
        first = int(part._seconds[: seconds // 2].sum()) + middle
        part._halves[:] = first, part.bytes - first
        return part

    def merge(self, other: ByteSeries) -> None:
        """Add another series second by second. ValueError where its window has another length."""
        if other.window_ns != self.window_ns:
            raise ValueError("series of windows of different lengths cannot be added")
        self._seconds += other._seconds
        self._halves += other._halves

    @classmethod
    def merged(cls, parts: Iterable[ByteSeries]) -> ByteSeries | None:
        """The sum of several with windows of one length; None for no series."""
        whole: ByteSeries | None = None
        for part in parts:
            whole = cls(part.window_ns) if whole is None else whole
            whole.merge(part)
        return whole

    @property
    def bytes(self) -> int:
        """All bytes in the window."""
        return int(self._seconds.sum())

    @property
    def gib_per_second(self) -> float:
        """Bytes in the window over its length."""
        return self.bytes / GIB / (self.window_ns / NANOSECONDS_PER_SECOND)

    def rates_gib_per_second(self) -> list[float]:
        """The rate in each second, in the last one over what there is of it."""
        lengths = np.full(len(self._seconds), float(NANOSECONDS_PER_SECOND))
        lengths[-1] = self.window_ns - (len(lengths) - 1) * NANOSECONDS_PER_SECOND
        rates: list[float] = (self._seconds / GIB / (lengths / NANOSECONDS_PER_SECOND)).tolist()
        return rates

    @property
    def half_drift_percent(self) -> float | None:
        """By how many percent the second half of the window moved more than the first; None where the first moved nothing."""
        first, second = (int(half) for half in self._halves)
        return 100 * (second / first - 1) if first else None

    @property
    def cv_percent(self) -> float | None:
        """Coefficient of variation of the rates of whole seconds; None for fewer than two, or where nothing moved."""
        whole: list[int] = self._seconds[: self.window_ns // NANOSECONDS_PER_SECOND].tolist()
        if len(whole) < 2 or not sum(whole):
            return None
        return 100 * pstdev(whole) / fmean(whole)

    def to_json(self) -> dict[str, Any]:
        """All of it, in bytes."""
        return {"window_ns": self.window_ns, "bytes": self._seconds.tolist(), "halves_bytes": self._halves.tolist()}

    @classmethod
    def from_json(cls, raw: object) -> ByteSeries | None:
        """Read back what ``to_json`` gave; None for anything else."""
        if not isinstance(raw, Mapping):
            return None
        window, seconds, halves = integer(raw.get("window_ns")), raw.get("bytes"), raw.get("halves_bytes")
        if window is None or window <= 0 or not isinstance(seconds, list) or not isinstance(halves, list):
            return None
        counts = [integer(count) for count in (*seconds, *halves)]
        known = [count for count in counts if count is not None and _LEAST_BYTES <= count <= _MOST_BYTES]
        if len(known) != len(counts) or len(seconds) != -(-window // NANOSECONDS_PER_SECOND) or len(halves) != 2:
            return None
        if sum(known[:-2]) != sum(known[-2:]) or sum(known[-2:]) > _MOST_BYTES:
            return None
        found = cls(window)
        found._seconds[:], found._halves[:] = known[:-2], known[-2:]
        return found


def text_plot(rates: Sequence[float], *, unit: str = "GiB/s", width: int = 72, height: int = 5, seconds: float | None = None) -> list[str]:
    """Draw rates by the second, or by equal parts of ``seconds``, as lines of text, with the highest rate and the seconds told.

    They have about ``width`` columns and no more. Where there are more seconds than columns a column shows the mean of its own; none
    is left out. No rate, no picture.
    """
    if not rates:
        return []
    room = max(width - _LABEL_COLUMNS, 1)
    per_column = math.ceil(len(rates) / room)
    columns = [fmean(rates[i : i + per_column]) for i in range(0, len(rates), per_column)]
    columns = [rate for rate in columns for _ in range(min(max(room // len(columns), 1), _WIDEST_SECOND))]
    highest = max(columns)
    label = f"{highest:.3g} {unit}"
    scale = height * 8 / highest if highest > 0 else 0.0
    eighths = [_eighths(rate, scale) for rate in columns]
    lines = []
    for row in range(height - 1, -1, -1):
        cells = "".join(_STEPS[min(max(filled - 8 * row, 0), 8)] for filled in eighths)
        name = label if row == height - 1 else "0" if row == 0 else ""
        lines.append(f"{name:>{len(label)}} ┤{cells}".rstrip())
    end = f"{len(rates) if seconds is None else seconds:g} s"
    lines.append(f"{'':>{len(label)}} └{'0':<{max(len(columns) - len(end), 2)}}{end}")
    return lines


def _eighths(rate: float, scale: float) -> int:
    """Eighths of a cell that a rate fills: what moved at all is seen."""
    return max(round(rate * scale), 1) if rate > 0 else 0
