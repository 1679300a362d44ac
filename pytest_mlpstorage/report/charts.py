"""What all charts of the page have in common: their style, axes placed by the pixel, round values on them, and what tells lines apart.

A line is told from another by color, dash and the label at its end, a value by the shape of its mark; the whole is told in words for who
cannot see it. The colors are those that people with any sight can tell apart (after Okabe and Ito), dark on light and light on dark.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.report.svg import PAINTS
from pytest_mlpstorage.report.text import escaped, plain
from pytest_mlpstorage.results.pictures import Limit, figure_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DASHES", "STYLE", "Box", "axes", "figure", "grid", "label", "limit_line", "placed", "shown_level", "steps_to", "ticks"]

STYLE: Final = """<style>
:root{--mlps-read:#0067a8;--mlps-write:#b34700;--mlps-third:#00745a;--mlps-fourth:#8f3f86;--mlps-band:#5660701c}
@media screen and (prefers-color-scheme:dark){:root{--mlps-read:#63b8f0;--mlps-write:#f0a23c;--mlps-third:#4fd1a5;--mlps-fourth:#e7a1cd;
--mlps-band:#9aa7b622}}
.mlps-pictures{display:flex;flex-wrap:wrap;gap:.8rem 2rem;align-items:flex-start} .mlps-picture{margin:.9rem 0 0}
.mlps-picture h4{margin:0 0 .3rem;font-size:14px} .mlps-picture figure{margin:0;max-width:100%}
.mlps-picture p{margin:.15rem 0;max-width:78em}
.mlps-picture p.mlps-lead{font-size:14px;font-weight:600} .mlps-picture figcaption{color:var(--mlps-soft);width:0;min-width:100%}
.mlps-picture svg{max-width:100%;height:auto;display:block}
.mlps-picture svg text{fill:var(--mlps-ink);font:11px system-ui,sans-serif;font-variant-numeric:tabular-nums;
paint-order:stroke;stroke:var(--mlps-card);stroke-width:3px}
.mlps-picture table{font-size:12px}
.mlps-picture summary{cursor:pointer;font-size:14px;font-weight:600}
</style>"""

DASHES: Final[dict[str, Any]] = {
    "read": "-",
    "write": (0, (7, 3)),
    "third": (0, (2, 2)),
    "fourth": (0, (8, 2, 1.5, 2)),
    "soft": (0, (1, 2)),
}
"""Color of a line → its dashes, so that neither is needed to tell one from another."""

_LABEL_ROOM: Final = 13
"""Pixels that two labels beside a chart are apart at least."""

_LONGEST_LABEL: Final = 40


@dataclasses.dataclass(frozen=True)
class Box:
    """Where axes stand on a figure, in pixels from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


def axes(on: Figure, box: Box, across: tuple[float, float], up: tuple[float, float]) -> Axes:
    """Bare axes at a place, from the first to the last value of ``across`` and ``up``."""
    width, height = on.get_size_inches() * on.dpi
    made = on.add_axes((box.left / width, 1 - (box.top + box.height) / height, box.width / width, box.height / height))
    made.patch.set_visible(False)
    for spine in made.spines.values():
        spine.set_visible(False)
    made.tick_params(length=0, colors=PAINTS["soft"], pad=5)
    made.set_xlim(*across)
    made.set_ylim(*up)
    # An axis that nothing stands on costs as much to draw as one with ticks.
    made.xaxis.set_visible(False)
    made.yaxis.set_visible(False)
    return made


def ticks(on: Axes, places: Sequence[float], texts: Sequence[str]) -> None:
    """What stands below the axes, and where."""
    on.xaxis.set_visible(True)
    on.set_xticks(places, texts)


def grid(on: Axes, levels: Sequence[float], text: Callable[[float], str] | None = None) -> None:
    """Lines across the axes with what each is of."""
    on.yaxis.set_visible(True)
    on.set_yticks(levels, [(text or shown_level)(level) for level in levels])
    on.grid(visible=True, axis="y", color=PAINTS["line"], linewidth=1)


def shown_level(level: float) -> str:
    """A round value as it stands on an axis."""
    return figure_text(level) if abs(level) >= 1000 else f"{level:g}"


def limit_line(on: Axes, limit: Limit) -> None:
    """The line that values are held against."""
    on.axhline(limit.value, color=PAINTS["ink"], linewidth=1.2, linestyle=(0, (4, 3)), clip_on=False)


def label(on: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Words at a place of a figure, in pixels from its upper left corner, in one of the paints as ``color``; cut where they are long."""
    width, height = on.get_size_inches() * on.dpi
    style["color"] = PAINTS[style.get("color", "ink")]
    on.text(x / width, 1 - y / height, plain(text, longest=_LONGEST_LABEL), **style)


def placed(wanted: Sequence[float], top: float, bottom: float) -> Iterator[tuple[int, float]]:
    """For labels from the top down: which it is, and a place near the ``wanted`` one that none before it has taken."""
    taken = -math.inf
    ordered = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for place, index in enumerate(ordered):
        lowest = bottom - _LABEL_ROOM * (len(ordered) - 1 - place)
        taken = max(top, min(wanted[index], lowest), taken + _LABEL_ROOM)
        yield index, taken


def steps_to(highest: float, most: int = 4) -> list[float]:
    """Round values from 0 up to the first that is not below ``highest``, in no more than ``most`` steps."""
    if not 1e-300 < highest < 1e300:  # beyond, a step of it is 0 or infinite
        return [0.0, 1.0]
    magnitude = 10.0 ** math.floor(math.log10(highest / most))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10, 20) if math.ceil(highest / (factor * magnitude) - 1e-9) <= most)
    return [index * step for index in range(max(math.ceil(highest / step - 1e-9), 1) + 1)]


def figure(drawn: str, caption: str, *, tall: bool = False) -> str:
    """A chart with what it shows below it; ``tall``: of which two fit on a sheet of paper only where they are drawn smaller."""
    begin = '<figure class="mlps-tall">' if tall else "<figure>"
    return f"{begin}{drawn}<figcaption>{escaped(caption)}</figcaption></figure>"
