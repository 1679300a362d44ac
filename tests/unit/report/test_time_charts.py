"""Charts of rates over time: what is drawn, where, and what it says to who cannot see it."""

import itertools
import re

import pytest
from drawn_svg import parsed, texts

from pytest_mlpstorage.report.pictures import _stacked_caption
from pytest_mlpstorage.report.svg import PAINTS
from pytest_mlpstorage.report.time_charts import in_words, time_chart, time_in_words
from pytest_mlpstorage.results.pictures import Limit, Line, Panel, Picture, Span, figure_text

READ = Line("read", 2.0, (1.0, 2.0, 3.0, 2.0))
WRITE = Line("write", 0.5, (0.25, 0.5, 0.75, 0.5))
PANEL = Panel("trial 0", 4.0, (READ, WRITE))


def alone(panel, unit="GiB/s", highest=3.0, spans=()):
    return time_chart((panel,), unit, [highest], spans)


def path_of(svg, paint):
    """The path of the line in a color: no area, and not the dots of its mean."""
    found = [path for path in parsed(svg).iter("path") if f"stroke:var(--mlps-{paint})" in path.get("style")]
    return next(path for path in found if "stroke-width:1.6" in path.get("style"))


def points(path):
    """The absolute points of a path of straight steps."""
    at, found = (0.0, 0.0), []
    for command, numbers in re.findall(r"([Mhvl])([^Mhvl]*)", path.get("d")):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        match command:
            case "M":
                at = (values[0], values[1])
            case "h":
                at = (at[0] + values[0], at[1])
            case "v":
                at = (at[0], at[1] + values[0])
            case _:
                at = (at[0] + values[0], at[1] + values[1])
        found.append((command, *at))
    return found


def test_rates_are_steps_of_a_second_each_on_one_scale():
    found = points(path_of(alone(PANEL), "read"))
    levels = [y for command, _, y in found if command == "h"]
    assert levels[0] - levels[1] == pytest.approx(levels[1] - levels[2], abs=0.2)
    assert levels[3] == pytest.approx(levels[1], abs=0.11)
    ends = [x for command, x, _ in found if command == "h"]
    assert len({round(b - a) for a, b in itertools.pairwise(ends)}) == 1
    # Half of the scale where the scale is twice as high.
    half = [y for command, _, y in points(path_of(alone(PANEL, highest=6.0), "read")) if command == "h"]
    bottom = 10 + 26 + 146
    assert bottom - half[0] == pytest.approx((bottom - levels[0]) / 2, abs=0.2)


def test_the_last_part_of_a_second_is_as_wide_as_it_is_long():
    found = points(path_of(alone(Panel("t", 2.5, (Line("read", 1.0, (1.0, 2.0, 1.0)),))), "read"))
    first, second, third = (x for command, x, _ in found if command == "h")
    assert third - second == pytest.approx((second - first) / 2, abs=0.2)


def test_values_beyond_the_window_are_not_drawn():
    found = points(path_of(alone(Panel("t", 4.0, (Line("read", 1.0, (1.0, 2.0) * 3),))), "read"))
    assert len([1 for command, *_ in found if command == "h"]) == 4


def test_a_line_is_broken_where_nothing_is_known_and_no_area_is_below_it():
    svg = alone(Panel("t", 4.0, (Line("read", 1.0, (1.0, None, 1.0, 1.0)),)), highest=1.0)
    assert path_of(svg, "read").get("d").count("M") == 2
    assert "fill-opacity" not in svg
    assert "opacity:0.13" not in svg
    assert "read 1 GiB/s on average, 1 to 1 from second to second" in in_words(Panel("t", 2.0, (Line("read", 1.0, (None, 1.0)),)), "GiB/s")


def test_no_rate_leaves_the_chart():
    svg = alone(Panel("t", 2.0, (Line("read", 5e9, (1e308, -3.0)),)), highest=1.0)
    assert all(36 <= y <= 182 for _, _, y in points(path_of(svg, "read")))
    assert "nan" not in svg
    assert "inf" not in svg


