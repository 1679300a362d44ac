"""Pictures of a result: what is drawn, what it says to who cannot see it, and that nothing in it acts on a page or a terminal."""

import dataclasses
import itertools
import json
import math
import re
from xml.etree import ElementTree

import pytest

from pytest_mlpstorage.report import charts, html
from pytest_mlpstorage.report.charts import axis_time, rates_chart, rates_in_words, steps_to, times_chart
from pytest_mlpstorage.report.collector import JudgedResult, SuiteReport, Verdicts
from pytest_mlpstorage.report.junit import write_step_summary
from pytest_mlpstorage.report.pictures import picture_html, picture_lines, untold
from pytest_mlpstorage.report.records import MOVED, PICTURES, RUN, encode, facts, picture_objects
from pytest_mlpstorage.report.terminal import summary_lines
from pytest_mlpstorage.results.pictures import Distribution, Line, Panel, Picture, figure_text

EVIL = "<script>alert('x')</script>\x1b[2J|`\""
POINTS = ("mean", "P50", "P95", "P99", "P99.9", "max")
READ = Line("read", 2.0, (1.0, 2.0, 3.0, 2.0))
WRITE = Line("write", 0.5, (0.25, 0.5, 0.75, 0.5))
PANEL = Panel("trial 0", 4.0, (READ, WRITE))
TIMES = (
    Distribution("entry loaded", (3.0, 2.0, 10.0, 20.0, 30.0, 1234.5), "read"),
    Distribution("request in service", (0.5, 0.25, 0.75, 0.8, 0.9, 1.0)),
    Distribution("eviction step", why="nothing was evicted"),
)
PICTURE = Picture("option 1: Stress", ("True rate.", "Official."), "GiB/s", (PANEL,), POINTS, TIMES, ("option 1 ", "Table - Read"))


def drawn(svg):
    return ElementTree.fromstring(svg)  # noqa: S314 - drawn by us


def texts(svg):
    return [element.text for element in drawn(svg).iter("text")]


def test_a_picture_crosses_as_json_and_comes_back():
    assert Picture.from_json(json.loads(json.dumps(PICTURE.to_json()))) == PICTURE
    (back,) = facts([(PICTURES, encode(picture_objects([PICTURE])))]).pictures
    assert back == PICTURE
    assert facts([("mlps_verdict", "x")]).pictures == ()


def test_rates_travel_with_five_digits():
    line = Line("read", 1 / 3, (1 / 3, 1234.5678))
    told = dataclasses.replace(PICTURE, panels=(Panel("t", 2.0, (line,)),)).to_json()["panels"][0]["lines"][0]
    assert told["values"] == [0.33333, 1234.6]
    assert told["mean"] == 1 / 3


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (1.0, [0, 0.25, 0.5, 0.75, 1.0]),
        (2.31, [0, 1, 2, 3]),
        (42, [0, 20, 40, 60]),
        (100, [0, 25, 50, 75, 100]),
        (0.0071, [0, 0.002, 0.004, 0.006, 0.008]),
        (0, [0, 1]),
        (math.inf, [0, 1]),
        (math.nan, [0, 1]),
        (5e-324, [0, 1]),
        (1.7e308, [0, 1]),
    ],
)
def test_axes_have_round_values(highest, levels):
    assert steps_to(highest) == pytest.approx(levels)


def test_seconds_are_told_up_to_the_end_of_the_window():
    assert [float(text) for text in texts(rates_chart(Panel("t", 300.0, (READ,)), "GiB/s", 3)) if text.isdigit()][-1] == 300
    assert "300" not in texts(rates_chart(Panel("t", 299.0, (READ,)), "GiB/s", 3))


