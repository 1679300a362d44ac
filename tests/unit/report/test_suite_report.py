"""A session over a tree, with and without xdist: terminal, JUnit, HTML and verdicts say the same."""

import json
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest
from training_tree import ACCEPTED_ENGINE, TrainingTree
from whole_tree import write_package

RULES = Path(__file__).parents[3] / "rules"
OTHERS = "def test_of_somebody_else():\n    assert True\n"

EVIL = "<img src=x onerror=alert(1)>\x1b[2J"


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    root = pytester.path / "tree"
    write_package(root)
    slow = TrainingTree.write(root, submitter="other", system="slowfs")
    slow.edit_metric(run=2, train_au_mean_percentage=88.125)
    TrainingTree.write(root, division="whatif", system="laptop", runs=3)
    TrainingTree.write(root, division="open", submitter="evil", engine={**ACCEPTED_ENGINE, "commit": ""})
    (root / "open" / "evil").rename(root / "open" / EVIL)
    pytester.makepyfile(test_others=OTHERS)
    return pytester


ARGUMENTS = (RULES, "test_others.py", "--results-dir=tree", "--mlps-output=out", "-p", "no:cacheprovider")


@pytest.fixture(params=["-n0", "-n2"])
def session(suite, request):
    return suite, suite.runpytest_subprocess(
        *ARGUMENTS, request.param, "--junitxml=junit.xml", "--html=report.html", "--self-contained-html"
    )


def test_a_folder_of_reports_is_made_where_the_start_looked_for_it(suite):
    suite.runpytest(RULES, "--results-dir=tree", "--mlps-output=~/out", "-k", "2.1.17", "-p", "no:cacheprovider")
    assert (suite.path / "out" / "verdicts.json").is_file()  # pytester's own folder is the home directory
    assert not (suite.path / "~").exists()


def test_every_report_says_the_same_with_and_without_workers(session):
    pytester, result = session
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    section = text[text.index("MLPerf Storage =") :]
    result.stdout.fnmatch_lines(
        [
            "CLOSED *closed/acme/results/fastfs/training/unet3d on b200",
            "    AU 97.2 % (at least 90 %), throughput 336 samples/s, read bandwidth 45.9 GiB/s",
            "INVALID *closed/other/results/slowfs/training/unet3d on b200",
            "    [[]3.3.2[]] the accelerator utilization of a measured run is below the minimum; measured 88.125; required 90.0",
            "    the submission closed/other is INVALID by 2.1.5, 2.1.6, 2.1.8",
            "INVALID *open/<img src=x onerror=alert(1)>\\x1b[[]2J/results/fastfs/training/unet3d on b200",
            "    OPEN at best: [[]MLPS-ENGINE-1[]] the DLIO that measured is no accepted revision*",
            "WHATIF (not a submission)*whatif/acme/results/laptop/training/unet3d on b200",
            "system * model   accelerator  run *AU %*samples/s*MiB/s*",
            "CLOSED *submission closed/acme: 4 results (4 CLOSED)",
            "INVALID *submission closed/other: 1 result (1 INVALID)",
            "    [[]2.1.8[]]*",
            "the package, which counts for no single result",
            "    error: [[]CHECK-01[]]*",
            "7 results (4 CLOSED, 2 INVALID, 1 WHATIF); 4 submissions (1 CLOSED, 2 INVALID, 1 WHATIF)",
            "whatif: not for submission.*",
            "verdicts *out/verdicts.json",
            "submissions *out/submissions.json",
            "report *report.html",
            "JUnit *junit.xml",
            "* failed; again, only those: pytest *--results-dir=tree*",
        ]
    )
    assert "\x1b[2J" not in section
    _check_verdicts(*(json.loads((pytester.path / "out" / f"{name}.json").read_text()) for name in ("verdicts", "submissions")))
    _check_junit(ElementTree.parse(pytester.path / "junit.xml").getroot())  # noqa: S314 - written by this test
    _check_html((pytester.path / "report.html").read_text())


