"""Charts of what happened over time: one panel of rates, or several below each other over one axis, with what the time was of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.report.charts import DASHES, Box, axes, grid, label, limit_line, placed, shown_level, steps_to, ticks
from pytest_mlpstorage.report.svg import PAINTS, drawn
from pytest_mlpstorage.results.pictures import Line, Panel, Span, figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["in_words", "time_chart", "time_in_words"]

_WIDTH: Final = {False: 560, True: 740}
"""Pixels of one panel, and of those that are stacked."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 150, 10, 34
_ALONE, _FIRST, _NEXT = 146, 92, 62
"""Pixels of a panel's height: alone, above others, and below one."""

_TITLE: Final = 26
"""Pixels above each panel, for its name and unit."""

_NAMES: Final = 15
"""Pixels above all, for the names of the spans."""

_LETTER: Final = 6.2
"""Pixels that a letter takes, at most."""

_KINDS: Final = ("read", "write", "third", "fourth")
_WHOLE: Final = 0.98
"""A part of the time that is nearly all of it is not shaded: it has nothing beside it."""

_SPANS_TOLD: Final = 12
_SPANS_DRAWN: Final = 200


def _kinds(lines: Sequence[Line]) -> dict[str, str]:
    """Line → whose color it has: read and write their own, others by their order."""
    own = {line.name for line in lines} & {"read", "write"}
    left = [kind for kind in _KINDS if kind not in own]
    rest = [line.name for line in lines if line.name not in own]
    return {**{name: name for name in own}, **{name: left[place] if place < len(left) else "soft" for place, name in enumerate(rest)}}


def in_words(panel: Panel, unit: str) -> str:
    """What a panel shows, for who cannot see it."""
    every = "from second to second" if panel.step == 1 else f"in {figure_text(panel.step)} s each"
    parts = [
        (f"{line.name} {figure_text(line.mean)} {unit} on average, " if line.told else f"{line.name} ")
        + f"{figure_text(min(line.known))} to {figure_text(max(line.known))} {'' if line.told else f'{unit} '}{every}"
        for line in panel.lines
        if line.known
    ]
    held = f"; {panel.limit.name} {figure_text(panel.limit.value)} {unit}" if panel.limit is not None else ""
    return f"{panel.name}: {'; '.join(parts)}{held}"


def time_in_words(panels: Sequence[Panel], unit: str, spans: Sequence[Span] = ()) -> str:
    """What panels over one axis show, for who cannot see it."""
    told = [f"{span.name} from {figure_text(span.begin)} to {figure_text(span.end)} s" for span in spans[:_SPANS_TOLD]]
    more = [f"and {len(spans) - _SPANS_TOLD} more"] if len(spans) > _SPANS_TOLD else []
    marked = [f"marked are {', '.join([*told, *more])}"] if told else []
    return ". ".join([*(in_words(panel, panel.unit or unit) for panel in panels), *marked])


def time_chart(panels: Sequence[Panel], unit: str, highest: Sequence[float], spans: Sequence[Span] = (), *, stacked: bool = False) -> str:
    """Panels below each other over one axis of time, or one alone; ``highest`` is what the scale of each must have room for."""
    width = _WIDTH[stacked]
    names = _NAMES if spans else 0
    heights = [_FIRST, *([_NEXT] * (len(panels) - 1))] if stacked else [_ALONE]
    height = _TOP + names + sum(heights) + _TITLE * len(panels) + _BOTTOM
    begin = min([panel.begin for panel in panels] + [0.0])
    end = max([panel.end for panel in panels] + [begin + 1e-6])

    def draw(on: Figure) -> None:
        top = float(_TOP + names)
        for panel, tall, most in zip(panels, heights, highest, strict=True):
            own = panel.unit or unit
            label(on, _LEFT, top + _TITLE - 9, f"{panel.name}, {own}", color="soft", weight=600)
            top += _TITLE
            box = Box(_LEFT, top, width - _LEFT - _RIGHT, tall)
            levels = steps_to(most, 4 if tall > _NEXT else 2)
            made = axes(on, box, (begin, end), (0.0, levels[-1]))
            grid(made, levels)
            _shade(made, spans, end - begin)
            _lines(on, made, box, panel, own, levels[-1], alone=not stacked)
            top += tall
        seconds = [second for second in steps_to(end, 6) if second <= end * (1 + 1e-9)]
        ticks(made, seconds, [shown_level(second) for second in seconds])
        label(on, (width - _RIGHT + _LEFT) / 2, height - 5, panels[-1].axis, color="soft", ha="center")
        _named(on, spans, (begin, end), width)

    return drawn(draw, width, height, time_in_words(panels, unit, spans))