def test_rates_are_steps_of_a_second_each_on_one_scale():
    svg = rates_chart(PANEL, "GiB/s", 4.0)
    line = next(path for path in drawn(svg).iter("path") if path.get("class") == "line read")
    places = [float(value) for value in re.findall(r"V([\d.]+)", line.get("d"))]
    ends = [float(value) for value in re.findall(r"H([\d.]+)", line.get("d"))]
    assert places[0] - places[1] == pytest.approx(places[1] - places[2], abs=0.15)
    assert places[3] == places[1]
    assert [round(b - a, 1) for a, b in itertools.pairwise(ends)] == [100.0] * 3
    # Half of the scale where the scale is twice the highest rate.
    top, bottom = min(places), max(float(grid.get("y1")) for grid in drawn(svg).iter("line"))
    whole = next(path for path in drawn(rates_chart(PANEL, "GiB/s", 2.0)).iter("path") if path.get("class") == "line read")
    assert bottom - top == pytest.approx(0.75 * (bottom - 12), abs=0.2)
    assert min(map(float, re.findall(r"V(-?[\d.]+)", whole.get("d")))) == pytest.approx(12, abs=0.1), "no rate leaves the chart"


def test_the_last_part_of_a_second_is_as_wide_as_it_is_long():
    svg = rates_chart(Panel("t", 2.5, (Line("read", 1.0, (1.0, 1.0, 1.0)),)), "GiB/s", 1.0)
    path = next(path for path in drawn(svg).iter("path") if path.get("class") == "line read").get("d")
    first, second, third = (float(value) for value in re.findall(r"H([\d.]+)", path))
    assert third - second == pytest.approx((second - first) / 2, abs=0.15)


def test_a_line_is_broken_where_nothing_is_known_and_no_area_is_below_it():
    svg = rates_chart(Panel("t", 4.0, (Line("read", 1.0, (1.0, None, 1.0, 1.0)),)), "GiB/s", 1.0)
    assert [path.get("class") for path in drawn(svg).iter("path")] == ["line read"]
    path = next(drawn(svg).iter("path")).get("d")
    assert (path.count("M"), path.count("H")) == (2, 3)
    assert "read 1 GiB/s on average, 1 to 1 from second to second" in rates_in_words(
        Panel("t", 2.0, (Line("read", 1.0, (None, 1.0)),)), "GiB/s"
    )


def test_lines_that_neither_read_nor_write_are_told_apart_by_their_order():
    lines = tuple(Line(name, float(place), (float(place),)) for place, name in enumerate(("busy", "iowait", "top core", "more"), 1))
    svg = rates_chart(Panel("CPU", 1.0, lines, unit="%"), "%", 4.0)
    assert [path.get("class") for path in drawn(svg).iter("path")] == ["area read", "line read", "line write", "line other", "line other"]


def test_a_panel_of_its_own_unit_has_its_own_scale_and_axis():
    panels = (
        Panel("CPU", 2.0, (Line("busy", 50.0, (50.0, 50.0)),), 1.0, "%", "seconds <since>"),
        Panel("disks", 2.0, (Line("read", 3.0, (3.0, 3.0)),), 1.0, "MiB/s"),
    )
    page = picture_html(Picture("hosts", ("said",), panels=panels))
    first, second = (svg for svg in re.findall(r"<svg.*?</svg>", page))
    assert ("60" in texts(first), "60" in texts(second), "3" in texts(second)) == (True, False, True)
    assert ("seconds <since>" in texts(first), "seconds of the window" in texts(second)) == (True, True)
    assert "busy 50 %" in texts(first)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.234, "1.23"), (999.4, "999"), (1000.0, "1,000"), (1802.4, "1,802"), (-2500.0, "-2,500"), (1.7e308, "1.7e+308")],
)
def test_figures_are_read_without_powers_of_ten(value, text):
    assert figure_text(value) == text
    assert f"read {text} MiB/s" in texts(rates_chart(Panel("t", 1.0, (Line("read", value, (abs(value),)),)), "MiB/s", 1.0))


