"""A chart as SVG in the page: the same each time, without ids, in the colors of the page, and one line where it cannot be drawn."""

import itertools
import logging
import os
import re
import subprocess
import sys

import pytest
from drawn_svg import parsed, paths

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.report import charts, svg
from pytest_mlpstorage.report.charts import Box, axes, grid, label, placed, steps_to
from pytest_mlpstorage.report.svg import PAINTS, drawn


def draw(on):
    made = axes(on, Box(40, 10, 100, 50), (0, 4), (0, 10))
    grid(made, [0, 5, 10])
    made.stairs([1, 2, 3, 3.3333], [0, 1, 2, 3, 4], baseline=None, color=PAINTS["read"], linewidth=1.6)
    made.stairs([2, 3, 4, 4], [0, 1, 2, 3, 4], baseline=[0, 0, 0, 0], fill=True, facecolor=PAINTS["write"], alpha=0.2)
    made.plot([1, 2, 3], [4, 5, 6], marker="o", linestyle="none", color=PAINTS["bad"])
    label(on, 20, 20, "a $x_1$ <b>", color="soft", weight=600)


def chart(words="told"):
    return drawn(draw, 200, 100, words)


def test_the_same_drawing_is_the_same_text():
    assert chart() == chart()


def test_a_chart_stands_in_the_page_as_it_is():
    text = chart()
    assert text.startswith('<svg role="img" aria-label="told" width="200" height="100" viewBox="0 0 200 100"')
    parsed(text)
    for never in ("<?xml", "DOCTYPE", "metadata", "<!--", "xmlns", "clip-path", "<use", "<defs", "http", "\n"):
        assert never not in text, never


def test_nothing_in_a_chart_has_an_id_so_charts_of_one_page_cannot_clash():
    assert re.findall(r'\bid="', chart()) == []
    assert re.findall(r"href|url\(", chart()) == []


def test_colors_are_the_page_s_and_none_is_fixed():
    text = chart()
    assert {"var(--mlps-read)", "var(--mlps-write)", "var(--mlps-bad)", "var(--mlps-soft)"} <= set(re.findall(r"var\(--mlps-\w+\)", text))
    assert re.findall(r"#[0-9a-fA-F]{3,8}", text) == []


def test_every_paint_of_a_chart_is_a_color_of_the_page_in_light_and_in_dark():
    from pytest_mlpstorage.report import html

    style = f"{html.STYLE}{charts.STYLE}"
    light, dark = (set(re.findall(r"--mlps-(\w+):#", part)) for part in (style, "".join(style.split("prefers-color-scheme:dark)")[1:])))
    assert set(PAINTS) <= light
    assert set(PAINTS) <= dark


def test_text_is_text_in_the_font_of_the_page_and_acts_as_nothing():
    (said,) = [element for element in parsed(chart()).iter("text") if element.text and "a " in element.text]
    assert said.text == "a $x_1$ <b>", "neither a formula nor an element"
    assert (said.get("x"), said.get("y")) == ("20", "20")
    assert said.get("style") == "fill:var(--mlps-soft);font-weight:600"
    assert "font-family" not in chart()


def test_coordinates_have_a_tenth_of_a_pixel_and_go_from_point_to_point():
    (line,) = [path for path in paths(chart()) if "stroke:var(--mlps-read)" in path.get("style")]
    # The values 1, 2, 3 and 3⅓ of 10 on 50 pixels, each over 25 of the 100.
    assert line.get("d") == "M40 55h25v-5h25v-5h25v-1.7h25"
    assert all(len(number) < 6 for path in paths(chart()) for number in re.findall(r"[\d.]+", path.get("d")))


def test_marks_of_a_line_are_one_path_where_they_stand():
    (marks,) = [path for path in paths(chart()) if "fill:var(--mlps-bad)" in path.get("style")]
    starts = re.findall(r"M([\d.]+) ([\d.]+)", marks.get("d"))
    assert [float(x) for x, _ in starts] == [65, 90, 115]
    assert [float(y) for _, y in starts] == pytest.approx([43, 38, 33], abs=0.1)


def test_what_can_be_seen_through_says_so():
    (area,) = [path for path in paths(chart()) if "fill:var(--mlps-write)" in path.get("style")]
    assert "opacity:0.2" in area.get("style")
    assert "stroke" not in area.get("style")


