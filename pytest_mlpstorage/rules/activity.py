"""What a family knows of one launch over time, and how what was done from then to then becomes a rate in each step of an axis."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import Final

from pytest_mlpstorage.results.pictures import Panel, Span
from pytest_mlpstorage.results.records import Leaf

__all__ = ["Activity", "Begin", "Course"]

_STEPS: Final = 128
"""Most steps of a course: what a chart can show."""

_LONGEST_SECONDS: Final = 1e9


@dataclasses.dataclass(frozen=True)
class Begin:
    """When the seconds of an activity begin: by the wall clock of ``host`` as it was written (no zone), or in seconds since 1970."""

    wall: dt.datetime | None = None
    epoch_seconds: float | None = None
    host: str | None = None


@dataclasses.dataclass(frozen=True)
class Activity:
    """What was done during one launch of a leaf, in seconds from its own ``begin``; ``launch`` names its time series, if it has one."""

    leaf: Leaf
    title: str
    panels: tuple[Panel, ...]
    spans: tuple[Span, ...] = ()
    says: tuple[str, ...] = ()
    launch: str = ""
    begin: Begin = Begin()
    axis: str = "seconds from the start"


class Course:
    """Amounts by the time in which they were done, in steps of one length; what was done from then to then was done evenly."""

    def __init__(self, seconds: float) -> None:
        self.seconds = min(max(seconds, 1e-6), _LONGEST_SECONDS)
        self.step = self.seconds / _STEPS
        self._amounts = [0.0] * _STEPS

    def add(self, begin: float, end: float, amount: float) -> None:
        """Take in what was done from one second to another; what lies outside of the course is left out."""
        if not (math.isfinite(begin) and math.isfinite(end) and math.isfinite(amount)) or end < 0 or begin > self.seconds:
            return
        if end - begin < 1e-9:
            self._amounts[min(int(max(begin, 0.0) / self.step), _STEPS - 1)] += amount
            return
        rate = amount / (end - begin)
        for index in range(int(max(begin, 0.0) / self.step), min(int(end / self.step), _STEPS - 1) + 1):
            overlap = min(end, (index + 1) * self.step) - max(begin, index * self.step)
            if overlap > 0:
                self._amounts[index] += rate * overlap

    @property
    def rates(self) -> tuple[float, ...]:
        """Amounts a second, step by step."""
        return tuple(amount / self.step for amount in self._amounts)

    def between(self, begin: float, end: float) -> tuple[float | None, ...]:
        """The rates of the steps that lie between two seconds at least in part; None before and after, where nothing was to be done."""
        return tuple(rate if (index + 1) * self.step > begin and index * self.step < end else None for index, rate in enumerate(self.rates))

    @property
    def total(self) -> float:
        """All that was done."""
        return sum(self._amounts)