def _check_verdicts(verdicts, submissions):
    assert [(v["submitter"], v["benchmark_type"], v["verdict"]) for v in verdicts] == [
        ("acme", "checkpointing", "CLOSED"),
        ("acme", "kv_cache", "CLOSED"),
        ("acme", "training", "CLOSED"),
        ("acme", "vector_database", "CLOSED"),
        ("other", "training", "INVALID"),
        (EVIL, "training", "INVALID"),
        ("acme", "training", "WHATIF"),
    ]
    assert all(v["metrics"] for v in verdicts)
    of_result = [f for f in verdicts[4]["findings"] if f["file"].startswith("closed/other/results/slowfs/training/")]
    assert [f["rule"] for f in of_result if f["severity"] == "error"] == ["2.1.6", "3.3.2", "MLPS-METRIC-1"]
    assert [(s["path"], s["verdict"], s["profile"]) for s in submissions[:2]] == [
        ("closed/acme", "CLOSED", "strict"),
        ("closed/other", "INVALID", "strict"),
    ]
    assert submissions[1]["results"] == {"closed/other/results/slowfs/training/unet3d": "INVALID"}
    assert {f["rule"] for f in submissions[1]["findings"]} >= {"2.1.5", "2.1.6", "2.1.8"}


def _check_junit(root):
    suite = root.find("testsuite")
    stated = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert stated["mlps_verdict closed/other/results/slowfs/training/unet3d"] == "INVALID"
    assert stated["mlps_verdict closed/acme"] == "CLOSED"
    case = next(c for c in suite.iter("testcase") if "3.3.2-trainingAcceleratorUtilizationCheck-closed/other" in c.get("name"))
    assert case.get("file").endswith(".py")
    assert int(case.get("line")) > 0
    properties = {p.get("name"): p.get("value") for p in case.find("properties")}
    assert (properties["mlps_rule"], properties["mlps_verdict"]) == ("3.3.2", "INVALID")
    assert (properties["mlps_measured"], properties["mlps_required"]) == ("88.125", "90.0")
    assert json.loads(properties["mlps_findings"])[0]["field"] == "metric.train_au_mean_percentage"
    kept = next(c for c in suite.iter("testcase") if "3.3.2-trainingAcceleratorUtilizationCheck-closed/acme" in c.get("name"))
    properties = {p.get("name"): p.get("value") for p in kept.find("properties")}
    assert (properties["mlps_verdict"], "at least 90" in properties["mlps_required"]) == ("ok", True)
    assert properties["mlps_measured"].startswith("97.")
    other = next(c for c in suite.iter("testcase") if c.get("name") == "test_of_somebody_else")
    assert other.find("properties") is None


def _check_html(page):
    assert "<img src=x" not in page
    assert page.index("mlps-bad") < page.index("results-table-head")
    for column in ("Verdict", "Measured", "Required", "Rule"):
        assert f'data-column-type="{column.lower()}">{column}</th>' in page
    for heading in ("<h2>Runs</h2>", "<h2>Submissions</h2>", "<h3>the package</h3>"):
        assert heading in page
    assert "88.125" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    bad = page[page.index('data-path="closed/other/results/slowfs/training/unet3d"') :].partition("</article>")[0]
    for told in ('data-verdict="INVALID"', "<dt>AU</dt>", "Cold reads:", "<dt>hosts</dt>", "Rules by section"):
        assert told in bad, told
    skipped = unescape(unescape(page))
    assert "Skipped: human review: " in skipped
    assert "'Skipped: " not in skipped, "pytest-html would write a tuple"
    assert "✓ at least 90 %" not in bad, "the limit of each run is broken by one"
    assert page.count("✓ at least 90 %") == 3, "those of the other three"


