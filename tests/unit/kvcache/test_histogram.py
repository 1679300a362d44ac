"""Durations in bins of half a percent, and bytes by the second: population percentiles, rates, drift, pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.kvcache.histogram import LogHistogram, exact_ms

DURATIONS = st.lists(st.integers(1, 10**13), min_size=1, max_size=60)


def histogram(values):
    found = LogHistogram()
    found.add(values)
    return found


@settings(max_examples=80, deadline=None)
@given(DURATIONS, st.floats(0, 100))
def test_percentiles_are_those_of_the_values_within_half_a_percent(values, percent):
    assert histogram(values).percentile(percent) == pytest.approx(np.percentile(values, percent), rel=0.005)


@settings(max_examples=50, deadline=None)
@given(st.lists(DURATIONS, min_size=1, max_size=4))
def test_merged_histograms_are_that_of_the_population(parts):
    merged = LogHistogram.merged(map(histogram, parts))
    assert merged.to_json() == histogram([value for part in parts for value in part]).to_json()
    assert merged.ms()["mean"] * 1e6 == pytest.approx(np.mean([value for part in parts for value in part]))


def test_the_percentile_of_a_population_is_not_the_mean_of_those_of_its_parts():
    fast, slow = histogram([10**6] * 990), histogram([10**9] * 10)
    assert LogHistogram.merged([fast, slow]).ms()["p50"] == pytest.approx(1.0, rel=0.005)
    assert LogHistogram.merged([fast, slow]).ms()["p999"] == pytest.approx(1000.0, rel=0.005)


def test_mean_least_and_most_are_exact():
    found = histogram([7_000_001, 3_000_000, 5_000_002])
    assert found.ms()["mean"] == 5.000001
    assert found.ms()["max"] == 7.000001
    assert (found.percentile(0), found.percentile(100)) == (3_000_000, 7_000_001)


def test_a_single_value_is_every_percentile():
    assert set(histogram([1_234_567]).ms().values()) == {1.234567}


def test_what_a_coarse_clock_gives_as_nothing_stands_in_the_first_bin():
    found = histogram([0, -5, 1])
    assert found.to_json()["bins"] == "0:3"
    assert (found.count, found.least_ns) == (3, -5)


def test_what_is_longer_than_any_bin_is_known_by_the_maximum():
    found = histogram([10**15, 10**16])
    assert found.ms()["max"] == 10**10
    assert found.to_json()["bins"].endswith(":2")


def test_without_a_value_there_is_no_percentile_and_not_0():
    assert LogHistogram().ms() is None
    assert exact_ms(np.zeros(0, np.int64)) is None
    with pytest.raises(ValueError, match="no values"):
        LogHistogram().percentile(50)
    empty = LogHistogram()
    empty.add([])
    empty.merge(LogHistogram())
    assert empty.count == 0


def test_an_empty_part_does_not_make_the_least_0():
    found = LogHistogram.merged([LogHistogram(), histogram([50, 60]), LogHistogram()])
    assert (found.least_ns, found.most_ns) == (50, 60)


def test_exact_percentiles_are_of_the_values_themselves():
    values = np.arange(1, 1002, dtype=np.int64) * 10**6
    expected = {"mean": 501.0, "p50": 501.0, "p95": 951.0, "p99": 991.0, "p999": 1000.0, "max": 1001.0}
    assert exact_ms(values) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**15), max_size=30))
def test_it_is_read_back_as_it_was_written(values):
    raw = json.loads(json.dumps(histogram(values).to_json(), allow_nan=False))
    assert LogHistogram.from_json(raw).to_json() == raw


def test_a_thousand_durations_take_no_more_room_than_their_bins():
    assert len(json.dumps(histogram(np.full(100_000, 12345)).to_json())) < 200


@pytest.mark.parametrize(
    "change",
    [
        {"bin_ratio": 1.01},
        {"bin_ratio": None},
        {"count": 4},
        {"count": "many"},
        {"total_ns": None},
        {"total_ns": 10**30},
        {"least_ns": 10**9},
        {"most_ns": 10**300},
        {"bins": "1:2"},
        {"bins": "1:1 2:1"},
        {"bins": "-1:3"},
        {"bins": "999999:3"},
        {"bins": "9999999999:3"},
        {"bins": "5"},
        {"bins": "5:3 x"},
        {"bins": "5:1 5:2"},
        {"bins": "5:3 6:0"},
        {"bins": "5:99999999999999999999", "count": 99999999999999999999},
        {"bins": "5:3" + " " * 300_000},
        {"bins": [5]},
        {"bins": None},
    ],
)
def test_what_somebody_changed_is_no_histogram(change):
    raw = histogram([100, 100, 100]).to_json()
    assert LogHistogram.from_json(raw) is not None
    assert LogHistogram.from_json({**raw, **change}) is None


@pytest.mark.parametrize("raw", [None, [], "x", 3, {}])
def test_what_is_none_is_read_as_none(raw):
    assert LogHistogram.from_json(raw) is None
