"""The figures of a result as people read them: a label, the value with its unit, its limit, and how far its runs lie apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.report.text import number, plain
from pytest_mlpstorage.results.coerce import number as finite
from pytest_mlpstorage.results.pictures import figure_text
from pytest_mlpstorage.rules.headlines import METRICS, Headline, metric_of

__all__ = ["Limit", "Spread", "spread_text", "told_headlines", "told_metric", "told_others", "value_text", "wide"]

_MOST_DECIMALS: Final = 6
_APART: Final = 0.1
"""Share of a figure beyond which its runs lie so far apart that their mean alone says little."""


@dataclasses.dataclass(frozen=True)
class Limit:
    """What a figure is held against: at least (``least``) or at most ``value``, by the rule ``rule``."""

    value: float
    rule: str
    least: bool = True

    @property
    def words(self) -> str:
        """``at least 90``."""
        return f"at {'least' if self.least else 'most'} {self.value:g}"

    def keeps(self, value: float) -> bool:
        """Whether a value is on the right side of it."""
        return value >= self.value if self.least else value <= self.value


@dataclasses.dataclass(frozen=True)
class Spread:
    """The least and the greatest of the ``count`` single values behind a figure; ``of`` says of what: runs, checkpoints, trials."""

    low: float
    high: float
    count: int
    of: str = "runs"


def wide(value: object, spread: Spread | None) -> Spread | None:
    """The spread of a figure where it is wide; None where it is not, or not known."""
    figure = finite(value)
    return spread if spread is not None and figure is not None and spread.high - spread.low > _APART * abs(figure) else None


def _digits(value: float, decimals: int | None) -> str:
    return figure_text(value) if decimals is None else f"{value:,.{decimals}f}"


def _read(text: str) -> float:
    return float(text.replace(",", ""))


def value_text(entry: Headline, value: object, limit: Limit | None = None) -> str:
    """A value with its unit, never rounded to the other side of its limit: 89.96 is below 90 and is not told as 90.0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or finite(value) is None:
        return number(value)
    text = _digits(value, entry.decimals)
    if limit is not None:
        for decimals in range((entry.decimals or 0), _MOST_DECIMALS + 1):
            if (_read(text) < limit.value) == (value < limit.value) and (_read(text) > limit.value) == (value > limit.value):
                break
            text = _digits(value, decimals)
        else:
            text = f"{value!r}"
    return f"{text} {entry.unit}".rstrip()


def _label(entry: Headline, part: str) -> str:
    return f"{entry.label}, {plain(part, longest=80)}" if part else entry.label


def told_metric(name: str, value: object, limit: Limit | None = None) -> tuple[str, str]:
    """Label and value of one metric for people; one that is in no table keeps its name."""
    known = metric_of(name)
    if known is None:
        return plain(name, longest=200), number(value, 3)
    entry, part = known
    text = value_text(entry, value, limit)
    return _label(entry, part), text if limit is None else f"{text} ({limit.words} {entry.unit}".rstrip() + ")"


def _ordered(metrics: Mapping[str, Any], *, compared: bool) -> list[str]:
    """The names of the metrics that are headlines, or of those that are none, in the order of the table; unknown ones last."""
    places: list[tuple[int, int, str]] = []
    for index, name in enumerate(metrics):
        known = metric_of(name)
        if (known is not None and bool(known[0].short)) == compared:
            places.append((METRICS.index(known[0]) if known is not None else len(METRICS), index, name))
    return [name for _, _, name in sorted(places)]


def told_headlines(
    metrics: Mapping[str, Any], *, spreads: Mapping[str, Spread] | None = None, limits: Mapping[str, Limit] | None = None
) -> list[tuple[str, str]]:
    """Label and value of each headline among the metrics of a result: ``("AU", "97.1 % (at least 90 %), runs 96.8 to 97.4")``."""
    told = []
    for name in _ordered(metrics, compared=True):
        label, text = told_metric(name, metrics[name], (limits or {}).get(name))
        spread = spread_text(name, (spreads or {}).get(name))
        told.append((label, f"{text}, {spread}" if spread else text))
    return told


def told_others(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each metric that is no headline."""
    return [told_metric(name, metrics[name]) for name in _ordered(metrics, compared=False)]


def spread_text(name: str, spread: Spread | None) -> str:
    """``5 runs 96.8 to 97.4``; nothing for a single value."""
    known = metric_of(name)
    if known is None or spread is None or spread.count < 2:
        return ""
    low, high = (_digits(value, known[0].decimals) for value in (spread.low, spread.high))
    return f"{spread.count} {spread.of} {low} to {high}" if low != high else f"{spread.count} {spread.of} alike"
