"""What a page has room for: a merged tree of hundreds of results would make a page of charts that no mail takes and no browser opens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.report.pictures import picture_html
from pytest_mlpstorage.report.text import escaped
from pytest_mlpstorage.results.pictures import Picture

__all__ = ["drawn_within"]

_CHART_BYTES, _PANEL_BYTES, _VALUE_BYTES = 1800, 1400, 9
"""What a chart takes, each of its panels or groups, and each value; seen on pages of every family."""

_NOT_DRAWN: Final = "Not drawn, because the page would be too large: see above the results."


def drawn_within(
    results: Sequence[Sequence[Picture]], most_bytes: int, first: Sequence[bool] | None = None
) -> tuple[list[str], dict[int, int]]:
    """The pictures of each result, as far as ``most_bytes`` take them, and for each result with any left out how many those are.

    Those of results that are ``first`` come before all others; then what was measured, of all results, then one launch of each. What has
    no room keeps its title and says so.
    """
    places = sorted(
        (not (first is not None and first[result]), rank, result, index)
        for result, pictures in enumerate(results)
        for index, rank in enumerate(_ranks(pictures))
    )
    made = {(result, index): _instead(results[result][index]) for *_, result, index in places}
    left = most_bytes - sum(len(text.encode()) for text in made.values())
    without: dict[int, int] = {}
    for *_, result, index in places:
        picture = results[result][index]
        room = left + len(made[result, index].encode())
        # To draw a chart takes long: one that will not fit is not tried.
        drawn = picture_html(picture) if _bytes(picture) <= room else None
        if drawn is not None and (needed := len(drawn.encode())) <= room:
            made[result, index], left = drawn, room - needed
        else:
            without[result] = without.get(result, 0) + 1
    return ["".join(made[result, index] for index in range(len(pictures))) for result, pictures in enumerate(results)], without


def _instead(picture: Picture) -> str:
    """Its title, and of what was measured its sentences too."""
    says = "" if picture.stacked else "".join(f"<p>{escaped(sentence)}</p>" for sentence in picture.says)
    return f'<div class="mlps-undrawn"><p class="mlps-soft">{escaped(picture.title)}: {_NOT_DRAWN}</p>{says}</div>'


def _ranks(pictures: Sequence[Picture]) -> list[int]:
    """0 for what was measured; for each launch over time which of its result it is."""
    launches = itertools.count(1)
    return [next(launches) if picture.stacked else 0 for picture in pictures]


def _bytes(picture: Picture) -> int:
    """About what the charts of a picture take on the page."""
    series = [line for panel in picture.panels for line in panel.lines] + [group for chart in picture.charts for group in chart.groups]
    values = sum(len(one.values) + len(one.lows) + len(one.highs) for one in series)
    charts = len(picture.charts) + (1 if picture.stacked else len(picture.panels)) + bool(picture.distributions)
    rows = sum(4 * len(one.values) for one in picture.distributions)
    parts = len(picture.panels) + sum(len(chart.groups) for chart in picture.charts)
    return _CHART_BYTES * charts + _PANEL_BYTES * parts + _VALUE_BYTES * (values + 10 * rows) + sum(map(len, picture.says))
