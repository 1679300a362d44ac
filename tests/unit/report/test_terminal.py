"""How much the last section says at each verbosity, how wide it is, and that only pytest decides about colors."""

import dataclasses

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.headline_text import Limit
from pytest_mlpstorage.report.lines import cut, terminal_width, wrapped
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.runs import RunRow, merge, row_of_item
from pytest_mlpstorage.report.terminal import summary_lines
from pytest_mlpstorage.results.pictures import Line, Panel, Picture

PATH = "closed/acme/results/fastfs/training/unet3d"
LACKS = "[2.1.19] a run lacks a file; required {}; in closed/acme/results/fastfs/training/unet3d/run/20260713_082000 (×2)"
WHY = (
    "[3.3.2] the accelerator utilization of a measured run is below the minimum; measured 88.1; required 90.0; in a/summary.json:metric.au",
    *(LACKS.format(name) for name in ("stdout.log", "stderr.log", "output.json")),
    *(f"[9.{n}] reason {n}; in x" for n in range(12)),
)
RUNS = (
    RunRow("unet3d", "b200", "1", f"{PATH}/run/20260713_082000", 88.1, 336.0, 4697.5, 240.0, "AU below 90 %", command="mpirun -n 2 x"),
    RunRow("unet3d", run="datasize", leaf=f"{PATH}/datasize/20260713_081000", seconds=0.0),
    RunRow(
        "llama3-8b", run="both", leaf="closed/acme/results/fastfs/checkpointing/llama3-8b/20260713_082000", seconds=2.0, other="r " * 80
    ),
)


def judged(headline="INVALID", reasons=WHY, pictures=(), **changes):
    written = {
        "division": "closed", "submitter": "acme", "system": "fastfs", "benchmark_type": "training", "model": "unet3d", "edition": "3.0",
        "accelerator": "b200", "path": PATH, "verdict": headline.split(" (")[0], "findings": [],
        "metrics": {"Read B/W (GiB/s)": 1.23456, "train_mean_of_au_percentage": 89.96}, **changes,
    }  # fmt: skip
    facts = ResultFacts(limits={"train_mean_of_au_percentage": Limit(90, "3.3.2")})
    return JudgedResult(written, headline, tuple(reasons), tuple(pictures), facts)


def told(verbosity=0, width=100, results=None, runs=RUNS, failed=(), files=None):
    whole = Verdicts(tuple([judged()] if results is None else results), runs=tuple(runs))
    return [line.text for line in summary_lines(whole, failed, files=files or {}, rerun="pytest --lf", verbosity=verbosity, width=width)]


def test_quietly_it_is_the_verdict_and_what_failed():
    assert told(-1, failed=[Item("a", "failed", Facts())], files={"results": "/x"}) == [
        f"INVALID  {PATH} on b200",
        "",
        "1 failed; again, only those: pytest --lf",
    ]


def test_a_command_that_would_have_to_be_cut_is_not_shown():
    lines = summary_lines(Verdicts(), [Item("a", "failed", Facts())] * 900, files={}, rerun="x" * 2001)
    assert [line.text for line in lines] == ["", "900 failed; pytest's cache, which is off, would repeat them"]


def test_by_default_it_is_verdict_figures_reasons_without_their_files_and_runs_without_their_folders():
    lines = told()
    assert lines[:6] == [
        f"INVALID  {PATH} on b200",
        "    AU 89.96 % (at least 90 %), read bandwidth 1.23 GiB/s",
        "    [3.3.2] the accelerator utilization of a measured run is below the minimum; measured 88.1;",
        "      required 90.0",
        "    [2.1.19] a run lacks a file; required stdout.log (×2); and 2 more like it",
        "    [9.0] reason 0",
    ]
    assert "    … and 6 more (-v)" in lines
    assert "20260713_08" not in "\n".join(lines)
    assert "mpirun" not in "\n".join(lines)
    assert not any("datasize" in line for line in lines)


def test_verbosely_it_is_every_finding_and_folder_and_more_verbosely_every_command():
    text = "\n".join(told(1))
    assert "[9.11] reason 11; in x" in text
    assert "a/summary.json:metric.au" in text
    assert f"{PATH}/run/20260713_082000" in text
    assert "datasize" in text
    assert "$ mpirun" not in text
    assert "    $ mpirun -n 2 x" in told(2)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_wider_than_the_terminal_by_default(width):
    lines = told(width=width)
    assert max(map(len, lines)) <= width
    assert any(line.endswith("…") for line in lines)  # what one run measured is cut, never wrapped into the next column


def test_a_verdict_that_is_too_wide_has_its_path_on_the_next_line():
    assert told(width=60, results=[judged("NOT VERIFIED (12 of 34 rules)")])[:2] == ["NOT VERIFIED (12 of 34 rules)", f"    {PATH} on b200"]


def test_a_value_and_its_unit_are_never_parted():
    metrics = {"train_mean_of_au_percentage": 95.0, "train_mean_of_throughput_samples_per_second": 1e4, "Read B/W (GiB/s)": 123.4}
    for width in range(60, 100):
        lines = told(width=width, results=[judged(metrics=metrics, reasons=())], runs=())
        assert all(line.endswith((",", "s", "%)")) or "-v" in line for line in lines[1:] if line), lines


def test_runs_of_several_systems_say_whose_they_are():
    other = RunRow("unet3d", "b200", "1", PATH.replace("acme", "other") + "/run/20260713_082000", 95.0)
    lines = told(runs=(*RUNS[:1], other))
    assert [line.split()[0] for line in lines if "unet3d" in line and "b200  " in line] == ["acme/fastfs", "other/fastfs"]
    assert not any("acme/fastfs" in line for line in told())


