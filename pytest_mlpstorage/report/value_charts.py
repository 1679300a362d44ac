"""Charts of single values: of each epoch or checkpoint beside its limit, and of times from their mean to their longest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.report.charts import Box, axes, grid, label, limit_line, steps_to, ticks
from pytest_mlpstorage.report.svg import PAINTS, drawn
from pytest_mlpstorage.results.pictures import Chart, Distribution, Group, figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MARKS", "axis_time", "groups_chart", "groups_in_words", "times_chart", "times_in_words"]

MARKS: Final = {"mean": "+", "P50": "o", "P95": "D", "P99": "s", "P99.9": "^", "max": "|"}
"""The mark of each point of a distribution."""

_LEFT, _RIGHT, _TOP, _HEIGHT, _BOTTOM = 48, 30, 34, 128, 50
_NARROW, _WIDE = 400, 740
_PER_VALUE: Final = 17
"""Pixels from one value of a group to the next, where there is room."""

_APART: Final = 1.4
"""Steps from the last value of a group to the first of the next."""

_TOLD: Final = 12
"""Values of a group that are told one by one."""

_FIGURES: Final = 14
"""Values of a chart that have their figures beside them."""

_MOST_OF_ALL: Final = 50
"""A share in percent from here on is told from another by what it lacks."""

_LETTER: Final = 6.4
_DIGIT, _POINT, _LINE = 5.6, 3.0, 11.0
"""Pixels that a digit and a point of a figure beside a mark take, and its line."""

_GROUP_MARKS: Final = {"read": "o", "write": "D", "aside": "o", "": "o"}
_GROUP_COLORS: Final = {"read": "read", "write": "write", "aside": "soft", "": "read"}

_TIMES_WIDTH, _NAMES_WIDTH, _ROW = 560, 190, 24
_LEAST_MS, _MOST_MS = 1e-3, 1e12
"""What a logarithmic axis begins and ends with at most: a time below is a clock's grain, and one above (30 years) no clock's at all."""


def groups_in_words(chart: Chart) -> str:
    """What groups of values show, for who cannot see them."""
    told = []
    for group in chart.groups:
        known = [value for value in group.values if value is not None and math.isfinite(value)]
        if len(group.values) <= _TOLD:
            each = ", ".join("unknown" if value is None or not math.isfinite(value) else figure_text(value) for value in group.values)
        else:
            each = f"{len(known)} values from {figure_text(min(known))} to {figure_text(max(known))}" if known else ""
        below = ", below the limit" if _mean_is_broken(chart, group) else ""
        mean = f" (mean {figure_text(group.mean)}{below})" if group.mean is not None and len(group.values) > 1 else ""
        told.append(f"{group.name}: {each or 'none'}{mean}")
    held = f". {chart.limit.name} {figure_text(chart.limit.value)} {chart.unit}" if chart.limit is not None else ""
    return f"{chart.name} of each {chart.each}, {chart.unit}. {'; '.join(told)}{held}"


def groups_chart(chart: Chart) -> str:
    """Groups of values beside each other, each a line of marks; nothing where no value is known."""
    reached = [value for group in chart.groups for value in group.extremes if math.isfinite(value)]
    if not reached:
        return ""
    reached += [mean for group in chart.groups if (mean := _held_mean(chart, group)) is not None]
    places, last = _places(chart.groups)
    held = f"{chart.limit.name} {figure_text(chart.limit.value)} {chart.unit}" if chart.limit is not None else ""
    right = _RIGHT + round(_LETTER * len(held))
    width = round(min(max(_LEFT + right + _PER_VALUE * last, _NARROW), _WIDE))
    levels = _levels(chart, reached)
    box = Box(_LEFT, _TOP, width - _LEFT - right, _HEIGHT)

    def draw(on: Figure) -> None:
        made = axes(on, box, (-0.7, last + 0.7), (levels[0], levels[-1]))
        grid(made, levels)
        label(on, _LEFT, 12, f"{chart.name}, {chart.unit}", color="soft", weight=600)
        if chart.limit is not None:
            limit_line(made, chart.limit)
            y = box.top + box.height * (1 - (chart.limit.value - levels[0]) / (levels[-1] - levels[0]))
            label(on, box.left + box.width + 6, y + 4, held, weight=600)
        for group, place in zip(chart.groups, places, strict=True):
            _group(made, chart, group, place)
        if sum(len(group.values) for group in chart.groups) <= _FIGURES:
            _figures(made, chart, places, (box.width / (last + 1.4), box.height / (levels[-1] - levels[0])))
        _group_names(on, chart, box, places, last)

    return drawn(draw, width, _TOP + _HEIGHT + _BOTTOM, groups_in_words(chart))


def _places(groups: Sequence[Group]) -> tuple[list[list[float]], float]:
    """Where on the axis each value of each group stands, and the last of them."""
    places, at = [], 0.0
    for group in groups:
        places.append([at + index for index in range(max(len(group.values), 1))])
        at = places[-1][-1] + _APART
    return places, max(at - _APART, 1.0)


def _levels(chart: Chart, reached: Sequence[float]) -> list[float]:
    """From 0, but for shares of which all are large: there it is the last points of a hundred that matter, and marks have no area."""
    lowest, highest = min(reached), max(reached)
    if chart.limit is not None:
        lowest, highest = min(lowest, chart.limit.value), max(highest, chart.limit.value)
    if chart.unit == "%" and lowest >= _MOST_OF_ALL and highest <= 100:
        bottom = 5 * math.floor((lowest - 1) / 5)
        levels = [bottom + step for step in steps_to(min(highest + 1, 100) - bottom) if bottom + step <= 100]
        return levels if levels[-1] >= highest else [*levels, 100]
    return steps_to(highest)


def _held_mean(chart: Chart, group: Group) -> float | None:
    """The mean of a group where the limit is of that."""
    held = chart.limit is not None and chart.limit.of_means and group.mean is not None and math.isfinite(group.mean)
    return group.mean if held else None


def _mean_is_broken(chart: Chart, group: Group) -> bool:
    mean = _held_mean(chart, group)
    return mean is not None and chart.limit is not None and mean < chart.limit.value


def _known(group: Group, places: Sequence[float]) -> list[tuple[float, float]]:
    return [(x, value) for x, value in zip(places, group.values, strict=False) if value is not None and math.isfinite(value)]


def _group(on: Axes, chart: Chart, group: Group, places: Sequence[float]) -> None:
    color, bad = PAINTS[_GROUP_COLORS.get(group.about, "read")], PAINTS["bad"]
    known = _known(group, places)
    bar: dict[str, Any] = {"linewidth": 3, "alpha": 0.35, "solid_capstyle": "butt", "clip_on": False}
    for x, low, high in zip(places, group.lows, group.highs, strict=False):
        if low is not None and high is not None:
            on.plot((x, x), (low, high), color=color, **bar)
    on.plot([x for x, _ in known], [value for _, value in known], color=color, linewidth=1, clip_on=False)
    each = chart.limit is not None and not chart.limit.of_means and group.about != "aside"
    broken = [(x, value) for x, value in known if each and chart.limit is not None and value < chart.limit.value]
    sound = [point for point in known if point not in broken]
    mean = _held_mean(chart, group)
    if mean is not None:
        fails = _mean_is_broken(chart, group)
        on.plot((places[0] - 0.4, places[-1] + 0.4), (mean, mean), color=bad if fails else color, **bar)
        broken += [(places[0] - 0.4, mean)] if fails else []  # at its end, where no figure lies over it
    aside = group.about == "aside"
    mark = _GROUP_MARKS.get(group.about, "o")
    for points, style, edge in ((sound, mark, color), (broken, "X", bad)):
        if points:
            xs, ys = zip(*points, strict=True)
            inside = PAINTS["card"] if aside else edge
            on.plot(
                xs, ys, linestyle="none", marker=style, markersize=6, markeredgecolor=edge, markerfacecolor=inside, clip_on=False
            )  # fmt: skip


def _figures(on: Axes, chart: Chart, places: Sequence[Sequence[float]], pixels: tuple[float, float]) -> None:
    """The figures beside the marks: those below a limit stand below their mark, so that its line crosses none.

    One that would lie over another is left out; the least and the greatest come first. ``pixels`` are those of one across and of one up.
    """
    across, up = pixels
    bottom, limit = on.get_ylim()[0], chart.limit
    wanted: list[tuple[float, float, float, bool]] = []
    for group, place in zip(chart.groups, places, strict=True):
        lows, highs = (dict(zip(place, ends, strict=False)) for ends in (group.lows, group.highs))
        for x, value in _known(group, place):
            under = limit is not None and value < limit.value and (value - bottom) * up >= _LINE
            end = (lows if under else highs).get(x)
            far = value if end is None or not math.isfinite(end) else min(value, end) if under else max(value, end)
            wanted.append((x, value, far, under))
    extremes = {min(value for _, value, _, _ in wanted), max(value for _, value, _, _ in wanted)}
    taken: list[tuple[float, float, float]] = []
    for x, value, far, under in sorted(wanted, key=lambda one: one[1] not in extremes):
        text = figure_text(value)
        half = sum(_POINT if letter in ",." else _DIGIT for letter in text) / 2
        middle, height = across * x, up * (far - bottom) + (-_LINE if under else _LINE)
        if all(abs(middle - other) >= half + wide + 1 or abs(height - high) >= _LINE for other, wide, high in taken):
            taken.append((middle, half, height))
            off, side = (-6, "top") if under else (6, "baseline")
            on.annotate(
                text, (x, far), (0, off), textcoords="offset points", ha="center", va=side, color=PAINTS["soft"], fontsize=10
            )  # fmt: skip


def _group_names(on: Figure, chart: Chart, box: Box, places: Sequence[Sequence[float]], last: float) -> None:
    """The name of each group below it, with its mean; as many as there is room for."""
    free = -math.inf
    several = any(len(group.values) > 1 for group in chart.groups)
    for group, place in zip(chart.groups, places, strict=True):
        middle = box.left + box.width * ((place[0] + place[-1]) / 2 + 0.7) / (last + 1.4)
        fails = _mean_is_broken(chart, group)
        mean = "" if group.mean is None else f"{'✗ ' if fails else ''}{'mean ' if several else ''}{figure_text(group.mean)}"
        half = _LETTER * max(len(group.name), len(mean)) / 2
        if middle - half >= free:
            label(on, middle, box.top + box.height + 16, group.name, ha="center")
            if mean and several:
                told: dict[str, Any] = {"color": "bad", "weight": 600} if fails else {"color": "soft"}
                label(on, middle, box.top + box.height + 30, mean, ha="center", **told)
            free = middle + half + 8
    label(on, box.left + box.width / 2, box.top + box.height + 45, f"each {chart.each}, one after the other", ha="center", color="soft")


def times_in_words(points: Sequence[str], distributions: Sequence[Distribution]) -> str:
    """What distributions show, for who cannot see them."""
    return "; ".join(
        f"{one.name} {', '.join(f'{p} {v:.4g} ms' for p, v in zip(points, one.values, strict=False))}"
        for one in distributions
        if one.values
    )


def times_chart(points: Sequence[str], distributions: Sequence[Distribution]) -> str:
    """Distributions one below the other on one logarithmic axis; nothing where none has a value."""
    known = [one for one in distributions if one.values]
    if not known:
        return ""
    values = [_on_axis(value) for one in known for value in one.values]
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    last = max(last, first + 1)
    box = Box(_NAMES_WIDTH, 12, _TIMES_WIDTH - _NAMES_WIDTH - 30, _ROW * len(known))

    def draw(on: Figure) -> None:
        made = axes(on, box, (first, last), (len(known), 0))
        decades = range(first, last + 1)
        ticks(made, list(decades), [axis_time(10.0**decade) for decade in decades])
        made.grid(visible=True, axis="x", color=PAINTS["line"], linewidth=1)
        for row, one in enumerate(known):
            color = PAINTS[_GROUP_COLORS.get(one.about, "soft") if one.about else "soft"]
            at = [math.log10(_on_axis(value)) for value in one.values]
            label(on, box.left - 12, box.top + _ROW * (row + 0.5) + 4, one.name, ha="right")
            made.plot((min(at), max(at)), (row + 0.5, row + 0.5), color=color, linewidth=2, alpha=0.45, clip_on=False)
            for point, place in zip(points, at, strict=False):
                _mark(made, point, place, row + 0.5, color)
        legend = axes(on, Box(box.left, box.top + box.height + 24, box.width, 20), (0, box.width), (0, 20))
        for index, point in enumerate(points):
            _mark(legend, point, 58 * index, 10, PAINTS["soft"])
            label(on, box.left + 58 * index + 9, box.top + box.height + 38, point, color="soft")

    return drawn(draw, _TIMES_WIDTH, round(box.top + box.height + 48), times_in_words(points, known))


def _mark(on: Axes, point: str, x: float, y: float, color: str) -> None:
    shape = MARKS.get(point, "o")
    size = 10 if shape in "+|" else 7
    on.plot((x,), (y,), marker=shape, markersize=size, markeredgewidth=1.4 if shape in "+|" else 0, color=color, clip_on=False)


def _on_axis(milliseconds: float) -> float:
    return min(max(milliseconds, _LEAST_MS), _MOST_MS)


def axis_time(milliseconds: float) -> str:
    """A power of ten of milliseconds in the unit in which it is read most easily."""
    for unit, of_one in (("s", 1000.0), ("ms", 1.0), ("µs", 0.001)):
        if milliseconds >= of_one * 0.999:
            return f"{milliseconds / of_one:,.0f} {unit}"
    return f"{milliseconds * 1e6:.0f} ns"