def test_lines_are_told_apart_by_color_dash_and_label():
    names = ("busy", "iowait", "top core", "more", "still more")
    lines = tuple(Line(name, float(place), (float(place), 0.5)) for place, name in enumerate(names, 1))
    svg = alone(Panel("CPU", 2.0, lines, unit="%"), highest=5.0)
    styles = [path_of(svg, paint).get("style") for paint in ("read", "write", "third", "fourth", "soft")]
    assert len(set(styles)) == 5
    assert len({re.search(r"stroke-dasharray:[^;]*", style)[0] if "dash" in style else "" for style in styles}) == 5
    assert {f"{name} {place} %" for place, name in enumerate(names, 1)} <= set(texts(svg))


def test_reading_and_writing_have_their_colors_whatever_stands_beside_them():
    svg = alone(Panel("t", 1.0, (Line("more", 1.0, (1.0,)), WRITE, READ)))
    label = {element.text: element.get("style") for element in parsed(svg).iter("text")}
    assert "var(--mlps-write)" in label["write 0.5 GiB/s"]
    assert "var(--mlps-read)" in label["read 2 GiB/s"]
    assert "var(--mlps-third)" in label["more 1 GiB/s"]


def test_seconds_are_told_up_to_the_end():
    assert "300" in texts(alone(Panel("t", 300.0, (READ,))))
    assert "300" not in texts(alone(Panel("t", 299.0, (READ,))))


@pytest.mark.parametrize("means", [(1.0, 1.0), (0.0, 0.0), (3.0, 3.0), (1.0, 1.01)])
def test_labels_never_lie_over_each_other(means):
    lines = tuple(Line(name, mean, (mean,)) for name, mean in zip(("read", "write"), means, strict=True))
    found = parsed(alone(Panel("t", 1.0, lines)))
    places = [float(text.get("y")) for text in found.iter("text") if (text.text or "").startswith(("read", "write"))]
    assert len(places) == 2
    assert abs(places[0] - places[1]) >= 13


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.234, "1.23"), (999.4, "999"), (1000.0, "1,000"), (1802.4, "1,802"), (-2500.0, "-2,500"), (1.7e308, "1.7e+308")],
)
def test_figures_are_read_without_powers_of_ten(value, text):
    assert figure_text(value) == text
    assert f"read {text} MiB/s" in texts(alone(Panel("t", 1.0, (Line("read", value, (abs(value),)),)), "MiB/s", 1.0))


def test_who_cannot_see_a_chart_is_told_it():
    words = "trial 0: read 2 GiB/s on average, 1 to 3 from second to second; write 0.5 GiB/s on average, 0.25 to 0.75 from second to second"
    assert in_words(PANEL, "GiB/s") == words
    assert parsed(alone(PANEL)).get("aria-label") == words
    long = Panel("t", 25.0, (Line("read", 1.0, (1.0, 2.0, 1.0)),), 10.0, limit=Limit(3.0))
    assert in_words(long, "GiB/s").endswith("1 to 2 in 10 s each; limit 3 GiB/s")
    spans = [Span(f"epoch {number}", number, number + 1.0) for number in range(20)]
    assert time_in_words((PANEL,), "GiB/s", spans).endswith("epoch 11 from 11 to 12 s, and 8 more")


def stack(panels, spans=(), **highest):
    scales = {"%": 100.0, "MiB/s": 400.0, **highest}
    return time_chart(panels, "", [scales.get(panel.unit, 0.0) for panel in panels], spans, stacked=True)


CPU = Panel("CPU", 10.0, (Line("busy", 50.0, (25.0, 75.0) * 5),), 1.0, "%", "seconds of the hosts")
DISK = Panel("disks", 4.0, (Line("read", 300.0, (300.0, 200.0)),), 2.0, "MiB/s", "seconds of the hosts", begin=3.0)


def test_stacked_panels_have_one_axis_of_time_and_each_its_name():
    svg = stack((DISK, CPU))
    assert texts(svg).count("seconds of the hosts") == 1
    assert {"disks, MiB/s", "CPU, %"} <= set(texts(svg))
    per_second = (740 - 48 - 150) / 10
    read, busy = points(path_of(svg, "read")), points(path_of(svg, "read"))
    starts = sorted({re.match(r"M([\d.]+)", path.get("d"))[1] for path in parsed(svg).iter("path") if "1.6" in path.get("style")})
    assert [float(start) for start in starts] == pytest.approx([48 + 3 * per_second, 48.0], abs=0.1)
    assert read[-1][1] == pytest.approx(48 + 7 * per_second, abs=0.1)
    assert busy


