"""Pictures of a result: what is drawn, what it says to who cannot see it, and that nothing in it acts on a page or a terminal."""

import dataclasses
import json
import re
import sys

import pytest
from drawn_svg import parsed, texts

from pytest_mlpstorage.report import charts, html, pictures
from pytest_mlpstorage.report.collector import JudgedResult, SuiteReport, Verdicts
from pytest_mlpstorage.report.pictures import _highest, picture_html, picture_lines
from pytest_mlpstorage.report.records import MOVED, PICTURES, RUN, encode, facts
from pytest_mlpstorage.report.step_summary import write_step_summary
from pytest_mlpstorage.report.terminal import summary_lines
from pytest_mlpstorage.report.travelling import picture_objects
from pytest_mlpstorage.results.pictures import Chart, Distribution, Group, Limit, Line, Panel, Picture, Span

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
PICTURE = Picture("option 1: Stress", ("True rate.", "Official."), "GiB/s", (PANEL,), POINTS, TIMES)


BANDED = Line("busy", 50.0, (None, 50.0), (None, 10.0), (None, 90.0))
STACKED = Picture(
    "Run 1 over time",
    ("One host.", "Two samples."),
    panels=(
        Panel("storage", 2.0, (READ,), 0.5, "MiB/s", "seconds", 1.0),
        Panel("CPU", 4.0, (BANDED,), 2.0, "%", "seconds", limit=Limit(90.0)),
    ),
    folded=True,
    spans=(Span("epoch 1", 1.0, 3.0),),
    stacked=True,
)
CHARTED = Picture(
    "Epochs",
    ("Busy.",),
    charts=(
        Chart(
            "utilization", "%", (Group("run 1", (95.0, None), 95.0, (94.0, None), (96.0, None), "aside"),), "epoch", Limit(90.0), "As told."
        ),
    ),
    folded=True,
    opened=True,
    of_times="of these",
)


@pytest.mark.parametrize("picture", [PICTURE, STACKED, CHARTED], ids=lambda picture: picture.title)
def test_a_picture_crosses_as_json_and_comes_back(picture):
    assert Picture.from_json(json.loads(json.dumps(picture.to_json()))) == picture
    (back,) = facts([(PICTURES, encode(picture_objects([picture])))]).pictures
    assert back == picture


def test_an_item_without_pictures_has_none():
    assert facts([("mlps_verdict", "x")]).pictures == ()


def test_rates_travel_with_five_digits():
    line = Line("read", 1 / 3, (1 / 3, 1234.5678))
    told = dataclasses.replace(PICTURE, panels=(Panel("t", 2.0, (line,)),)).to_json()["panels"][0]["lines"][0]
    assert told["values"] == [0.33333, 1234.6]
    assert told["mean"] == 1 / 3


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


def test_a_folded_picture_is_shut_on_the_page_and_nowhere_else(tmp_path):
    folded = dataclasses.replace(PICTURE, title=EVIL, folded=True)
    page = picture_html(folded)
    assert page.startswith('<details class="mlps-picture"><summary>&lt;script&gt;')
    assert page.endswith("</details>")
    assert Picture.from_json(json.loads(json.dumps(folded.to_json()))) == folded
    result = judged(pictures=(dataclasses.replace(PICTURE, title="folded one", folded=True),))
    lines = [line.text for line in summary_lines(Verdicts((result,)), (), files={}, rerun="")]
    assert not any("folded one" in line or "True rate" in line for line in lines)
    write_step_summary(tmp_path / "s.md", Verdicts((result,)), (), {}, {})
    assert "folded one" not in (tmp_path / "s.md").read_text()
    assert "folded one" in html.verdicts_html(Verdicts((result,)))


def test_a_step_of_many_seconds_is_told_on_the_terminal():
    picture = Picture("x", panels=(Panel("t", 25.0, (Line("read", 1.0, (1.0, 2.0, 1.0)),), 10.0),))
    lines = list(picture_lines(picture))
    assert lines[1] == "  t, read every 10 s"
    assert lines[-1].endswith(" 25 s")


def test_a_picture_that_is_open_at_first_can_be_shut():
    page = picture_html(CHARTED)
    assert page.startswith('<details class="mlps-picture" open><summary>Epochs</summary>')
    assert {"utilization, %", "run 1", "limit 90 %"} <= set(texts(re.search(r"<svg.*?</svg>", page)[0]))
    assert "<figcaption>As told.</figcaption>" in page


def test_panels_over_one_axis_are_one_chart_below_one_paragraph():
    page = picture_html(STACKED)
    assert page.count("<svg") == 1
    assert "<p>One host. Two samples.</p>" in page
    assert "Each step of a line is the mean of 0.5 to 2 s; within the pale band around it lay every sample that was read." in page
    assert "epoch 1" in texts(re.search(r"<svg.*?</svg>", page)[0])
    assert "pale band" not in picture_html(dataclasses.replace(STACKED, panels=STACKED.panels[:1]))
    assert page.count("<svg") == picture_html(dataclasses.replace(STACKED, panels=STACKED.panels[:1])).count("<svg")


@pytest.mark.parametrize("picture", [PICTURE, STACKED, CHARTED], ids=lambda picture: picture.title)
def test_where_charts_cannot_be_drawn_the_page_is_whole_and_tells_them(monkeypatch, picture):
    whole = picture_html(picture)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = picture_html(picture)
    assert "<svg" not in page
    assert page.count("[MLPS-E240] this chart could not be drawn: ModuleNotFoundError") == whole.count("<svg")
    assert page.count("<figcaption>") == whole.count("<figcaption>")
    for words in re.findall(r'aria-label="([^"]*)"', whole):
        assert f"It would show: {words}" in page
    assert "Traceback" not in page