def _shade(on: Axes, spans: Sequence[Span], seconds: float) -> None:
    for place, span in enumerate(spans[:_SPANS_DRAWN]):
        if place % 2 == 0 and span.end - span.begin < _WHOLE * seconds:
            on.axvspan(span.begin, span.end, facecolor=PAINTS["band"], edgecolor="none", linewidth=0)


def _named(on: Figure, spans: Sequence[Span], across: tuple[float, float], width: int) -> None:
    """Names over the spans, as far as there is room for them."""
    free = 0.0
    begin, end = across
    per_second = (width - _LEFT - _RIGHT) / (end - begin)
    for span in spans[:_SPANS_DRAWN]:
        middle = _LEFT + per_second * ((max(span.begin, begin) + min(span.end, end)) / 2 - begin)
        half = _LETTER * len(span.name) / 2
        if middle - half >= free:
            label(on, middle, _TOP + 8, span.name, color="soft", ha="center")
            free = middle + half + _LETTER


def _lines(on: Figure, made: Axes, box: Box, panel: Panel, unit: str, top: float, *, alone: bool) -> None:
    kinds = _kinds(panel.lines)
    ends, texts, colors = [], [], []

    def place(value: float) -> float:
        return box.top + box.height * (1 - min(max(value / top, 0.0), 1.0))

    for line in panel.lines:
        kind = kinds[line.name]
        color, style = PAINTS[kind], DASHES[kind]
        count = min(len(line.values), math.ceil(panel.seconds / panel.step - 1e-9))
        edges = [panel.begin + min(index * panel.step, panel.seconds) for index in range(count + 1)]
        values = _drawn_values(line.values[:count], top)
        if count:
            if line.lows and line.highs:
                lows, highs = _drawn_values(line.lows[:count], top), _drawn_values(line.highs[:count], top)
                made.stairs(highs, edges, baseline=lows, fill=True, facecolor=color, alpha=0.22, linewidth=0, clip_on=False)
            elif alone and kind == "read" and None not in line.values:
                made.stairs(values, edges, fill=True, facecolor=color, alpha=0.13, linewidth=0, clip_on=False)
            made.stairs(values, edges, baseline=None, color=color, linewidth=1.6, linestyle=style, clip_on=False)
        if alone and line.told:
            mean = min(max(line.mean, 0.0), top)
            made.plot((panel.begin, panel.end), (mean, mean), color=color, linewidth=1.2, linestyle=(0, (1, 3)), clip_on=False)
        ends.append(place(line.mean))
        texts.append(f"{line.name} {figure_text(line.mean)} {unit}" if line.told else line.name)
        colors.append(kind)
    if panel.limit is not None:
        limit_line(made, panel.limit)
        texts.append(f"{panel.limit.name} {figure_text(panel.limit.value)} {unit}")
        ends.append(place(panel.limit.value))
        colors.append("ink")
    for index, y in placed(ends, box.top, box.top + box.height):
        label(on, box.left + box.width + 8, y + 4, texts[index], color=colors[index], weight=600)


def _drawn_values(values: Sequence[float | None], top: float) -> list[float]:
    """As numbers that matplotlib breaks a line at, and none that leaves the axes."""
    return [math.nan if value is None else min(max(value, 0.0), top) for value in values]