def test_charts_are_drawn_verbosely_and_the_rate_of_the_window_is_told_by_default():
    panel = Panel("trial 0", 5, (Line("read", 1.0, (1.0, 2.0, 1.0, 1.0, 0.5)),))
    picture = Picture("option 1: stress", ("True rate: read 2 GiB/s: what storage completed", "More."), "GiB/s", (panel,))
    official = {"KVCache option 1 - Read B/W (GiB/s)": 9.0}
    kv = judged("WHATIF (not a submission)", (), (picture,), benchmark_type="kv_cache", division="whatif", metrics=official)
    by_default = told(results=[kv])
    assert by_default[1] == "    option 1: stress: True rate: read 2 GiB/s: what storage completed"
    assert not any("┤" in line for line in by_default)
    assert any("rates by the second" in line for line in by_default)
    assert any("┤" in line for line in told(1, results=[kv]))
    own = judged("OPEN", (), (picture,), benchmark_type="kv_cache", metrics={**official, "option 1 read_gib_per_second": 2.0})
    assert told(results=[own])[1:3] == [
        "    option 1: read bandwidth in the window 2 GiB/s (by the official formula 9 GiB/s, 4.50 ×)",
        "",
    ]


def test_what_nobody_may_miss_beside_the_figures_of_a_window_is_told_with_them():
    picture = Picture(
        "option 1: stress", ("True rate.", "More."), caution="The official formula would have said 9 GiB/s (4.50 × the true rate)"
    )
    own = judged("OPEN", (), (picture,), benchmark_type="kv_cache", metrics={"option 1 read_gib_per_second": 2.0})
    assert told(results=[own])[1:3] == [
        "    option 1: read bandwidth in the window 2 GiB/s",
        "    option 1: The official formula would have said 9 GiB/s (4.50 × the true rate)",
    ]
    assert not any("4.50" in line for line in told(-1, results=[own]))


def test_a_metric_that_nobody_knows_keeps_its_name():
    assert figures_of({"metrics": {"some_count": 3}}) == ["some_count 3"]
    assert figures_of({"metrics": {}}) == []
    assert figures_of({"metrics": {"train_mean_of_au_percentage": 91.0}, "edition": "9.9", "model": "x"}) == ["AU 91.0 %"]


def test_a_result_that_could_not_be_read_again_is_held_against_nothing():
    unread = dataclasses.replace(judged(), facts=None)
    assert told(results=[unread])[1] == "    AU 90.0 %, read bandwidth 1.23 GiB/s"


def test_only_the_figures_that_matter_most_are_told_and_verbosely_every_headline():
    written = {
        "benchmark_type": "checkpointing",
        "metrics": {
            "Checkpointing - Write B/W (GiB/s)": 1.0,
            "Checkpointing - Write Duration (secs)": 2.0,
            "Checkpointing - DP Instances": 1,
        },
    }
    assert figures_of(written) == ["write bandwidth 1 GiB/s"]
    assert figures_of(written, every=True) == ["write bandwidth 1 GiB/s", "time to write 2 s"]


def test_bytes_and_counts_of_a_run_are_told_for_people():
    row = row_of_item({"model": "m", "run": "datagen", "bytes_on_disk": 155019360, "files": 4800})
    assert row.other == "147.84 MiB on disk, 4,800 files"


def test_the_command_of_a_run_is_that_of_the_item_else_that_of_the_tree():
    tree = [RunRow("m", leaf="a", command="old"), RunRow("m", leaf="b", command="old")]
    rows = merge(tree, [row_of_item({"model": "m", "leaf": "a", "command": "mpirun a"}), row_of_item({"model": "m", "leaf": "b"})])
    assert [row.command for row in rows] == ["mpirun a", "old"]


def test_the_width_is_that_of_the_terminal_within_what_can_be_read(monkeypatch):
    for given, width in (("80", 80), ("20", 60), ("400", 160)):
        monkeypatch.setenv("COLUMNS", given)
        assert terminal_width() == width


def test_a_long_word_keeps_a_line_to_itself_and_a_cut_text_says_that_it_is_one():
    assert list(wrapped("see /a/very-long/path/indeed now", 12, indent=" ")) == [" see", "   /a/very-long/path/indeed", "   now"]
    assert cut("one, two, three", 10) == "one, two…"
    assert cut("one", 3) == "one"


@pytest.fixture
def judge(pytester, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_STEP_SUMMARY", "CI"):
        monkeypatch.delenv(name, raising=False)
    from pathlib import Path

    TrainingTree.write(pytester.path / "tree", runs=6).edit_metric(run=2, train_au_mean_percentage=50.0)
    rules = Path(__file__).parents[3] / "rules"

    def run(*arguments, **environ):
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        result = pytester.runpytest_subprocess(rules, "--results-dir=tree", "-p", "no:cacheprovider", "-k", "3.3.2", *arguments)
        return result.stdout.str()

    return run


def test_colors_are_pytests_to_decide(judge):
    assert "\x1b[1m\x1b[31mINVALID" in judge("--color=yes") or "\x1b[31m\x1b[1mINVALID" in judge("--color=yes")
    assert "\x1b" not in judge("--color=no")
    assert "\x1b" not in judge(NO_COLOR="1")


def test_q_and_v_of_pytest_are_the_levels(judge):
    quiet, default, verbose = (judge(*options).partition("MLPerf Storage =")[2] for options in (("-q",), (), ("-v",)))
    assert "INVALID" in quiet
    assert "AU " not in quiet
    assert "AU 97" in default
    assert "summary.json:metric" not in default
    assert "summary.json:metric" in verbose
