"""What a page has room for: a merged tree of hundreds of results would make a page of charts that no mail takes and no browser opens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.results.pictures import Picture

__all__ = ["fitting"]

_MOST_BYTES: Final = 3_000_000
"""Of all charts of a page, of 5 MB in all; a full submission has less than half of it."""

_CHART_BYTES, _PANEL_BYTES, _VALUE_BYTES = 1800, 1400, 9
"""What a chart takes, each of its panels or groups, and each value; seen on pages of every family."""

_NOT_DRAWN: Final = "Not drawn, because the page would be too large: ask for less, with -k and a part of this result's path."


def fitting(results: Sequence[Sequence[Picture]], most_bytes: int = _MOST_BYTES) -> list[tuple[Picture, ...]]:
    """The pictures of each result, as far as one page takes them: first what was measured, of all results, then one launch of each.

    What has no room keeps its title and says so.
    """
    of_each = [list(pictures) for pictures in results]
    places = sorted(
        ((rank, result, index) for result, pictures in enumerate(of_each) for index, rank in enumerate(_ranks(pictures))),
        key=lambda place: (place[0], place[1]),
    )
    left = most_bytes
    for _, result, index in places:
        picture = of_each[result][index]
        needed = _bytes(picture)
        if needed <= left:
            left -= needed
        else:
            of_each[result][index] = Picture(picture.title, (_NOT_DRAWN,), folded=True)
    return [tuple(pictures) for pictures in of_each]


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