def test_a_folded_picture_is_shut_on_the_page_and_nowhere_else(tmp_path):
    folded = dataclasses.replace(PICTURE, title=EVIL, folded=True)
    page = picture_html(folded)
    assert page.startswith('<details class="mlps-picture"><summary>&lt;script&gt;')
    assert page.endswith("</details>")
    assert Picture.from_json(json.loads(json.dumps(folded.to_json()))) == folded
    result = judged(pictures=(dataclasses.replace(PICTURE, title="folded one", folded=True, tells=()),))
    lines = [line.text for line in summary_lines(Verdicts((result,)), (), files={}, rerun="")]
    assert not any("folded one" in line or "True rate" in line for line in lines)
    write_step_summary(tmp_path / "s.md", [result])
    assert "folded one" not in (tmp_path / "s.md").read_text()
    assert "folded one" in html.verdicts_html(Verdicts((result,)))


def test_values_beyond_the_window_are_not_drawn():
    svg = rates_chart(Panel("t", 4.0, (Line("read", 1.0, (1.0,) * 6),)), "GiB/s", 1.0)
    path = next(path for path in drawn(svg).iter("path") if path.get("class") == "line read").get("d")
    assert path.count("H") == 4


def test_a_step_of_many_seconds_is_as_wide_and_is_told():
    long = Panel("t", 25.0, (Line("read", 1.0, (1.0, 2.0, 1.0)),), 10.0)
    path = next(path for path in drawn(rates_chart(long, "GiB/s", 2.0)).iter("path") if path.get("class") == "line read").get("d")
    first, second, third = (float(value) for value in re.findall(r"H([\d.]+)", path))
    assert third - second == pytest.approx((second - first) / 2, abs=0.15)
    assert rates_in_words(long, "GiB/s").endswith("1 to 2 in 10 s each")
    picture = Picture("x", panels=(long,))
    lines = list(picture_lines(picture))
    assert lines[1] == "  t, read every 10 s"
    assert lines[-1].endswith(" 25 s")
    assert Picture.from_json(picture.to_json()) == picture


def test_a_line_is_told_by_its_label_and_not_by_its_color_alone():
    svg = rates_chart(PANEL, "GiB/s", 3.0)
    assert {"read 2 GiB/s", "write 0.5 GiB/s"} <= set(texts(svg))
    assert ".write{stroke-dasharray:7 3}" in charts.STYLE
    assert "prefers-color-scheme:dark" in charts.STYLE


@pytest.mark.parametrize("means", [(1.0, 1.0), (0.0, 0.0), (3.0, 3.0), (1.0, 1.01)])
def test_labels_never_lie_over_each_other(means):
    lines = tuple(Line(name, mean, (mean,)) for name, mean in zip(("read", "write"), means, strict=True))
    svg = drawn(rates_chart(Panel("t", 1.0, lines), "GiB/s", 3.0))
    places = [float(text.get("y")) for text in svg.iter("text") if text.get("class") in ("read", "write")]
    assert len(places) == 2
    assert abs(places[0] - places[1]) >= 14
    assert all(0 < place < float(svg.get("height")) - 20 for place in places)


def test_a_line_of_nothing_moved_lies_at_the_bottom_and_is_drawn():
    svg = rates_chart(Panel("t", 2.0, (Line("read", 0.0, (0.0, 0.0)),)), "GiB/s", 0.0)
    assert "read 0 GiB/s" in texts(svg)
    assert "nan" not in svg


def test_times_stand_on_a_logarithmic_axis_with_a_mark_a_percentile():
    svg = times_chart(POINTS, TIMES)
    assert {"entry loaded", "request in service", "100 µs", "1 ms", "10 s", "P99.9"} <= set(texts(svg))
    assert "eviction step" not in texts(svg)
    marks = [path for path in drawn(svg).iter("path") if path.get("class") == "mark read"]
    assert [mark.find("title").text for mark in marks] == list(POINTS)
    assert len({mark.get("d") for mark in marks}) == len(POINTS)
    x = {m.find("title").text: float(re.search(r"\(([\d.]+)", m.get("transform"))[1]) for m in marks}
    decade = (x["P95"] - x["P50"]) / math.log10(5)
    assert x["P99"] - x["P95"] == pytest.approx(decade * math.log10(2), abs=0.2)


