"""The figures of a KV cache result wherever they are told: the rates of the window lead, those of the official formula are called so."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.report.collector import JudgedResult, Verdicts
from pytest_mlpstorage.report.figures import figures_of, official_beside
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.step_summary import write_step_summary
from pytest_mlpstorage.report.terminal import summary_lines
from pytest_mlpstorage.results.pictures import Picture

GROUPS = ("llama3.1-8b Storage Only", "llama3.1-8b Storage + Mem", "llama3.1-70b Storage Only")
OFFICIAL = {
    f"KVCache {group} - {name}": value
    for group in GROUPS
    for name, value in (
        ("Throughput (tok/s)", 977.0),
        ("Read B/W (GiB/s)", 4.632),
        ("Write B/W (GiB/s)", 0.41),
        ("P95 Read Latency (ms)", 5.0),
    )
}
WINDOW = {
    f"option {option} {name}": value
    for option in (3, 2, 1)
    for name, value in (("read_gib_per_second", 2.184), ("write_gib_per_second", 0.2))
}
PATH = "closed/acme/results/fastfs/kv_cache/llama3.1-8b"
BESIDE = (
    "read bandwidth in the window 2.18 GiB/s (by the official formula 4.63 GiB/s, 2.12 ×), "
    "write bandwidth in the window 0.2 GiB/s (by the official formula 0.41 GiB/s, 2.05 ×)"
)


def written(metrics, **changes):
    told = {"verdict": "OPEN", "path": PATH, "division": "open", "benchmark_type": "kv_cache", "model": "llama3.1-8b", "edition": "3.0"}
    return {**told, "metrics": metrics, "findings": [], **changes}


def summary(tmp_path, result):
    write_step_summary(tmp_path / "s.md", Verdicts((result,)), (), {}, {})
    return (tmp_path / "s.md").read_text()


def test_the_rate_of_the_window_leads_and_the_official_stands_beside_it_with_its_factor_in_the_editions_order():
    assert figures_of(written({**OFFICIAL, **WINDOW})) == [f"option {option}: {BESIDE}" for option in (1, 2, 3)]


def test_of_a_foreign_leaf_the_figures_are_called_those_of_the_official_formula_in_the_editions_order():
    texts = "by the official formula: token throughput 977 tok/s, read bandwidth 4.63 GiB/s, write bandwidth 0.41 GiB/s"
    assert figures_of(written(OFFICIAL)) == [f"{group}, {texts}" for group in GROUPS]


def test_verbosely_every_official_figure_is_called_so():
    (first, *_) = figures_of(written({**OFFICIAL, **WINDOW}), every=True)
    assert first == f"option 1: {BESIDE}; by the official formula token throughput 977 tok/s, P95 read latency 5 ms"


def test_an_option_without_a_rate_of_the_window_has_the_official_one_alone_and_one_that_is_zero_no_factor():
    only = {name: value for name, value in WINDOW.items() if name.startswith("option 2")}
    first, second, _ = figures_of(written({**OFFICIAL, **only}))
    assert first == f"{GROUPS[0]}, by the official formula: read bandwidth 4.63 GiB/s, write bandwidth 0.41 GiB/s"
    assert second == f"option 2: {BESIDE}"
    zero = {**OFFICIAL, "option 1 read_gib_per_second": 0.0}
    assert figures_of(written(zero))[0] == (
        "option 1: read bandwidth in the window 0 GiB/s (by the official formula 4.63 GiB/s); "
        "by the official formula write bandwidth 0.41 GiB/s"
    )


@pytest.mark.parametrize("edition", ["9.9", "1.0", None])
def test_an_edition_that_knows_no_options_costs_nothing(edition):
    assert figures_of(written({"KVCache b - Read B/W (GiB/s)": 1, "KVCache a - Read B/W (GiB/s)": 2}, edition=edition)) == [
        "a, by the official formula: read bandwidth 2 GiB/s",
        "b, by the official formula: read bandwidth 1 GiB/s",
    ]
    assert official_beside({**OFFICIAL, **WINDOW}, str(edition)) == {}


@pytest.mark.parametrize("value", [float("nan"), "fast", None, True])
def test_an_official_value_that_is_no_number_has_no_factor(value):
    metrics = {f"KVCache {GROUPS[0]} - Read B/W (GiB/s)": value, "option 1 read_gib_per_second": 2.0}
    assert "×" not in figures_of(written(metrics))[0]


def test_the_step_summary_leads_with_what_the_leaf_has_of_the_window_where_the_verdict_holds_the_official_alone(tmp_path):
    result = JudgedResult(written(OFFICIAL), "OPEN", facts=ResultFacts(figures={**OFFICIAL, **WINDOW}))
    text = summary(tmp_path, result)
    assert f"| {'<br>'.join(f'option {option}: {BESIDE}' for option in (1, 2, 3))} |" in text
    assert "characters)" not in text
    assert "977" not in text
    assert set(result.written["metrics"]) == set(OFFICIAL)


def test_the_step_summary_of_a_foreign_leaf_names_the_formula_of_every_option(tmp_path):
    text = summary(tmp_path, JudgedResult(written(OFFICIAL), "OPEN"))
    assert text.count("by the official formula") == 3
    assert "characters)" not in text


def test_the_cell_of_a_result_with_very_many_figures_says_how_many_it_leaves_out(tmp_path):
    text = summary(tmp_path, JudgedResult(written({f"unknown {n}": n for n in range(20)}, benchmark_type="x"), "OPEN"))
    assert "unknown 3 3; … 16 more |" in text


def test_the_terminal_leads_with_the_window_and_says_the_factor_once():
    picture = Picture("option 1: stress", ("True rate.",), caution="The official formula would have said read 4.63 GiB/s")
    result = JudgedResult(written(OFFICIAL), "OPEN", pictures=(picture,), facts=ResultFacts(figures={**OFFICIAL, **WINDOW}))
    lines = [line.text for line in summary_lines(Verdicts((result,)), (), files={}, rerun="", width=300)]
    assert lines[1:4] == [f"    option {option}: {BESIDE}" for option in (1, 2, 3)]
    assert not any("would have said" in line for line in lines)
    foreign = [line.text for line in summary_lines(Verdicts((JudgedResult(written(OFFICIAL), "OPEN"),)), (), files={}, rerun="", width=300)]
    assert sum("by the official formula" in line for line in foreign) == 3
