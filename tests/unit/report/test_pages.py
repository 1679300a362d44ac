"""What people read: terminal, HTML and the step summary, with friendly and with hostile names."""

from pytest_mlpstorage.report import html
from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.reasons import reasons
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.runs import RunRow, merge, row_of_item
from pytest_mlpstorage.report.terminal import rerun_command, summary_lines
from pytest_mlpstorage.verdict import Category, Finding, Severity

EVIL = "<script>alert('x')</script>\x1b[2J|`"


def judged(headline="INVALID", division="closed", **changes):
    written = {
        "division": division, "submitter": "acme", "system": "fastfs", "benchmark_type": "training", "model": "unet3d",
        "accelerator": "b200",
        "path": f"{division}/acme/results/fastfs/training/unet3d", "edition": "3.0", "verdict": headline.split(" (")[0],
        "metrics": {"Read B/W (GiB/s)": 1.23456}, "findings": [], **changes,
    }  # fmt: skip
    return JudgedResult(written, headline, ("because",))


def lines(*results, runs=(), failed=(), files=None, rerun="pytest --lf"):
    return [line.text for line in summary_lines(Verdicts(results, runs=tuple(runs)), failed, files=files or {}, rerun=rerun)]


def submission(headline="INVALID", path="closed/acme", reasons=("because",), **results):
    written = {
        "division": "closed", "submitter": "acme", "path": path, "edition": "3.0", "profile": "strict", "verdict": headline.split(" (")[0],
        "results": results, "findings": [],
    }  # fmt: skip
    return JudgedResult(written, headline, reasons)


def test_hostile_names_reach_neither_browser_nor_terminal():
    evil = judged(submitter=EVIL, system=EVIL, model=EVIL, accelerator=EVIL, path=f"closed/{EVIL}", metrics={EVIL: EVIL})
    evil = JudgedResult(evil.written, evil.headline, (EVIL,))
    run = RunRow(*[EVIL] * 4, mark=EVIL, other=EVIL)
    whole = Verdicts((evil,), (submission(EVIL, EVIL, (EVIL,), **{EVIL: EVIL}),), (EVIL,), (run,))
    page = html.verdicts_html(whole).removeprefix(html.STYLE) + html.runs_html([run]) + "".join(html.row_cells(Facts(*[EVIL] * 9)))
    assert "<script" not in page
    assert "\x1b" not in page
    shown = summary_lines(whole, [Item("x", "failed", Facts())], files={"a": EVIL}, rerun=EVIL)
    assert not any("\x1b" in line.text for line in shown)


def test_the_verdict_comes_first_with_its_figures_and_reasons():
    assert lines(judged())[:3] == [
        "INVALID  closed/acme/results/fastfs/training/unet3d on b200",
        "    read bandwidth 1.23 GiB/s",
        "    because",
    ]


def test_a_whatif_result_is_marked_as_not_for_submission():
    assert any("not for submission" in line for line in lines(judged("WHATIF (not a submission)", "whatif")))
    assert not any("not for submission" in line for line in lines(judged()))
    assert "not for submission" in html.title("whatif")


def test_the_rules_that_a_whatif_result_breaks_by_intent_are_one_line():
    broken = [{"rule": rule, "category": "INVALID"} for rule in ("3.1.2", "2.1.17", "3.1.2")]
    result = judged("WHATIF (not a submission)", "whatif", findings=broken)
    result = JudgedResult(result.written, result.headline, ("division whatif: not a submission", "would be INVALID: [3.1.2] too few files"))
    assert lines(result)[2] == "    as a submission it would be INVALID by 2.1.17, 3.1.2"


def test_what_makes_a_whatif_result_open_is_one_line_too_and_of_any_other_result_each():
    opened = [{"rule": rule, "category": "OPEN"} for rule in ("6.6.2", "MLPS-ENGINE-1", "6.6.2")]
    why = ("OPEN at best: [6.6.2] five seconds", "OPEN at best: [MLPS-ENGINE-1] native", "warning: [X] few")
    whatif = judged("WHATIF (not a submission)", "whatif", findings=opened)
    assert lines(JudgedResult(whatif.written, whatif.headline, why))[2:4] == [
        "    warning: [X] few",
        "    as a submission it would be OPEN at best by 6.6.2, MLPS-ENGINE-1",
    ]
    claimed = judged("OPEN", "open", findings=opened)
    assert lines(JudgedResult(claimed.written, claimed.headline, why))[2:5] == [f"    {line}" for line in why]


