"""Charts of single values and of distributions: marks, limits, and what they say to who cannot see them."""

import re

import pytest
from drawn_svg import parsed, paths, texts

from pytest_mlpstorage.report.value_charts import MARKS, axis_time, groups_chart, groups_in_words, times_chart
from pytest_mlpstorage.results.pictures import Chart, Distribution, Group, Limit

POINTS = ("mean", "P50", "P95", "P99", "P99.9", "max")
TIMES = (
    Distribution("entry loaded", (3.0, 2.0, 10.0, 20.0, 30.0, 1234.5), "read"),
    Distribution("request in service", (0.5, 0.25, 0.75, 0.8, 0.9, 1.0)),
    Distribution("eviction step", why="nothing was evicted"),
)
WARM, RUN = Group("warm-up", (91.0, 95.0), 93.0, about="aside"), Group("run 1", (96.0, 89.5), 92.75)
AU = Chart("utilization", "%", (WARM, RUN), "epoch", Limit(90.0))


def starts(found):
    return [tuple(map(float, place)) for path in found for place in re.findall(r"M([\d.]+) ([\d.]+)", path.get("d"))]


def test_each_value_is_a_mark_and_each_group_a_line_with_its_name_and_mean():
    svg = groups_chart(AU)
    assert {"utilization, %", "warm-up", "mean 93", "run 1", "mean 92.8", "limit 90 %", "each epoch, one after the other"} <= set(
        texts(svg)
    )
    assert len(starts(paths(svg, "fill:var(--mlps-read)"))) == 1
    assert len(starts(paths(svg, "fill:var(--mlps-card)"))) == 2, "the marks of what does not count are hollow"


def test_a_value_below_the_limit_is_marked_by_shape_and_color():
    (bad,) = paths(groups_chart(AU), "fill:var(--mlps-bad)")
    (good,) = paths(groups_chart(AU), "fill:var(--mlps-read)")
    assert len(starts([bad])) == 1
    assert bad.get("d").split("l")[1:] != good.get("d").split("l")[1:]
    kept = Chart("utilization", "%", (Group("run 1", (90.0, 95.0)),), "epoch", Limit(90.0))
    assert "var(--mlps-bad)" not in groups_chart(kept)


def test_shares_that_are_nearly_all_are_told_by_what_they_lack_and_rates_begin_at_nothing():
    assert {"85", "90", "95", "100"} <= set(texts(groups_chart(AU)))
    assert "0" not in texts(groups_chart(AU))
    assert "0" in texts(groups_chart(Chart("throughput", "MiB/s", (Group("run 1", (291.0, 305.0)),), "epoch")))
    assert "0" in texts(groups_chart(Chart("utilization", "%", (Group("run 1", (12.0, 99.0)),), "epoch", Limit(90.0))))


def test_a_bar_goes_from_the_least_to_the_greatest_of_the_ranks():
    group = Group("write", (5.0, 6.0), 5.5, (4.0, 6.0), (8.0, 7.0), "write")
    bars = paths(groups_chart(Chart("rate", "GiB/s", (group,), "checkpoint")), "opacity:0.35", "stroke:var(--mlps-write)")
    lengths = [abs(float(number)) for path in bars for number in re.findall(r"v(-?[\d.]+)", path.get("d"))]
    assert lengths == pytest.approx([64.0, 16.0], abs=0.2), "4 and 1 of the 8 on 128 pixels"


def test_few_values_have_their_figures_and_many_do_not():
    few = Chart("rate", "GiB/s", (Group("write", (1.25,) * 14),), "checkpoint")
    many = Chart("rate", "GiB/s", (Group("write", (1.25,) * 15),), "checkpoint")
    assert (texts(groups_chart(few)).count("1.25"), texts(groups_chart(many)).count("1.25")) == (14, 0)


def test_names_that_would_lie_over_each_other_are_left_out():
    groups = tuple(Group(f"run {number} of a long name", (1.0,)) for number in range(40))
    assert 2 < sum("of a long name" in (text or "") for text in texts(groups_chart(Chart("x", "s", groups, "run")))) < 20


def test_a_chart_without_a_value_is_none():
    assert groups_chart(Chart("x", "s", (), "run")) == ""
    assert groups_chart(Chart("x", "s", (Group("a", ()), Group("b", (None,))), "run")) == ""
    assert "nan" not in groups_chart(Chart("x", "s", (Group("a", (None, 1.0, float("nan"), float("inf"))),), "run"))


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-300, 1e300, 1.7e308])
def test_an_absurd_value_ends_no_page(value):
    assert "<svg" in groups_chart(Chart("x", "s", (Group("a", (value, 1.0)),), "run", Limit(1.0)))


def test_who_cannot_see_the_values_is_told_them():
    words = "utilization of each epoch, %. warm-up: 91, 95 (mean 93); run 1: 96, 89.5 (mean 92.8). limit 90 %"
    assert groups_in_words(AU) == words
    assert parsed(groups_chart(AU)).get("aria-label") == words
    many = Chart("x", "s", (Group("a", tuple(map(float, range(20)))), Group("b", (None, 1.0))), "run")
    assert groups_in_words(many) == "x of each run, s. a: 20 values from 0 to 19; b: unknown, 1"


def test_times_stand_on_a_logarithmic_axis_with_a_mark_a_percentile():
    svg = times_chart(POINTS, TIMES)
    assert {"entry loaded", "request in service", "100 µs", "1 ms", "10 s", *POINTS} <= set(texts(svg))
    assert "eviction step" not in texts(svg)
    assert len(set(MARKS.values())) == len(POINTS)
    grid = sorted(x for x, _ in starts(paths(svg, "stroke:var(--mlps-line)")))
    decade = grid[1] - grid[0]
    left, _ = min(starts(paths(svg, "opacity:0.45", "stroke:var(--mlps-read)")))
    assert left == pytest.approx(grid[1] + decade * 0.301, abs=0.5), "its least is 2 ms"


def test_times_of_one_value_or_of_none_are_no_fault():
    assert times_chart(POINTS, TIMES[2:]) == ""
    assert times_chart(POINTS, ()) == ""
    for value in (1.0, 0.0, -5.0, 1e-9, 1e12):
        svg = times_chart(POINTS, [Distribution("x", (value,) * 6)])
        assert "nan" not in svg
        assert all(x >= 185 for x, _ in starts(paths(svg)))


def test_a_time_that_no_clock_measures_ends_no_page():
    svg = times_chart(POINTS, (Distribution("entry loaded", (3.0, 2.0, 10.0, 20.0, 30.0, 1.7e308), "read"),))
    assert len(paths(svg, "stroke:var(--mlps-line)")) < 30
    assert "max 1.7e+308 ms" in svg


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(1e-6, "1 ns"), (0.001, "1 µs"), (0.1, "100 µs"), (1, "1 ms"), (1000, "1 s"), (1e6, "1,000 s")]
)
def test_powers_of_ten_are_told_in_the_unit_that_fits(milliseconds, text):
    assert axis_time(milliseconds) == text
