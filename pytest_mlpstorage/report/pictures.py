"""The pictures of a result on the page and on the terminal: sentences first, then rates by the second, then times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.report.charts import figure, rates_chart, rates_in_words, times_chart
from pytest_mlpstorage.report.text import escaped, plain
from pytest_mlpstorage.results.pictures import Distribution, Panel, Picture

__all__ = ["SENTENCES", "picture_html", "picture_in_short", "picture_lines", "untold"]

SENTENCES: Final = 3
"""Where a picture is told in short: what is true, what was left out of it, and what stands beside it."""

_ROWS_ALONE, _ROWS_OF_MANY = 4, 2
"""Lines that a rate fills on the terminal: of a picture with one panel, and of one with more."""


def untold(metrics: Mapping[str, object], pictures: Sequence[Picture]) -> dict[str, object]:
    """The metrics of a result that none of its pictures tells in a sentence; a name that ends in a blank tells all that begin with it."""
    told = {name for picture in pictures for name in picture.tells if not name.endswith(" ")}
    beginnings = tuple(name for picture in pictures for name in picture.tells if name.endswith(" "))
    return {name: value for name, value in metrics.items() if name not in told and not (beginnings and name.startswith(beginnings))}


def _highest(picture: Picture, unit: str) -> float:
    """Where the axis of the panels of a unit ends."""
    return max((value for panel in picture.panels if panel.unit == unit for line in panel.lines for value in line.known), default=0.0)


def picture_html(picture: Picture) -> str:
    """One picture: what it means, its charts, and every figure of its distributions in a table."""
    lead, *rest = picture.says or ("",)
    says = f'<p class="mlps-lead">{escaped(lead)}</p>' + "".join(f"<p>{escaped(sentence)}</p>" for sentence in rest)
    rates = "".join(_rates(panel, panel.unit or picture.unit, _highest(picture, panel.unit)) for panel in picture.panels)
    times = times_chart(picture.points, picture.distributions)
    shown = rates + (figure(times, _CAPTION) if times else "") + _table(picture)
    inside = f'{says}<div class="mlps-pictures">{shown}</div>'
    if picture.folded:
        return f'<details class="mlps-picture"><summary>{escaped(picture.title)}</summary>{inside}</details>'
    return f'<div class="mlps-picture"><h4>{escaped(picture.title)}</h4>{inside}</div>'


def _rates(panel: Panel, unit: str, highest: float) -> str:
    return figure(rates_chart(panel, unit, highest), rates_in_words(panel, unit))


_CAPTION: Final = "All operations that ended in the window, of all clients and trials; logarithmic."


def _table(picture: Picture) -> str:
    if not picture.distributions:
        return ""
    head = "".join(f'<th class="mlps-n">{escaped(point)}</th>' for point in picture.points)
    rows = "".join(f"<tr><td>{escaped(one.name)}</td>{_cells(one, len(picture.points))}</tr>" for one in picture.distributions)
    return f'<div class="mlps-scroll"><table><tr><th>milliseconds</th>{head}</tr>{rows}</table></div>'


def _cells(one: Distribution, columns: int) -> str:
    if not one.values:
        return f'<td colspan="{columns}">{escaped(one.why)}</td>'
    return "".join(f'<td class="mlps-n">{_ms(value)}</td>' for value in one.values)


def _ms(value: float) -> str:
    """Three digits are what a percentile is good for, and whole milliseconds above that."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def picture_lines(picture: Picture) -> Iterator[str]:
    """The lines of one picture on the terminal."""
    from pytest_mlpstorage.kvcache.series import text_plot  # it brings numpy, which few sessions need

    yield plain(picture.title)
    yield from (f"  {plain(sentence)}" for sentence in picture.says)
    height = _ROWS_ALONE if len(picture.panels) == 1 else _ROWS_OF_MANY
    for panel in picture.panels:
        every = "by the second" if panel.step == 1 else f"every {panel.step:g} s"
        for line in panel.lines:
            moved = any(line.known)
            yield f"  {plain(panel.name)}, {plain(line.name)} {every}{'' if moved else ': nothing'}"
            drawn = text_plot(line.known, unit=picture.unit, height=height, seconds=panel.seconds) if moved else []
            yield from (f"    {plain(row)}" for row in drawn)
    yield from (f"  {line}" for line in _columns(picture))


def picture_in_short(picture: Picture) -> Iterator[str]:
    """Its title and what matters most of it, in few lines."""
    yield plain(picture.title)
    yield from (f"  {plain(sentence)}" for sentence in picture.says[:SENTENCES])


def _columns(picture: Picture) -> Iterator[str]:
    if not picture.distributions:
        return
    rows = [("milliseconds", *picture.points), *((one.name, *map(_ms, one.values)) for one in picture.distributions if one.values)]
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(1 + len(picture.points))]
    for name, *values in rows:
        cells = "  ".join(f"{plain(value):>{width}}" for value, width in zip(values, widths[1:], strict=False))
        yield f"{plain(name):<{widths[0]}}  {cells}".rstrip()
    for one in picture.distributions:
        if not one.values:
            yield f"{plain(one.name):<{widths[0]}}  {plain(one.why)}"