def test_spans_are_shaded_in_every_panel_and_named_where_there_is_room():
    spans = [Span("epoch 1", 0.0, 4.0), Span("epoch 2", 4.0, 4.1), Span("epoch 3", 4.1, 4.4), Span("epoch 4", 4.4, 10.0)]
    svg = stack((DISK, CPU), spans)
    assert svg.count("var(--mlps-band)") >= 2
    assert {"epoch 1", "epoch 2", "epoch 4"} <= set(texts(svg))
    assert "epoch 3" not in texts(svg), "its name would lie over another"
    assert "var(--mlps-band)" not in stack((CPU,), [Span("window", 0.0, 10.0)]), "all of it is nothing beside another"


def test_what_began_before_the_first_sample_is_drawn_too():
    svg = stack((Panel("x", 2.0, (Line("read", 1.0, (1.0, 2.0)),), 1.0, "MiB/s", begin=-1.0), CPU))
    assert points(path_of(svg, "read"))[0][1] == pytest.approx(48.0, abs=0.1)


def test_a_limit_is_a_line_with_its_name():
    svg = stack((Panel("AU", 2.0, (Line("busy", 95.0, (95.0, 94.0)),), 1.0, "%", limit=Limit(90.0)), CPU))
    assert "limit 90 %" in texts(svg)
    assert any("stroke:var(--mlps-ink)" in path.get("style") for path in parsed(svg).iter("path"))


def test_between_the_least_and_the_greatest_sample_a_band_is_drawn():
    banded = Line("busy", 50.0, (50.0, 60.0), (10.0, 20.0), (90.0, 100.0))
    svg = stack((Panel("CPU", 2.0, (banded,), 1.0, "%"), CPU))
    (band,) = [path for path in parsed(svg).iter("path") if "opacity:0.22" in path.get("style")]
    assert band.get("style").startswith("opacity") or "fill:var(--mlps-read)" in band.get("style")


def test_a_chart_of_six_full_panels_is_small():
    lines = tuple(Line(name, 50.0, tuple(float(7919 * place % 101) for place in range(128))) for name in ("a", "b"))
    panels = [Panel(f"panel {number}", 128.0, lines, 1.0, "%") for number in range(6)]
    assert len(stack(panels)) < 25_000


def test_every_color_of_a_line_is_a_paint():
    from pytest_mlpstorage.report.charts import DASHES

    assert set(DASHES) <= set(PAINTS)


def test_a_line_of_percentiles_has_its_name_and_no_figure_of_the_whole():
    panel = Panel("time", 4.0, (Line("P99 of each step", 43.4, (1.0, 2.0, 3.0, 2.0), told=False),), unit="ms")
    svg = alone(panel)
    assert "P99 of each step" in texts(svg)
    assert "43.4" not in svg
    assert "stroke-dasharray:1.2,3.6" not in svg, "no dots where a mean would lie"
    assert in_words(panel, "ms") == "time: P99 of each step 1 to 3 ms from second to second"
    caption = _stacked_caption(Picture("x", panels=(panel, PANEL), stacked=True), [3.0, 3.0])
    assert caption == (
        "Each step of a line is the mean of 1 s, or the percentile that its name tells. Beside each line of means stands its mean. "
        "Panels of one unit have one scale."
    )
    assert Picture.from_json(Picture("x", panels=(panel,)).to_json()).panels == (panel,)


def test_a_panel_alone_is_named_with_its_unit_and_its_steps_are_told_in_three_digits():
    panel = Panel("trial 0", 5.0, (Line("read", 1.0, (1.0, 2.0)),), step=0.0131526)
    assert "in 0.0132 s each" in in_words(panel, "GiB/s")
    assert "trial 0, GiB/s" in texts(time_chart((panel,), "GiB/s", [2.0]))
