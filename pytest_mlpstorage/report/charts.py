"""Charts as SVG that stands in the page itself: rates over time and distributions of times.

Written by hand, because a page that is sent to somebody must need neither a script nor a picture file, and follow light and dark. A line is
told from another by color, dash and label, a percentile by the shape of its mark; the whole is told in words for who cannot see it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pytest_mlpstorage.report.text import escaped
from pytest_mlpstorage.results.pictures import Distribution, Line, Panel, figure_text

__all__ = ["MARKS", "STYLE", "axis_time", "figure", "rates_chart", "rates_in_words", "steps_to", "times_chart"]

STYLE: Final = """<style>
:root{--mlps-read:#0067a8;--mlps-write:#b34700} @media (prefers-color-scheme:dark){:root{--mlps-read:#63b8f0;--mlps-write:#f0a23c}}
.mlps-pictures{display:flex;flex-wrap:wrap;gap:.8rem 2rem;align-items:flex-start} .mlps-picture{margin:.9rem 0 0}
.mlps-picture h4{margin:0 0 .3rem;font-size:14px} .mlps-picture figure{margin:0;max-width:100%}
.mlps-picture p{margin:.15rem 0;max-width:78em}
.mlps-picture p.mlps-lead{font-size:14px;font-weight:600} .mlps-picture figcaption{color:var(--mlps-soft);max-width:46em}
.mlps-picture svg{max-width:100%;height:auto;display:block} .mlps-picture svg text{fill:var(--mlps-ink);font:11px system-ui,sans-serif}
.mlps-picture svg .soft{fill:var(--mlps-soft)} .mlps-picture svg .grid{stroke:var(--mlps-line);stroke-width:1}
.mlps-picture svg .read{stroke:var(--mlps-read);fill:var(--mlps-read)}
.mlps-picture svg .write{stroke:var(--mlps-write);fill:var(--mlps-write)}
.mlps-picture svg .other{stroke:var(--mlps-soft);fill:var(--mlps-soft)} .mlps-picture svg path.line{fill:none;stroke-width:2}
.mlps-picture svg path.write{stroke-dasharray:7 3} .mlps-picture svg path.mark{stroke-dasharray:none;stroke-width:1}
.mlps-picture svg path.area{stroke:none;opacity:.13} .mlps-picture svg line.mean{stroke-dasharray:1 4;stroke-width:1.5}
.mlps-picture svg text.read,.mlps-picture svg text.write,.mlps-picture svg text.other{stroke:none;font-weight:600}
.mlps-picture summary{cursor:pointer}
.mlps-picture svg line.span{stroke-width:2;opacity:.45}
</style>"""

Scale = Callable[[float], float]
"""The pixel of a value."""

_WIDTH, _HEIGHT = 560, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 116, 12, 34
_LABEL_ROOM = 14
"""Pixels that two labels at the right are apart at least."""

_NAMES_WIDTH, _ROW = 190, 24
_LEAST_MS, _MOST_MS = 1e-3, 1e12
"""What a logarithmic axis begins and ends with at most: a time below is a clock's grain, and one above (30 years) no clock's at all."""

MARKS: Final = {
    "mean": "M-4,0H4M0,-4V4",
    "P50": "M-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0Z",
    "P95": "M0,-5L5,0L0,5L-5,0Z",
    "P99": "M-4,-4H4V4H-4Z",
    "P99.9": "M0,-5L5,4H-5Z",
    "max": "M0,-6V6",
}
"""The mark of each point of a distribution, around its place."""


def _kind(name: str) -> str:
    return name if name in ("read", "write") else "other"


def _kinds(lines: Sequence[Line]) -> dict[str, str]:
    """Line → whose color it has. Lines of which none reads or writes have theirs by their order."""
    if any(_kind(line.name) != "other" for line in lines):
        return {line.name: _kind(line.name) for line in lines}
    return {line.name: kind for line, kind in zip(lines, itertools.chain(("read", "write"), itertools.repeat("other")), strict=False)}


def steps_to(highest: float, most: int = 4) -> list[float]:
    """Round values from 0 up to the first that is not below ``highest``, in no more than ``most`` steps."""
    if not 1e-300 < highest < 1e300:  # beyond, a step of it is 0 or infinite
        return [0.0, 1.0]
    magnitude = 10.0 ** math.floor(math.log10(highest / most))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10, 20) if math.ceil(highest / (factor * magnitude) - 1e-9) <= most)
    return [index * step for index in range(max(math.ceil(highest / step - 1e-9), 1) + 1)]


def rates_in_words(panel: Panel, unit: str) -> str:
    """What a chart of rates shows, for who cannot see it."""
    every = "from second to second" if panel.step == 1 else f"in {panel.step:g} s each"
    parts = [
        f"{line.name} {figure_text(line.mean)} {unit} on average, {figure_text(min(line.known))} to {figure_text(max(line.known))} {every}"
        for line in panel.lines
        if line.known
    ]
    return f"{panel.name}: {'; '.join(parts)}"


def rates_chart(panel: Panel, unit: str, highest: float) -> str:
    """The rates of one panel; ``highest`` is where the axis ends, so that panels beside each other have one scale."""
    levels = steps_to(highest)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(second: float) -> float:
        return _LEFT + (right - _LEFT) * second / panel.seconds

    def y(rate: float) -> float:
        return bottom - (bottom - _TOP) * min(rate / levels[-1], 1.0)

    parts = []
    for level in levels:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>')
        parts.append(f'<text class="soft" x="{_LEFT - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{level:g}</text>')
    for second in steps_to(panel.seconds, 6):
        if second <= panel.seconds:
            parts.append(f'<text class="soft" x="{x(second):.1f}" y="{bottom + 15}" text-anchor="middle">{second:g}</text>')
    parts.append(f'<text class="soft" x="{(_LEFT + right) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">{escaped(panel.axis)}</text>')
    kinds = _kinds(panel.lines)
    for line in panel.lines:
        kind, path = kinds[line.name], _path(line, panel, x, y)
        if path and kind == "read" and None not in line.values:
            parts.append(f'<path class="area {kind}" d="{path}V{bottom}H{_LEFT}Z"/>')
        parts.append(f'<line class="mean {kind}" x1="{_LEFT}" x2="{right + 4}" y1="{y(line.mean):.1f}" y2="{y(line.mean):.1f}"/>')
        parts.append(f'<path class="line {kind}" d="{path}"/>')
    for line, place in _labels(panel.lines, y):
        label = f"{escaped(line.name)} {figure_text(line.mean)} {escaped(unit)}"
        parts.append(f'<text class="{kinds[line.name]}" x="{right + 8}" y="{place + 4:.1f}">{label}</text>')
    return _svg(_WIDTH, _HEIGHT, rates_in_words(panel, unit), parts)


def _path(line: Line, panel: Panel, x: Scale, y: Scale) -> str:
    """Steps, because what is known of a second is what was done in all of it; the line is broken where nothing is."""
    parts, drawing = [], False
    for index, rate in enumerate(line.values):
        start = index * panel.step
        end = min(start + panel.step, panel.seconds)
        if rate is not None and start < end:
            begin = "" if drawing else f"M{x(start):.1f},{y(rate):.1f}"
            parts.append(f"{begin}V{y(rate):.1f}H{x(end):.1f}")
        drawing = rate is not None
    return "".join(parts)


def _labels(lines: Sequence[Line], y: Scale) -> Iterator[tuple[Line, float]]:
    """Lines from the top down, each with a place for its label that none before it has taken."""
    taken = -math.inf
    ordered = sorted(lines, key=lambda line: y(line.mean))
    room = _HEIGHT - _BOTTOM
    for index, line in enumerate(ordered):
        lowest = room - _LABEL_ROOM * (len(ordered) - 1 - index)
        taken = max(min(y(line.mean), lowest), taken + _LABEL_ROOM)
        yield line, taken


def times_chart(points: Sequence[str], distributions: Sequence[Distribution]) -> str:
    """Distributions one below the other on one logarithmic axis; nothing where none has a value."""
    known = [one for one in distributions if one.values]
    if not known:
        return ""
    values = [_on_axis(value) for one in known for value in one.values]
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    last = max(last, first + 1)
    right, bottom = _WIDTH - 30, _TOP + _ROW * len(known)

    def x(value: float) -> float:
        return _NAMES_WIDTH + (right - _NAMES_WIDTH) * (math.log10(_on_axis(value)) - first) / (last - first)

    parts = []
    for decade in range(first, last + 1):
        place = x(10.0**decade)
        parts.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="soft" x="{place:.1f}" y="{bottom + 16}" text-anchor="middle">{axis_time(10.0**decade)}</text>')
    for row, one in enumerate(known):
        middle, kind = _TOP + _ROW * (row + 0.5), _kind(one.about)
        places = [x(value) for value in one.values]
        parts.append(f'<text x="{_NAMES_WIDTH - 12}" y="{middle + 4:.1f}" text-anchor="end">{escaped(one.name)}</text>')
        parts.append(f'<line class="span {kind}" x1="{min(places):.1f}" x2="{max(places):.1f}" y1="{middle}" y2="{middle}"/>')
        parts += [_mark(point, place, middle, kind) for point, place in zip(points, places, strict=False)]
    place = float(_NAMES_WIDTH)
    for point in points:
        parts.append(_mark(point, place, bottom + 34, "other"))
        parts.append(f'<text class="soft" x="{place + 9:.1f}" y="{bottom + 38}">{escaped(point)}</text>')
        place += 58
    words = "; ".join(f"{one.name} {', '.join(f'{p} {v:.4g} ms' for p, v in zip(points, one.values, strict=False))}" for one in known)
    return _svg(_WIDTH, bottom + 44, words, parts)


def _on_axis(milliseconds: float) -> float:
    return min(max(milliseconds, _LEAST_MS), _MOST_MS)


def axis_time(milliseconds: float) -> str:
    """A power of ten of milliseconds in the unit in which it is read most easily."""
    for unit, of_one in (("s", 1000.0), ("ms", 1.0), ("µs", 0.001)):
        if milliseconds >= of_one * 0.999:
            return f"{milliseconds / of_one:,.0f} {unit}"
    return f"{milliseconds * 1e6:.0f} ns"


def _mark(point: str, x: float, y: float, kind: str) -> str:
    shape = MARKS.get(point, MARKS["P50"])
    return f'<path class="mark {kind}" transform="translate({x:.1f},{y:.1f})" d="{shape}"><title>{escaped(point)}</title></path>'


def _svg(width: float, height: float, words: str, parts: Sequence[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg role="img" aria-label="{escaped(words)}" {size}>{"".join(parts)}</svg>'


def figure(drawn: str, caption: str) -> str:
    """A chart with what it shows below it."""
    return f"<figure>{drawn}<figcaption>{escaped(caption)}</figcaption></figure>"