def test_verdicts_that_cannot_be_written_fail_the_session_in_words(suite):
    (suite.path / "out" / "verdicts.json").mkdir(parents=True)
    result = suite.runpytest(*ARGUMENTS, "-n0", "-k", "2.1.17 and fastfs and closed")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*verdicts.json*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_deselected_rule_is_not_a_verified_one(suite):
    result = suite.runpytest(*ARGUMENTS, "-n0", "-k", "2.1.17 and fastfs and closed")
    assert result.ret == 0
    (verdict,) = json.loads((suite.path / "out" / "verdicts.json").read_text())
    assert verdict["verdict"] == "NOT VERIFIED"
    result.stdout.fnmatch_lines(
        [
            "NOT VERIFIED (1 of * rules)*",
            "    not evaluated in this session: *2.1.11, 2.1.12,*",
            "NOT VERIFIED *submission closed/acme: 4 results (4 NOT VERIFIED)",
        ]
    )


def test_a_step_summary_is_written_where_the_ci_wants_it(suite, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    suite.runpytest(*ARGUMENTS, "-n0", "-k", "slowfs")
    summary = (suite.path / "summary.md").read_text()
    assert "| **INVALID** | closed/other/results/slowfs/training/unet3d on b200 | AU 97.2 %; throughput 336 " in summary, "one run broke it"
    assert "| 3.3.2 | the accelerator utilization of a measured run is below the minimum | 88.125 | 90.0 | closed/other/" in summary


def test_a_session_without_our_items_says_nothing(suite):
    result = suite.runpytest(*ARGUMENTS, "-n0", "-k", "somebody")
    result.stdout.no_fnmatch_line("*MLPerf Storage =*")
    assert not (suite.path / "out").exists()


def test_the_junit_family_that_a_user_chose_stays(suite):
    suite.runpytest(*ARGUMENTS, "-n0", "-k", "slowfs", "--junitxml=junit.xml", "-o", "junit_family=xunit2")
    assert ElementTree.parse(suite.path / "junit.xml").getroot().find("testsuite/testcase").get("file") is None  # noqa: S314 - written by this test


def test_findings_stand_in_one_order_whatever_worker_found_them(suite):
    written = []
    for workers in ("-n0", "-n2"):
        suite.runpytest_subprocess(*ARGUMENTS, workers)
        written.append([(suite.path / "out" / name).read_text() for name in ("verdicts.json", "verdicts.csv", "submissions.json")])
    assert written[0] == written[1]


def test_a_relaxed_profile_is_named_in_header_terminal_page_and_files(suite):
    result = suite.runpytest(*ARGUMENTS, "-n0", "-k", "closed/acme", "--mlps-profile=v3.0-round", "--html=report.html")
    result.stdout.fnmatch_lines(
        ["mlpstorage profile: v3.0-round*", "CLOSED (profile v3.0-round) *", "CLOSED (profile v3.0-round) *submission*"]
    )
    assert "CLOSED (profile v3.0-round)" in (suite.path / "report.html").read_text()
    verdicts, submissions = (json.loads((suite.path / "out" / f"{name}.json").read_text()) for name in ("verdicts", "submissions"))
    assert {f["rule"] for v in verdicts for f in v["findings"] if "v3.0-round" in f["message"]} == {"MLPS-PROFILE-1"}
    assert submissions[0]["profile"] == "v3.0-round"


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        (("-k", "closed/acme"), pytest.ExitCode.OK),
        (("-k", "whatif"), pytest.ExitCode.OK),
        (("-k", "slowfs"), pytest.ExitCode.TESTS_FAILED),
        (("-m", "rule(kind='human')"), pytest.ExitCode.NO_TESTS_COLLECTED),
        (("-k", "nothing_of_this_name"), pytest.ExitCode.NO_TESTS_COLLECTED),
    ],
)
def test_a_session_passes_only_where_something_was_judged_and_nothing_is_wrong(suite, workers, chosen, code):
    result = suite.runpytest_subprocess(RULES, "--results-dir=tree", "-p", "no:cacheprovider", workers, *chosen)
    assert result.ret == code


def test_what_failed_is_run_again_by_lf(suite):
    first = suite.runpytest(RULES, "--results-dir=tree", "-o", "cache_dir=cache")
    failed = first.parseoutcomes()["failed"]
    again = suite.runpytest(RULES, "--results-dir=tree", "-o", "cache_dir=cache", "--lf")
    again.assert_outcomes(failed=failed)
