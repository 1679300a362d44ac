"""The pictures of a result on the page and on the terminal: sentences first, then rates by the second, then times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.report.charts import figure
from pytest_mlpstorage.report.text import escaped, plain
from pytest_mlpstorage.report.time_charts import in_words, time_chart, time_in_words
from pytest_mlpstorage.report.value_charts import groups_chart, groups_in_words, times_chart, times_in_words
from pytest_mlpstorage.results.pictures import Distribution, Panel, Picture, figure_text

__all__ = ["picture_html", "picture_in_short", "picture_lines"]

_SENTENCES: Final = 3
"""Where a picture is told in short: what is true, what was left out of it, and what stands beside it."""

_FLAT: Final = 10
"""How many times higher a scale may be than what is drawn on it."""

_ROWS_ALONE, _ROWS_OF_MANY = 4, 2
"""Lines that a rate fills on the terminal: of a picture with one panel, and of one with more."""


def _highest(picture: Picture) -> list[float]:
    """What the scale of each panel must have room for.

    Panels of one unit have one scale, so that their heights can be compared; what would lie flat on it has one of its own.
    """
    reached = [(panel.unit, _reach(panel)) for panel in picture.panels]
    scales: dict[str, list[float]] = {}
    for unit, reach in sorted(reached, key=lambda one: -one[1]):
        of_unit = scales.setdefault(unit, [reach])
        if of_unit[-1] > _FLAT * reach > 0:
            of_unit.append(reach)
    return [next(scale for scale in scales[unit] if scale <= _FLAT * reach or not reach) for unit, reach in reached]


def _reach(panel: Panel) -> float:
    values = (value for line in panel.lines for value in line.extremes)
    return max((panel.limit.value if panel.limit is not None else 0.0, 0.0, *values))


def picture_html(picture: Picture) -> str:
    """One picture: what it means, its charts, and every figure of its distributions in a table.

    A chart that cannot be drawn is one line, and what it would have shown stands there in words. Where figures of a foreign tree are such
    that not even words can be made of them, that is the line: they must not cost the page. An error of the program raises.
    """
    says = _says(picture)
    try:
        shown = "".join(_charts(picture)) + _table(picture)
    except (ArithmeticError, ValueError) as error:
        shown = f"<p>Not drawn: its figures allow no chart ({escaped(f'{type(error).__name__}: {error}')}).</p>"
    inside = f'{says}<div class="mlps-pictures">{shown}</div>'
    if picture.folded:
        opened = " open" if picture.opened else ""
        return f'<details class="mlps-picture"{opened}><summary>{escaped(picture.title)}</summary>{inside}</details>'
    return f'<div class="mlps-picture"><h4>{escaped(picture.title)}</h4>{inside}</div>'


def _says(picture: Picture) -> str:
    """The first sentence leads; of what is shown over time, where the chart tells most, all are one paragraph."""
    if picture.stacked:
        return f"<p>{escaped(' '.join(picture.says))}</p>" if picture.says else ""
    lead, *rest = picture.says or ("",)
    return f'<p class="mlps-lead">{escaped(lead)}</p>' + "".join(f"<p>{escaped(sentence)}</p>" for sentence in rest)


def _charts(picture: Picture) -> Iterator[str]:
    unit = picture.unit
    for chart in picture.charts:
        yield _figure(partial(groups_chart, chart), chart.note, groups_in_words(chart))
    if picture.panels:
        highest = _highest(picture)
        if picture.stacked:
            words = time_in_words(picture.panels, unit, picture.spans)
            draw = partial(time_chart, picture.panels, unit, highest, picture.spans, stacked=True)
            yield _figure(draw, _stacked_caption(picture, highest), words, tall=True)
        else:
            for panel, most in zip(picture.panels, highest, strict=True):
                words = in_words(panel, panel.unit or unit)
                yield _figure(partial(time_chart, (panel,), unit, [most], picture.spans), words, words)
    words = times_in_words(picture.points, picture.distributions)
    yield _figure(partial(times_chart, picture.points, picture.distributions), picture.of_times, words)


def _figure(draw: Callable[[], str], caption: str, words: str, *, tall: bool = False) -> str:
    """A chart with its caption; nothing where there is nothing to draw."""
    try:
        made = draw()
    except DependencyError as error:
        return figure("", f"[{error.code}] {error.message}; {error.suggestion}. It would show: {words}")
    return figure(made, caption, tall=tall) if made else ""


def _stacked_caption(picture: Picture, highest: Sequence[float]) -> str:
    lengths = sorted({panel.step for panel in picture.panels})
    steps = f"{figure_text(lengths[0])} s" if len(lengths) == 1 else f"{figure_text(lengths[0])} to {figure_text(lengths[-1])} s"
    banded = any(line.highs for panel in picture.panels for line in panel.lines)
    band = "; within the pale band around it lay every sample that was read" if banded else ""
    all_told = all(line.told for panel in picture.panels for line in panel.lines)
    which, beside = ("", "each line") if all_told else (", or the percentile that its name tells", "each line of means")
    one_scale = len(set(zip((panel.unit for panel in picture.panels), highest, strict=True))) == len({p.unit for p in picture.panels})
    scale = "Panels of one unit have one scale" + ("." if one_scale else ", but for those that would lie flat on it.")
    return f"Each step of a line is the mean of {steps}{which}{band}. Beside {beside} stands its mean. {scale}"


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
    yield from (f"  {plain(sentence)}" for sentence in picture.says[:_SENTENCES])


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