def test_times_of_one_value_or_of_none_are_no_fault():
    assert times_chart(POINTS, TIMES[2:]) == ""
    assert times_chart(POINTS, ()) == ""
    for value in (1.0, 0.0, -5.0, 1e-9, 1e12):
        svg = times_chart(POINTS, [Distribution("x", (value,) * 6)])
        assert "nan" not in svg
        assert float(next(m for m in drawn(svg).iter("path")).get("transform").split("(")[1].split(",")[0]) >= 190


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(1e-6, "1 ns"), (0.001, "1 µs"), (0.1, "100 µs"), (1, "1 ms"), (1000, "1 s"), (1e6, "1,000 s")]
)
def test_powers_of_ten_are_told_in_the_unit_that_fits(milliseconds, text):
    assert axis_time(milliseconds) == text


def test_who_cannot_see_a_chart_is_told_it():
    words = "trial 0: read 2 GiB/s on average, 1 to 3 from second to second; write 0.5 GiB/s on average, 0.25 to 0.75 from second to second"
    assert rates_in_words(PANEL, "GiB/s") == words
    assert drawn(rates_chart(PANEL, "GiB/s", 3)).get("aria-label") == words
    assert drawn(rates_chart(PANEL, "GiB/s", 3)).get("role") == "img"
    assert "entry loaded mean 3 ms, P50 2 ms" in drawn(times_chart(POINTS, TIMES)).get("aria-label")


def test_the_page_shows_sentences_charts_and_every_figure():
    page = picture_html(PICTURE)
    assert page.index("True rate.") < page.index("Official.") < page.index("<svg") < page.index("<table>")
    assert page.count("<svg") == 2
    assert '<td class="mlps-n">1,234</td>' in page or '<td class="mlps-n">1,235</td>' in page
    assert '<td colspan="6">nothing was evicted</td>' in page
    close = Distribution("x", (999.7, 99.96, 1.234, 0.0123, 0.0, 12345678.9))
    cells = re.findall(r'mlps-n">([^<]*)</td>', picture_html(dataclasses.replace(PICTURE, distributions=(close,))))
    assert cells == ["1,000", "100", "1.23", "0.0123", "0", "12,345,679"]
    assert "http" not in page, "nothing is fetched from anywhere"
    ElementTree.fromstring(page)  # noqa: S314 - well-formed, made by us


def test_panels_of_a_picture_have_one_scale():
    other = Panel("trial 1", 4.0, (Line("read", 20.0, (20.0,) * 4),))
    page = picture_html(dataclasses.replace(PICTURE, panels=(PANEL, other), distributions=()))
    first, second = re.findall(r"<svg.*?</svg>", page)
    assert "20" in texts(first)
    assert [t for t in texts(first) if t.isdigit()] == [t for t in texts(second) if t.isdigit()]


def test_hostile_text_reaches_neither_browser_nor_terminal():
    evil = Picture(
        EVIL, (EVIL,), EVIL, (Panel(EVIL, 1.0, (Line(EVIL, 1.0, (1.0,)),)),), (EVIL,), (Distribution(EVIL, (1.0,), EVIL), Distribution(EVIL, why=EVIL))
    )  # fmt: skip
    page = picture_html(evil)
    assert "<script" not in page
    assert "\x1b" not in page
    ElementTree.fromstring(page)  # noqa: S314 - well-formed, made by us
    assert not any("\x1b" in line for line in picture_lines(evil))


def test_the_terminal_tells_the_same():
    lines = list(picture_lines(PICTURE))
    assert lines[:3] == ["option 1: Stress", "  True rate.", "  Official."]
    assert "  trial 0, read by the second" in lines
    assert any("3 GiB/s ┤" in line for line in lines)
    assert any(line.split()[:3] == ["entry", "loaded", "3"] for line in lines)
    assert lines[-1].split(None, 2) == ["eviction", "step", "nothing was evicted"]
    many = list(picture_lines(dataclasses.replace(PICTURE, panels=(PANEL,) * 3)))
    assert len(many) < 3 * len(lines)


def test_a_line_of_nothing_moved_is_one_line_on_the_terminal():
    still = Picture("x", panels=(Panel("trial 0", 2.0, (Line("read", 0.0, (0.0, 0.0)),)),))
    assert list(picture_lines(still)) == ["x", "  trial 0, read by the second: nothing"]


