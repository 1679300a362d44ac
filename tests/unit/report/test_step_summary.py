"""The step summary of a GitHub job: readable, safe, and never longer than GitHub takes."""

import os

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.headline_text import Limit
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.step_summary import LIMIT_BYTES, write_step_summary
from pytest_mlpstorage.verdict import Finding

EVIL = "<script>alert('x')</script>\x1b[2J|`[a](http://b)@team"
FINDING = Finding("too few files | here", measured=3, required=6, file="closed/a/summary.json", field="num", rule="3.1.2", count=2)


def judged(verdict="CLOSED", path="closed/acme/results/fastfs/training/unet3d", **changes):
    written = {
        "verdict": verdict, "path": path, "division": "closed", "benchmark_type": "training", "model": "unet3d", "accelerator": "b200",
        "edition": "3.0", "metrics": {"train_mean_of_au_percentage": 91.5, "Read B/W (GiB/s)": 1.2}, "findings": [], **changes,
    }  # fmt: skip
    facts = ResultFacts(limits={"train_mean_of_au_percentage": Limit(90, "3.3.2")})
    return JudgedResult(written, verdict, ("because",), facts=facts)


def item(*findings, message="", nodeid="rules/test_x.py::test_rule[y]", **facts):
    return Item(nodeid, "failed", Facts(findings=findings, **facts), message)


def summary(tmp_path, results=(), failed=(), files=None, environ=None, before="", submissions=()):
    path = tmp_path / "summary.md"
    if before:
        path.write_text(before)
    write_step_summary(path, Verdicts(tuple(results), tuple(submissions)), failed, files or {}, environ or {})
    return path.read_text()


def test_verdicts_come_first_the_worst_before_the_rest_with_figures_and_their_units(tmp_path):
    text = summary(tmp_path, [judged(), judged("INVALID", "closed/z/results/s/training/unet3d")])
    lines = text.splitlines()
    assert lines[0] == "### MLPerf Storage"
    assert lines[2] == "2 results: 1 CLOSED, 1 INVALID"
    assert lines[6].startswith(
        "| **INVALID** | closed/z/results/s/training/unet3d on b200 | AU 91.5 % (at least 90 %); read bandwidth 1.2 GiB/s"
    )
    assert lines[7].startswith("| **CLOSED** | closed/acme/")


def test_what_failed_has_measured_required_and_its_place(tmp_path):
    text = summary(tmp_path, [judged()], [item(FINDING), item(message="[MLPS-E410] no room; in x\nmore", error="MLPS-E410")])
    assert "| 3.1.2 | too few files &#124; here (×2) | 3 | 6 | closed/a/summary.json:num |" in text
    assert "| MLPS-E410 | &#91;MLPS-E410&#93; no room (in x) |  |  | rules/test&#95;x.py::test&#95;rule&#91;y&#93; |" in text
    assert text.index("**CLOSED**") < text.index("What failed")


def test_submissions_stand_with_how_many_results_are_what(tmp_path):
    submission = JudgedResult({"verdict": "INVALID", "path": "closed/acme", "results": {"a": "INVALID", "b": "CLOSED"}}, "INVALID")
    text = summary(tmp_path, [judged()], submissions=[submission])
    assert "| **INVALID** | closed/acme | 1 CLOSED, 1 INVALID |" in text


def test_reports_are_named_and_the_run_is_linked(tmp_path):
    (other := tmp_path / "other").mkdir()
    environ = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "77"}
    text = summary(tmp_path, [judged()], files={"results": "/x/tree", "report": "/x/report.html"}, environ=environ)
    assert "Reports: report report.html." in text
    assert "(https://github.com/a/b/actions/runs/77#artifacts)" in text
    assert "actions/runs" not in summary(other, [judged()], environ={**environ, "GITHUB_RUN_ID": "77)[x](http://evil"})


def test_hostile_names_make_neither_markup_nor_cells_nor_mentions(tmp_path):
    evil = judged(path=f"closed/{EVIL}", accelerator=EVIL, metrics={EVIL: EVIL})
    bad = Finding(EVIL, measured=EVIL, required=EVIL, file=EVIL, field=EVIL, rule=EVIL)
    text = summary(tmp_path, [evil], [item(bad), item(message=EVIL, nodeid=EVIL)], files={"report": EVIL})
    assert not any(sign in text for sign in ("<script", "\x1b", "[a]", "@team"))
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {4, 6}


def test_thousands_of_results_stay_below_what_github_takes_by_whole_rows(tmp_path):
    results = [judged(path=f"closed/acme/results/{'s' * 200}{number}/training/unet3d") for number in range(4000)]
    failed = [item(FINDING, nodeid=f"x{number}") for number in range(9000)]
    text = summary(tmp_path, results, failed, files={"report": "r.html"})
    assert len(text.encode()) <= LIMIT_BYTES
    assert len(text.encode()) > LIMIT_BYTES * 0.9
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    shown = sum("**CLOSED**" in row for row in rows)
    assert f"… and {4000 - shown:,} more" in text
    assert "Reports: report r.html." in text


def test_what_was_in_the_file_before_counts_too(tmp_path):
    text = summary(tmp_path, [judged(path=f"closed/{'é' * 100}{n}") for n in range(2000)], before="b" * (LIMIT_BYTES - 40_000))
    assert text.startswith("bbb")
    assert LIMIT_BYTES - 20_000 < len(text.encode()) <= LIMIT_BYTES
    full = summary(tmp_path, [judged()], before="b" * LIMIT_BYTES)
    assert len(full.encode()) == LIMIT_BYTES


def test_a_summary_that_cannot_be_written_is_an_error_in_words(tmp_path):
    with pytest.raises(FileSystemError, match="step summary"):
        write_step_summary(tmp_path / "no" / "s.md", Verdicts(), (), {}, {})


def test_where_nothing_was_judged_it_says_so(tmp_path):
    assert "No result was judged." in summary(tmp_path)


def test_variables_that_are_no_text_cost_nothing(tmp_path):
    environ = {"GITHUB_SERVER_URL": "https://x", "GITHUB_REPOSITORY": "a/\udcff", "GITHUB_RUN_ID": "1"}
    assert "a/\\udcff" in summary(tmp_path, [judged()], files={"report": "r.html"}, environ=environ)


def test_a_named_pipe_that_nobody_reads_keeps_nobody_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileSystemError, match="named pipe"):
        write_step_summary(tmp_path / "pipe", Verdicts(), (), {}, {})
