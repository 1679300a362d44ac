"""Charts of single values and of distributions: marks, limits, and what they say to who cannot see them."""

import re

import pytest
from drawn_svg import parsed, paths, texts

from pytest_mlpstorage.report.charts import STYLE
from pytest_mlpstorage.report.value_charts import MARKS, _levels, axis_time, groups_chart, groups_in_words, times_chart
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


OF_MEANS = Limit(90.0, of_means=True)


def test_of_a_limit_on_means_no_single_value_is_marked_and_a_mean_below_it_is():
    kept = Chart("utilization", "%", (Group("run 1", (96.0, 88.0), 92.0), Group("run 2", (91.0, 92.0), 91.5)), "epoch", OF_MEANS)
    assert "var(--mlps-bad)" not in groups_chart(kept)
    assert len(paths(groups_chart(kept), "stroke:var(--mlps-read)", "opacity")) == 2, "a bar for each mean"
    broken = Chart("utilization", "%", (Group("run 1", (96.0, 80.0), 88.0), Group("run 2", (91.0, 92.0), 91.5)), "epoch", OF_MEANS)
    svg = groups_chart(broken)
    (cross,) = paths(svg, "fill:var(--mlps-bad)")
    ((at, _),) = starts([cross])
    assert at < min(x for x, _ in starts(paths(svg, "fill:var(--mlps-read)"))), "at the end of the bar, where no figure lies over it"
    (told,) = [element for element in parsed(svg).iter("text") if "var(--mlps-bad)" in element.get("style", "")]
    assert told.text == "✗ mean 88"
    assert "run 1: 96, 80 (mean 88, below the limit)" in groups_in_words(broken)


@pytest.mark.parametrize("limit", [Limit(90.0), OF_MEANS])
def test_epochs_that_count_for_no_figure_are_hollow_wherever_they_lie(limit):
    chart = Chart("utilization", "%", (Group("warm-up", (80.0, 95.0), 87.5, about="aside"), Group("run 1", (96.0,), 96.0)), "epoch", limit)
    assert len(starts(paths(groups_chart(chart), "fill:var(--mlps-card)"))) == (2 if limit == Limit(90.0) else 3)
    assert not paths(groups_chart(chart), "fill:var(--mlps-bad)")


def test_a_mean_that_is_none_of_its_values_has_room_on_the_axis():
    chart = Chart("utilization", "%", (Group("run 1", (92.0, 93.0), 140.0),), "epoch", OF_MEANS)
    assert "150" in texts(groups_chart(chart))
    assert "<svg" in groups_chart(Chart("utilization", "%", (Group("run 1", (92.0, 93.0), float("inf")),), "epoch", OF_MEANS))


def figures_of(chart):
    """The figures beside the marks: text, and the middle and base of it in pixels."""
    small = [element for element in parsed(groups_chart(chart)).iter("text") if "font-size:10px" in element.get("style", "")]
    return [(element.text, float(element.get("x")), float(element.get("y"))) for element in small]


def test_figures_beside_a_limit_stand_on_their_side_of_it():
    values = (90.2, 89.8, 95.0, 88.9, 90.0)
    chart = Chart("utilization", "%", (Group("run 1", values, 90.78),), "epoch", OF_MEANS)
    line = 34 + 128 * (100 - 90) / (100 - 85)
    told = {float(text): y for text, _, y in figures_of(chart)}
    assert set(told) == set(values)
    for value, y in told.items():
        if value < 90:
            assert y - 8 > line, "below it, with all of its height"
        else:
            assert y < line, "on it or above"


def test_figures_that_would_lie_over_each_other_are_left_out_and_the_least_and_the_greatest_stay():
    values = (100_001.0, 99_000.0, *(100_000.0 + number % 7 for number in range(11)), 101_000.0)
    found = figures_of(Chart("rate", "MiB/s", (Group("run 1", values),), "epoch"))
    assert {"99,000", "101,000"} <= {text for text, _, _ in found}
    assert 4 < len(found) < 14
    for text, x, y in found:
        for other, beside, above in found:
            if x < beside and abs(y - above) < 9:
                assert beside - x >= 5.5 * (len(text) + len(other)) / 2 - 4


def test_words_in_charts_have_a_halo_so_that_no_line_strikes_them_through():
    assert "paint-order:stroke;stroke:var(--mlps-card)" in STYLE


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


@pytest.mark.parametrize("highest", [50.0, 51.0, 74.9, 90.1, 96.0, 99.0, 99.9, 100.0])
@pytest.mark.parametrize("lowest", [50.0, 51.0, 55.0, 62.0, 80.0, 94.9])
def test_no_mark_lies_above_the_last_line_of_an_axis(lowest, highest):
    levels = _levels(Chart("utilization", "%", (), "epoch"), sorted((lowest, highest)))
    assert levels[0] <= min(lowest, highest)
    assert max(lowest, highest) <= levels[-1] <= 100
    assert levels == sorted(set(levels))


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-300, 1e300, 1.7e308])
def test_an_absurd_value_ends_no_page(value):
    assert "<svg" in groups_chart(Chart("x", "s", (Group("a", (value, 1.0)),), "run", Limit(1.0)))


def test_who_cannot_see_the_values_is_told_them():
    words = "utilization of each epoch, %. warm-up: 91, 95 (mean 93); run 1: 96, 89.5 (mean 92.8). limit 90 %"
    assert groups_in_words(AU) == words
    assert parsed(groups_chart(AU)).get("aria-label") == words
    many = Chart("x", "s", (Group("a", tuple(map(float, range(20)))), Group("b", (None, 1.0))), "run")
    assert groups_in_words(many) == "x of each run, s. a: 20 values from 0 to 19; b: unknown, 1"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_many_values_of_which_none_is_known_are_told_as_none(value):
    told = groups_in_words(Chart("rate", "GiB/s", (Group("write", (value,) * 13), Group("read", (1.0,) * 13)), "trial"))
    assert told == "rate of each trial, GiB/s. write: none; read: 13 values from 1 to 1"


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