@pytest.mark.parametrize("error", [OverflowError("too large"), ZeroDivisionError("by zero"), ValueError("no values")])
def test_figures_that_no_chart_can_be_made_of_cost_the_charts_and_not_the_page(monkeypatch, error):
    def overflowing(*_given):
        raise error

    monkeypatch.setattr(pictures, "groups_in_words", overflowing)
    results = (judged(pictures=(CHARTED, PICTURE)),)
    page = html.verdicts_html(Verdicts(results))
    assert f"<p>Not drawn: its figures allow no chart ({type(error).__name__}: {error}).</p>" in page
    assert "Epochs" in page
    assert "Busy." in page
    assert page.count("<svg") == picture_html(PICTURE).count("<svg"), "the other picture is whole"


def test_an_error_of_the_program_ends_the_page(monkeypatch):
    monkeypatch.setattr(pictures, "groups_in_words", None)
    with pytest.raises(TypeError):
        picture_html(CHARTED)


def test_charts_of_one_page_share_no_id():
    page = "".join(map(picture_html, (PICTURE, PICTURE, STACKED, CHARTED)))
    assert 'id="' not in page


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
    parsed(page)


def test_panels_of_a_picture_have_one_scale():
    other = Panel("trial 1", 4.0, (Line("read", 20.0, (20.0,) * 4),))
    page = picture_html(dataclasses.replace(PICTURE, panels=(PANEL, other), distributions=()))
    first, second = re.findall(r"<svg.*?</svg>", page)
    assert "20" in texts(first)
    assert [t for t in texts(first) if t.isdigit()] == [t for t in texts(second) if t.isdigit()]


@pytest.mark.parametrize(
    ("reached", "scales"),
    [
        ((900.0, 8.0, 90.0), [900.0, 8.0, 900.0]),
        ((900.0, 0.0, 9.0), [900.0, 900.0, 9.0]),
        ((900.0, 89.0, 9.0), [900.0, 89.0, 89.0]),
        ((0.0, 0.0, 0.0), [0.0, 0.0, 0.0]),
    ],
)
def test_a_panel_that_would_lie_flat_has_a_scale_of_its_own(reached, scales):
    panels = tuple(Panel(f"p{index}", 1.0, (Line("x", most, (most,)),), 1.0, "MiB/s") for index, most in enumerate(reached))
    picture = Picture("hosts", panels=panels, stacked=True)
    assert _highest(picture) == scales
    said = "Panels of one unit have one scale, but for those that would lie flat on it." in picture_html(picture)
    assert said is (len(set(scales)) > 1)


def test_panels_of_different_units_never_share_a_scale():
    panels = tuple(Panel(unit, 1.0, (Line("x", most, (most,)),), 1.0, unit) for unit, most in (("%", 50.0), ("ms", 40.0)))
    assert _highest(Picture("hosts", panels=panels, stacked=True)) == [50.0, 40.0]


def test_hostile_text_reaches_neither_browser_nor_terminal():
    evil = Picture(
        EVIL, (EVIL,), EVIL, (Panel(EVIL, 1.0, (Line(EVIL, 1.0, (1.0,)),)),), (EVIL,), (Distribution(EVIL, (1.0,), EVIL), Distribution(EVIL, why=EVIL))
    )  # fmt: skip
    page = picture_html(evil)
    assert "<script" not in page
    assert "\x1b" not in page
    parsed(page)
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


def judged(**changes):
    written = {
        "division": "open", "submitter": "acme", "system": "fastfs", "benchmark_type": "kv_cache", "model": "llama3.1-8b",
        "path": "open/acme/results/fastfs/kv_cache/llama3.1-8b", "edition": "3.0", "verdict": "OPEN",
        "metrics": {"option 1 read": 1.5, "Nodes": 2}, "findings": [],
    }  # fmt: skip
    return JudgedResult(written, "OPEN", (), **changes)


def terminal(*results):
    return [line.text for line in summary_lines(Verdicts(results), (), files={}, rerun="", verbosity=1, width=200)]


def test_a_verdict_is_followed_by_its_pictures():
    result = judged(pictures=(PICTURE,))
    page = html.verdicts_html(Verdicts((result,)))
    assert charts.STYLE in page
    assert "option 1: Stress" in page
    assert terminal(result).index("    option 1: Stress") > 0


def test_of_many_results_the_terminal_tells_the_first_sentences_alone():
    told = dataclasses.replace(PICTURE, says=("One.", "Two.", "Three.", "Four."))
    results = (judged(pictures=(told,)),) * 5
    lines = terminal(*results)
    at = lines.index("    option 1: Stress")
    assert lines[at + 1 : at + 4] == ["      One.", "      Two.", "      Three."]
    assert not any("Four." in line or "by the second" in line for line in lines)
    assert sum("by the second" in line for line in terminal(*results[:4])) == 8


def test_a_page_without_pictures_has_no_style_for_them():
    assert charts.STYLE not in html.verdicts_html(Verdicts((judged(),)))


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


@pytest.mark.parametrize("figure", [float("inf"), float("nan")])
def test_a_figure_that_is_not_finite_costs_its_chart_and_not_the_page(figure):
    group = Group("write", (figure, 1.0))
    picture = Picture("each write", ("Two writes.",), charts=(Chart("rate", "GiB/s", (group,), "checkpoint"),))
    (written,) = json.loads(encode(picture_objects([picture])))
    page = picture_html(Picture.from_json(written))
    assert "Two writes." in page
    assert "Not drawn: one of its figures is larger than a number can be." in page
    assert "<svg" not in page
