"""What a result has to show besides its figures: rates over time, distributions of times, and what they mean in words.

Whoever knows a family makes pictures, the reports draw them. In between they travel as JSON among the properties of an item.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Distribution", "Line", "Panel", "Picture", "figure_text"]


def figure_text(value: float) -> str:
    """A figure for people: three digits, and from a thousand on whole numbers, without powers of ten."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.3g}"


@dataclasses.dataclass(frozen=True)
class Line:
    """A rate over time: its ``mean`` over the whole time, and its value in each step of its panel, None where it is not known."""

    name: str
    mean: float
    values: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        """The values that are known."""
        return [value for value in self.values if value is not None]


@dataclasses.dataclass(frozen=True)
class Panel:
    """Lines over the same ``seconds``, drawn together: a value every ``step`` of them, the last one of what is left.

    ``unit`` is that of the picture where it is empty; panels of one unit have one scale. ``axis`` says what the seconds are of.
    """

    name: str
    seconds: float
    lines: tuple[Line, ...]
    step: float = 1.0
    unit: str = ""
    axis: str = "seconds of the window"


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
    """What is shown of one part of a result: sentences, rates over time in ``unit``, distributions in ms at ``points``.

    ``tells`` names the metrics of the result that the sentences tell already. ``folded``: it stands on the page for who asks for it, shut,
    and nowhere else.
    """

    title: str
    says: tuple[str, ...] = ()
    unit: str = ""
    panels: tuple[Panel, ...] = ()
    points: tuple[str, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    tells: tuple[str, ...] = ()
    folded: bool = False

    def to_json(self) -> dict[str, Any]:
        """All of it; rates to five digits, because there are thousands of them."""
        written = dataclasses.asdict(self)
        for panel in written["panels"]:
            for line in panel["lines"]:
                line["values"] = [None if value is None else float(f"{value:.5g}") for value in line["values"]]
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
            tells=_texts(written["tells"]),
            folded=bool(written["folded"]),
        )


def _panel(written: Mapping[str, Any]) -> Panel:
    lines = (Line(line["name"], line["mean"], tuple(line["values"])) for line in written["lines"])
    return Panel(written["name"], written["seconds"], tuple(lines), written["step"], str(written["unit"]), str(written["axis"]))


def _texts(written: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, written))