def test_words_for_who_cannot_see_it_are_escaped():
    assert 'aria-label="&lt;b&gt; &quot;"' in chart('<b> "')


def test_a_settings_file_of_the_user_changes_no_chart(tmp_path, monkeypatch):
    own = chart()
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\naxes.grid: True\nsvg.fonttype: path\nytick.labelsize: 30\n")
    program = "import sys\nfrom test_svg import chart\nfrom pathlib import Path\nPath('out.svg').write_text(chart())\n"
    environment = {**os.environ, "PYTHONPATH": str(__import__("pathlib").Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "out.svg").read_text() == own


def test_settings_of_the_process_are_as_they_were_after_a_chart():
    import matplotlib

    before = {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}  # asking for that one chooses one
    level = logging.getLogger("matplotlib").level
    chart()
    assert {key: matplotlib.rcParams[key] for key in before} == before
    assert logging.getLogger("matplotlib").level == level


@pytest.mark.parametrize("module", ["matplotlib", "numpy", "pandas"])
def test_the_reports_are_imported_without_what_draws(module):
    names = "collector, hooks, html, pictures, svg, time_charts, value_charts"
    program = f"import sys\nfrom pytest_mlpstorage.report import {names}\nfrom pytest_mlpstorage.rules import pictures\nsys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_home_that_nobody_can_write_to_is_no_obstacle_and_no_noise(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
    environment |= {"HOME": "/proc/nowhere", "PYTHONPATH": str(__import__("pathlib").Path(__file__).parent), "PYTHONWARNINGS": "always"}
    program = "import sys\nfrom test_svg import chart\nassert '<svg' in chart()\nassert 'matplotlib.pyplot' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DependencyError, match="this chart could not be drawn: ModuleNotFoundError") as raised:
        chart()
    assert raised.value.code == "MLPS-E240"
    assert "pip install matplotlib" in raised.value.suggestion


@pytest.mark.parametrize(
    "error", [AttributeError("numpy\nof another kind"), ValueError(""), OSError(5, "gone"), RuntimeError("x"), KeyError("y"), MemoryError()]
)
def test_a_matplotlib_that_fails_is_one_line(error):
    def fails(_on):
        raise error

    with pytest.raises(DependencyError) as raised:
        drawn(fails, 10, 10, "told")
    assert "\n" not in raised.value.message
    assert raised.value.cause is error


@pytest.mark.parametrize(
    ("path", "small"),
    [
        ("M 1 2 L 1 5 L 4 5 L 3.96 5.04 z", "M1 2v3h3z"),
        ("M 0 0 L 0.5 -0.5 L 10.25 3.33", "M0 0l.5-.5l9.7 3.8"),
        ("M 1 1 C 1 2 3 4 5 6 M 0 0 Q 1 1 2 0", "M1 1c0 1 2 3 4 5M0 0q1 1 2 0"),
        ("M 5 5 L 6 6 z M 1 1 L 2 1 z L 9 9", "M5 5l1 1zM1 1h1zl8 8"),
        ("", ""),
    ],
)
def test_a_path_is_told_by_its_steps(path, small):
    assert svg._small(path, 0, 0) == small


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (1.0, [0, 0.25, 0.5, 0.75, 1.0]),
        (2.31, [0, 1, 2, 3]),
        (42, [0, 20, 40, 60]),
        (100, [0, 25, 50, 75, 100]),
        (0.0071, [0, 0.002, 0.004, 0.006, 0.008]),
        (0, [0, 1]),
        (float("inf"), [0, 1]),
        (float("nan"), [0, 1]),
        (5e-324, [0, 1]),
        (1.7e308, [0, 1]),
    ],
)
def test_axes_have_round_values(highest, levels):
    assert steps_to(highest) == pytest.approx(levels)


@pytest.mark.parametrize("wanted", [[50, 50, 50], [1, 2, 3], [99, 99], [0, 0], [120.0, -5.0, 60.0], []])
def test_labels_have_places_of_their_own_near_what_they_are_of(wanted):
    found = dict(placed(wanted, 0.0, 100.0))
    assert set(found) == set(range(len(wanted)))
    taken = sorted(found.values())
    assert all(later - earlier >= 13 for earlier, later in itertools.pairwise(taken))
    assert all(0 <= place <= 100 for place in taken)
