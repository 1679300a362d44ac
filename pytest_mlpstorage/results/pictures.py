"""What a result has to show besides its figures: values over time or one by one, distributions of times, and what they mean in words.

Whoever knows a family makes pictures, the reports draw them. In between they travel as JSON among the properties of an item.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Chart", "Distribution", "Group", "Limit", "Line", "Panel", "Picture", "Span", "figure_text"]


def figure_text(value: float) -> str:
    """A figure for people: three digits, and from a thousand on whole numbers, without powers of ten."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


@dataclasses.dataclass(frozen=True)
class Limit:
    """A value that the others are held against, and what it is called. They keep it where they are not below.

    ``of_means``: it is of the means of the groups of a chart, and of no single value.
    """

    value: float
    name: str = "limit"
    of_means: bool = False


@dataclasses.dataclass(frozen=True)
class Line:
    """A rate over time: its ``mean`` over the whole time, and its value in each step of its panel, None where it is not known.

    Where a step sums up more than one sample, ``lows`` and ``highs`` are the least and the greatest of them; else they are empty.
    The mean is ``told`` but for values that are percentiles: the mean of those of the steps is no percentile of the whole.
    """

    name: str
    mean: float
    values: tuple[float | None, ...]
    lows: tuple[float | None, ...] = ()
    highs: tuple[float | None, ...] = ()
    told: bool = True

    @property
    def known(self) -> list[float]:
        """The values that are known."""
        return _known(self.values)

    @property
    def extremes(self) -> list[float]:
        """All that an axis must have room for."""
        return self.known + _known(self.lows) + _known(self.highs)


@dataclasses.dataclass(frozen=True)
class Panel:
    """Lines over the same ``seconds``, drawn together: a value every ``step`` of them, the last one of what is left.

    ``unit`` is that of the picture where it is empty; panels of one unit have one scale, but for those that would lie flat on it.
    ``axis`` says what the seconds are of, and
    ``begin`` which of them is the first.
    """

    name: str
    seconds: float
    lines: tuple[Line, ...]
    step: float = 1.0
    unit: str = ""
    axis: str = "seconds of the window"
    begin: float = 0.0
    limit: Limit | None = None

    @property
    def end(self) -> float:
        """The last second on the axis."""
        return self.begin + self.seconds


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of the time with a name, such as an epoch, from one second of the axis to another."""

    name: str
    begin: float
    end: float


@dataclasses.dataclass(frozen=True)
class Group:
    """Values that belong together, one after the other: the epochs of a run. ``mean`` is told with the name.

    ``lows`` and ``highs`` are between what each value lies (the ranks, of which it is one), or empty. ``about``: see ``Distribution``;
    ``aside`` for a group that does not count.
    """

    name: str
    values: tuple[float | None, ...]
    mean: float | None = None
    lows: tuple[float | None, ...] = ()
    highs: tuple[float | None, ...] = ()
    about: str = ""

    @property
    def extremes(self) -> list[float]:
        """All that an axis must have room for."""
        return _known(self.values) + _known(self.lows) + _known(self.highs)


@dataclasses.dataclass(frozen=True)
class Chart:
    """Groups of values beside each other. ``each`` is what one value is of: an epoch, a checkpoint; ``note`` is said below it."""

    name: str
    unit: str
    groups: tuple[Group, ...]
    each: str
    limit: Limit | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Times of one kind: a value for each of the picture's ``points``; ``about`` names the line whose color it shares, if any.

    Without values ``why`` says what for.
    """

    name: str
    values: tuple[float, ...] = ()
    about: str = ""
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is shown of one part of a result: sentences, single values, rates over time in ``unit``, distributions in ms at ``points``.

    ``stacked`` panels stand below each other over one axis of time, on which ``spans`` are marked. ``of_times`` says what the times are of.
    ``folded``: it stands on the page alone, to be opened and shut; ``opened`` where it is open at first. ``caution`` is that of the
    sentences which nobody may miss who sees the figures alone.
    """

    title: str
    says: tuple[str, ...] = ()
    unit: str = ""
    panels: tuple[Panel, ...] = ()
    points: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    folded: bool = False
    charts: tuple[Chart, ...] = ()
    spans: tuple[Span, ...] = ()
    stacked: bool = False
    opened: bool = False
    of_times: str = ""
    caution: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it; rates to five digits, because there are thousands of them."""
        written = dataclasses.asdict(self)
        for panel in written["panels"]:
            for line in panel["lines"]:
                for key in ("values", "lows", "highs"):
                    line[key] = [None if value is None else float(f"{value:.5g}") for value in line[key]]
        return written

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Picture:
        """What ``to_json`` gave."""
        return cls(
            title=str(written["title"]),
            says=_texts(written["says"]),
            unit=str(written["unit"]),
            panels=tuple(map(_panel, written["panels"])),
            points=_texts(written["points"]),
            distributions=tuple(Distribution(**{**one, "values": tuple(one["values"])}) for one in written["distributions"]),
            folded=bool(written["folded"]),
            charts=tuple(map(_chart, written["charts"])),
            spans=tuple(Span(**one) for one in written["spans"]),
            stacked=bool(written["stacked"]),
            opened=bool(written["opened"]),
            of_times=str(written["of_times"]),
            caution=str(written["caution"]),
        )


_SERIES = ("values", "lows", "highs")


def _panel(written: Mapping[str, Any]) -> Panel:
    lines = (Line(**{**line, **{key: tuple(line[key]) for key in _SERIES}}) for line in written["lines"])
    return Panel(**{**written, "lines": tuple(lines), "limit": _limit(written["limit"])})


def _chart(written: Mapping[str, Any]) -> Chart:
    groups = (Group(**{**group, **{key: tuple(group[key]) for key in _SERIES}}) for group in written["groups"])
    return Chart(**{**written, "groups": tuple(groups), "limit": _limit(written["limit"])})


def _limit(written: Mapping[str, Any] | None) -> Limit | None:
    return None if written is None else Limit(**written)


def _texts(written: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, written))