def test_what_failed_can_be_run_again_by_a_command():
    failed = [Item("rules/test_training.py::test_rule[3.3.2-x/y]", "failed", Facts())]
    arguments = ["rules/", "--results-dir=my tree", "-n2"]
    assert rerun_command(arguments, ["rules/"], failed, has_cache=True) == "pytest --lf rules/ '--results-dir=my tree' -n2"
    assert (
        rerun_command(arguments, ["rules/"], failed, has_cache=False)
        == "pytest '--results-dir=my tree' -n2 'rules/test_training.py::test_rule[3.3.2-x/y]'"
    )


def test_rules_that_are_not_built_are_one_line():
    unverified = ("2.1.11 a: not built yet", "3.3.2 b: no evidence: gone", "2.1.12 c: not built yet")
    assert reasons("NOT VERIFIED", unverified, ()) == ("3.3.2 b: no evidence: gone", "not built yet: 2.1.11, 2.1.12")


def test_what_did_not_decide_is_told_too():
    opened = Finding("engine", Severity.INFO, Category.OPEN, rule="E")
    warned = Finding("few", Severity.WARNING, Category.CLOSED, rule="W")
    demoted = Finding("bad", Severity.INFO, rule="X")
    assert reasons("NOT VERIFIED", (), (opened, warned)) == ("OPEN at best: [E] engine", "warning: [W] few")
    assert reasons("OPEN", (opened.line(),), (opened,)) == ("[E] engine",)
    assert reasons("WHATIF", ("whatif",), (demoted,)) == ("whatif", "would be INVALID: [X] bad")


def test_a_run_of_another_family_shows_what_it_measured():
    row = row_of_item({"model": "m", "run": "1", "leaf": "l", "seconds": 2.0, "queries_per_second": 1234.5, "note": "x"})
    assert (row.seconds, row.au_percent, row.other) == (2.0, None, "queries_per_second 1,234.5")


def test_a_run_of_another_family_shows_its_headline_and_not_every_figure():
    row = row_of_item({"model": "m", "leaf": "l", "seconds": 2.0, "a": 1.0, "b": 2.0, "headline": "written at 2 GiB/s"})
    assert row.other == "written at 2 GiB/s"
    assert row_of_item({"model": "m", "au_percent": 95.0, "headline": "AU 95 %"}).other == ""


def test_a_run_is_one_row_whether_the_tree_or_an_item_told_of_it():
    said = row_of_item({"model": "m", "leaf": "b", "seconds": 9.0, "train_au_mean_percentage": 1.0})
    rows = merge([RunRow("m", leaf="b", au_percent=95.0, seconds=5.0), RunRow("m", leaf="c")], [said, RunRow("m", leaf="a")])
    assert [(row.leaf, row.au_percent, row.seconds) for row in rows] == [("a", None, None), ("b", 95.0, 5.0), ("c", None, None)]


def test_many_runs_are_cut_and_counted():
    assert lines(runs=[RunRow("m", leaf=f"{n:03}") for n in range(70)])[-1] == "… and 10 more runs"


def test_submissions_follow_with_how_many_results_are_what():
    judged_submissions = (
        submission(a="CLOSED", b="INVALID", reasons=("[2.1.8] no description", "b: INVALID")),
        submission("CLOSED", "closed/other", (), c="CLOSED"),
    )
    whole = Verdicts((judged(),), judged_submissions, ("error: [2.1.2] more",))
    assert [line.text for line in summary_lines(whole, (), files={}, rerun="")][3:] == [
        "",
        "INVALID  submission closed/acme: 2 results (1 CLOSED, 1 INVALID)",
        "    [2.1.8] no description",
        "CLOSED   submission closed/other: 1 result (1 CLOSED)",
        "the package, which counts for no single result",
        "    error: [2.1.2] more",
        "",
        "1 result (1 INVALID); 2 submissions (1 CLOSED, 1 INVALID)",
        "-v: every finding with its file, each run's folder; -vv: commands",
    ]


def test_ids_of_rules_may_hold_blanks_where_they_are_one_line():
    assert reasons("NOT VERIFIED", ("V 2-a b: not built yet", "3.3.2 c: not built yet"), ()) == ("not built yet: V 2-a, 3.3.2",)
