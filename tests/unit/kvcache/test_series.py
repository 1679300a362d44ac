"""Bytes by the second of a window: rate, drift between its halves, variation, picture."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.kvcache.series import ByteSeries, text_plot

GIB = 1024**3
S = 10**9


def series(window_s, *moves):
    found = ByteSeries(int(window_s * S))
    for second, gib in moves:
        found.add(int(second * S), int(gib * GIB))
    return found


def test_the_rate_is_of_what_was_completed_in_the_window_over_its_length():
    found = series(4, (-0.1, 100), (0, 1), (3.999999999, 2), (4, 100), (99, 100))
    assert (found.bytes, found.gib_per_second) == (3 * GIB, 0.75)
    assert found.rates_gib_per_second() == [1, 0, 0, 2]


def test_how_much_of_an_addition_would_count_is_told_without_counting_it():
    found = ByteSeries(2 * S)
    assert found.count_inside([-1, 0, S, 2 * S], [1, 10, 100, 1000]) == 110
    assert found.count_inside([0, 1, 2], 5) == 15
    assert found.count_inside([], []) == 0
    assert found.bytes == 0


def test_the_last_second_counts_for_what_there_is_of_it():
    assert series(2.5, (0, 1), (2.4, 1)).rates_gib_per_second() == [1, 0, 2]


def test_halves_are_of_the_window_and_not_of_its_whole_seconds():
    assert series(3, (0, 1), (1.49, 1), (1.5, 1)).half_drift_percent == -50
    assert series(2, (0, 1), (1, 3)).half_drift_percent == 200
    assert series(2, (1, 3)).half_drift_percent is None
    odd = ByteSeries(3)
    odd.add([1, 2], [1, 4])
    assert odd.half_drift_percent == 300


def test_the_variation_is_that_of_whole_seconds():
    assert series(2.5, (0, 1), (1, 3), (2.1, 99)).cv_percent == 50
    assert series(2, (0, 1), (1, 1)).cv_percent == 0
    assert series(1.9, (0, 1)).cv_percent is None
    assert series(3).cv_percent is None


def test_the_series_of_ranks_add_up_before_anything_is_made_of_them():
    first, second = series(2, (0, 2)), series(2, (1, 2))
    assert first.half_drift_percent == -100
    whole = ByteSeries.merged([first, second])
    assert (whole.gib_per_second, whole.cv_percent, whole.half_drift_percent) == (2, 0, 0)
    assert first.bytes == 2 * GIB
    assert ByteSeries.merged([]) is None
    with pytest.raises(ValueError, match="different lengths"):
        first.merge(series(3))


def test_a_window_without_a_length_is_none():
    with pytest.raises(ValueError, match="a window has a length"):
        ByteSeries(0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-S, 6 * S), st.integers(0, 2**40)), max_size=30), st.integers(1, 5 * S))
def test_it_is_read_back_as_it_was_written(moves, window):
    found = ByteSeries(window)
    for when, size in moves:
        found.add(when, size)
    assert ByteSeries.from_json(found.to_json()).to_json() == found.to_json()
    assert found.bytes == sum(size for when, size in moves if 0 <= when < window)


@pytest.mark.parametrize(
    "change",
    [
        {"window_ns": 0},
        {"window_ns": None},
        {"window_ns": 10**30},
        {"window_ns": 3 * S},
        {"bytes": None},
        {"bytes": [1]},
        {"bytes": [1, -1], "halves_bytes": [0, 0]},
        {"bytes": [1, "x"]},
        {"bytes": [2**63, 0], "halves_bytes": [2**63, 0]},
        {"halves_bytes": [1]},
        {"halves_bytes": [4, 4]},
        {"halves_bytes": "x"},
    ],
)
def test_what_somebody_changed_is_no_series(change):
    raw = series(2, (0, 1), (1, 2)).to_json()
    assert ByteSeries.from_json({**raw, **change}) is None
    assert ByteSeries.from_json([]) is None


def test_the_picture_in_text():
    assert text_plot([0.0, 1.0, 2.0, 4.0], width=30, height=2) == [
        "4 GiB/s ┤      ██",
        "      0 ┤  ▄▄████",
        "        └0    4 s",
    ]
    assert text_plot([1.0], width=1, height=1) == ["1 GiB/s ┤█", "        └0 1 s"]
    assert text_plot([1.0, 1.0], height=1, seconds=7200.5)[-1].endswith(" 7200.5 s")


def test_a_picture_is_no_wider_than_it_may_be_and_leaves_no_second_out():
    rates = [1.0] * 299 + [61.0]
    lines = text_plot(rates, width=72, height=3)
    assert max(map(len, lines)) <= 72
    assert lines[0].startswith("11 GiB/s")
    assert lines[-1].endswith("300 s")
    assert lines[-2].count("█") == 1


def test_what_moved_at_all_is_seen_and_what_did_not_is_not():
    assert text_plot([1000.0, 0.001, 0.0], width=24, height=1)[0].endswith("┤█▁")
    assert text_plot([0.0, 0.0])[0].endswith("┤")
    assert text_plot([]) == []
