"""A result beside an earlier one of the same workload: each headline, its spread, and whether the difference exceeds it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mlpstorage.report.compare_parameters import differing
from pytest_mlpstorage.report.text import number
from pytest_mlpstorage.results.history import measured_at
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.rules.headlines import HEADLINES, headline_of
from pytest_mlpstorage.rules.judging import edition_of
from pytest_mlpstorage.rules.repeats import Figure, figures_of

__all__ = ["Change", "Comparison", "compare", "shown", "verdict_line"]


@dataclasses.dataclass(frozen=True)
class Change:
    """One headline before and now; None where that result has none. ``name`` is the official one, ``label`` the short one with its part."""

    name: str
    label: str
    short: str
    unit: str
    better: str
    before: Figure | None
    now: Figure | None

    @property
    def difference(self) -> float | None:
        """Now less before, in ``unit``; None where one of them is missing."""
        return self.now.value - self.before.value if self.now is not None and self.before is not None else None

    @property
    def percent(self) -> float | None:
        """The difference in percent of the earlier value; None where there is no difference or it was 0."""
        if self.difference is None or self.before is None or self.before.value == 0:
            return None
        share = self.difference / abs(self.before.value) * 100
        return share if math.isfinite(share) else None

    @property
    def beyond_spread(self) -> bool | None:
        """Whether no single value of one result lies within those of the other; None where one of them has not two."""
        one, other = self.before, self.now
        if one is None or other is None or min(len(one.values), len(other.values)) < 2:
            return None
        return one.high < other.low or other.high < one.low

    @property
    def luck(self) -> int:
        """Such a separation comes about by chance once in so many comparisons of that many values, where nothing has changed."""
        one, other = (len(figure.values) if figure is not None else 0 for figure in (self.before, self.now))
        return max(1, math.comb(one + other, one) // 2)

    @property
    def direction(self) -> str:
        """``better``, ``worse`` or ``same``; empty where one of the two is missing."""
        if not self.difference:
            return "" if self.difference is None else "same"
        return "better" if (self.difference > 0) == (self.better == "higher") else "worse"

    def change(self) -> str:
        """The difference for people: ``-2.5 %``; in the unit where a percentage cannot be formed."""
        if self.percent is not None:
            return f"{self.percent:+.1f} %"
        return f"{self.difference:+.3g} {self.unit}".rstrip() if self.difference is not None else "not to be told"

    def weight(self) -> str:
        """What the spread says of the difference."""
        if self.difference is None:
            return f"no value {'before' if self.before is None else 'now'}"
        assert self.before is not None
        assert self.now is not None
        if self.beyond_spread is None:
            return "no spread known: it takes two values on each side"
        spread = f"the spread of {len(self.before.values)} and {len(self.now.values)} {self.now.of}"
        return f"beyond {spread} (by luck 1 in {self.luck:,})" if self.beyond_spread else f"within {spread}"

    def line(self) -> str:
        """All of it in one line, for a property of JUnit."""
        return f"{self.change()} {self.direction}: {shown(self.before)} -> {shown(self.now)} {self.unit}; {self.weight()}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One result and what it was compared with.

    ``earlier`` names the earlier result and ``when`` it was measured, both empty where there is none: then ``missing`` says why.
    ``differs`` are lines on what else is not the same; ``broken`` and ``kept`` are the limits that were held against it.
    """

    path: str
    earlier: str = ""
    when: str = ""
    missing: str = ""
    changes: tuple[Change, ...] = ()
    differs: tuple[str, ...] = ()
    broken: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it travels, and as ``comparison.json`` has it."""
        written = dataclasses.asdict(self)
        for change, told in zip(self.changes, written["changes"], strict=True):
            told |= {
                "difference": change.difference,
                "percent": change.percent,
                "beyond_spread": change.beyond_spread,
                "direction": change.direction,
            }
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Comparison:
        """What ``to_json`` wrote."""
        changes = tuple(_change(told) for told in written["changes"])
        return cls(**{**written, "changes": changes, "differs": tuple(written["differs"]), "kept": tuple(written["kept"])})


def _change(told: Mapping[str, Any]) -> Change:
    fields = {field.name: told[field.name] for field in dataclasses.fields(Change)}
    for side in ("before", "now"):
        figure = told[side]
        fields[side] = None if figure is None else Figure(figure["value"], tuple(figure["values"]), figure["of"])
    return Change(**fields)


def shown(figure: Figure | None) -> str:
    """A value, with the least and the greatest of those behind it: ``91.2 (90.8 to 91.6)``."""
    if figure is None:
        return "none"
    value = _digits(figure.value)
    return f"{value} ({_digits(figure.low)} to {_digits(figure.high)})" if len(figure.values) > 1 else value


def _digits(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else number(value, 0)


def compare(now: Result, before: Result, *, earlier: str) -> Comparison:
    """Set two results of one workload side by side; ``earlier`` names the one before for people."""
    mine, theirs = figures_of(now, edition_of(now)), figures_of(before, edition_of(before))
    when = measured_at(before)
    return Comparison(
        path=now.relpath,
        earlier=earlier,
        when=when.isoformat(sep=" ", timespec="seconds") if when is not None else "",
        changes=_changes(theirs, mine),
        differs=tuple(differing(before, now)),
    )


def _changes(before: Mapping[str, Figure], now: Mapping[str, Figure]) -> tuple[Change, ...]:
    found = []
    for name in dict.fromkeys((*now, *before)):
        known = headline_of(name)
        assert known is not None
        headline, part = known
        label = f"{headline.short} {part}".rstrip()
        found.append(
            (
                HEADLINES.index(headline),
                Change(name, label, headline.short, headline.unit, headline.better, before.get(name), now.get(name)),
            )
        )
    return tuple(change for _, change in sorted(found, key=lambda pair: pair[0]))


def verdict_line(changes: Sequence[Change]) -> str:
    """The one change that matters most, for a column: the worst beyond its spread, else the best beyond it, else the first."""
    telling = [change for change in changes if change.beyond_spread]
    worse = [change for change in telling if change.direction == "worse"]
    for change in (worse or telling or list(changes))[:1]:
        return f"{change.label} {change.change()}, {change.weight()}"
    return ""