def test_a_picture_without_anything_is_its_title():
    assert list(picture_lines(Picture("option 1"))) == ["option 1"]
    assert "<svg" not in picture_html(Picture("option 1"))


def test_metrics_that_a_picture_tells_are_not_told_again():
    metrics = {"option 1 read": 1, "option 10 read": 2, "Table - Read": 3, "Table - Reads": 4, "Nodes": 5}
    assert untold(metrics, (PICTURE,)) == {"option 10 read": 2, "Table - Reads": 4, "Nodes": 5}
    assert untold(metrics, ()) == metrics


def judged(**changes):
    written = {
        "division": "open", "submitter": "acme", "system": "fastfs", "benchmark_type": "kv_cache", "model": "llama3.1-8b",
        "path": "open/acme/results/fastfs/kv_cache/llama3.1-8b", "edition": "3.0", "verdict": "OPEN",
        "metrics": {"option 1 read": 1.5, "Nodes": 2}, "findings": [],
    }  # fmt: skip
    return JudgedResult(written, "OPEN", (), **changes)


def test_a_verdict_is_followed_by_its_pictures_everywhere(tmp_path):
    result = judged(pictures=(PICTURE,))
    page = html.verdicts_html(Verdicts((result,)))
    assert charts.STYLE in page
    assert "option 1: Stress" in page
    assert "option 1 read" not in page
    lines = [line.text for line in summary_lines(Verdicts((result,)), (), files={}, rerun="")]
    assert lines[1:4] == ["    Nodes 2", "", "    option 1: Stress"]
    write_step_summary(tmp_path / "s.md", [result])
    assert "Nodes 2; option 1: Stress: True rate. Official." in (tmp_path / "s.md").read_text()


def test_of_many_results_the_terminal_tells_the_first_sentences_alone():
    told = dataclasses.replace(PICTURE, says=("One.", "Two.", "Three.", "Four."))
    results = (judged(pictures=(told,)),) * 5
    lines = [line.text for line in summary_lines(Verdicts(results), (), files={}, rerun="")]
    assert lines[2:7] == ["", "    option 1: Stress", "      One.", "      Two.", "      Three."]
    assert not any("Four." in line or "by the second" in line for line in lines)
    few = [line.text for line in summary_lines(Verdicts(results[:4]), (), files={}, rerun="")]
    assert sum("by the second" in line for line in few) == 8


def test_a_page_without_pictures_has_no_style_for_them():
    assert charts.STYLE not in html.verdicts_html(Verdicts((judged(),)))
    lines = [line.text for line in summary_lines(Verdicts((judged(),)), (), files={}, rerun="")]
    assert lines[1] == "    option 1 read 1.500, Nodes 2"


def test_a_time_that_no_clock_measures_ends_no_page():
    absurd = Distribution("entry loaded", (3.0, 2.0, 10.0, 20.0, 30.0, 1.7e308), "read")
    drawn = times_chart(POINTS, (absurd,))
    assert drawn.count('class="grid"') < 30
    assert "max 1.7e+308 ms" in drawn


class Report:
    """What the collector reads of a report."""

    when, outcome, passed = "call", "passed", True

    def __init__(self, nodeid, *properties):
        self.nodeid, self.user_properties = nodeid, properties


def test_a_run_is_told_where_it_is_now_and_not_where_it_waited():
    report = SuiteReport()
    run = {"model": "m", "run": "option1-trial0", "leaf": ".mlps/series/x/20260101_000000", "seconds": 1.0}
    report.add(Report("a", (RUN, encode(run))))
    report.add(Report("b", (RUN, encode({**run, "leaf": "elsewhere"}))))
    report.add(Report("c", (MOVED, encode({run["leaf"]: "whatif/run/20260101_000001/option_1/trial_0"}))))
    assert [row.leaf for row in report.close(lambda _path: None).runs] == ["elsewhere", "whatif/run/20260101_000001/option_1/trial_0"]
