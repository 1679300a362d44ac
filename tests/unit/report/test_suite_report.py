"""A session over a tree, with and without xdist: terminal, JUnit, HTML and verdicts say the same."""

import json
from xml.etree import ElementTree

import pytest
from training_tree import ACCEPTED_ENGINE, TrainingTree

SUITE = """
    import pytest
    from pathlib import Path
    from pytest_mlpstorage.report.records import record_rule
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import edition_of, failing, rules_for, weighed

    PAIRS = [(rule, subject) for subject in read_tree(Path("tree").absolute()).results for rule in rules_for(subject)]

    @pytest.mark.parametrize(("rule", "subject"), PAIRS, ids=[f"{r.id}-{s.relpath}" for r, s in PAIRS])
    def test_rule(rule, subject, request):
        evaluation = rule.evaluate(subject, edition_of(subject))
        findings = weighed(evaluation.findings, subject.division)
        record_rule(request.node.user_properties, subject, evaluation, findings)
        bad = failing(findings)
        if bad:
            pytest.fail(bad[0].line(), pytrace=False)

    def test_of_somebody_else():
        assert True
"""

CONFTEST = """
    from pathlib import Path
    from pytest_mlpstorage.report.hooks import register

    def pytest_configure(config):
        register(config, results_dir=Path("tree").absolute(), output_dir=Path("out").absolute())
"""

EVIL = "<img src=x onerror=alert(1)>\x1b[2J"


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    root = pytester.path / "tree"
    TrainingTree.write(root, engine={**ACCEPTED_ENGINE, "commit": ""})
    slow = TrainingTree.write(root, system="slowfs")
    slow.edit_metric(run=2, train_au_mean_percentage=88.125)
    TrainingTree.write(root, division="whatif", system="laptop", runs=3)
    TrainingTree.write(root, division="open")
    (root / "open" / "acme").rename(root / "open" / EVIL)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(SUITE)
    return pytester


@pytest.fixture(params=["-n0", "-n2"])
def session(suite, request):
    return suite, suite.runpytest(
        request.param, "-p", "no:cacheprovider", "--junitxml=junit.xml", "--html=report.html", "--self-contained-html"
    )


def test_every_report_says_the_same_with_and_without_workers(session):
    pytester, result = session
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    section = text[text.index("MLPerf Storage =") :]
    result.stdout.fnmatch_lines(
        [
            "NOT VERIFIED (?? of ?? rules)*closed/acme/results/fastfs/training/unet3d on b200",
            "    OPEN at best: [[]MLPS-ENGINE-1[]] the DLIO that measured is no accepted revision*",
            "INVALID *closed/acme/results/slowfs/training/unet3d on b200",
            "    [[]3.3.2[]] the accelerator utilization of a measured run is below the minimum; measured 88.125; required 90.0;*",
            "WHATIF (not a submission)*whatif/acme/results/laptop/training/unet3d on b200",
            "model   accelerator  run *AU %*samples/s*MiB/s*",
            "whatif: not for submission.*",
            "verdicts *out/verdicts.json",
            "report *report.html",
            "JUnit *junit.xml",
            "2 failed; again, only those: pytest -n? -p no:cacheprovider *3.3.2-closed/acme/results/slowfs*",
        ]
    )
    assert "\x1b[2J" not in section
    _check_verdicts(json.loads((pytester.path / "out" / "verdicts.json").read_text()))
    _check_junit(ElementTree.parse(pytester.path / "junit.xml").getroot())  # noqa: S314 - written by this test
    _check_html((pytester.path / "report.html").read_text())


def _check_verdicts(verdicts):
    assert [(v["system"], v["verdict"]) for v in verdicts] == [
        ("fastfs", "NOT VERIFIED"),
        ("slowfs", "INVALID"),
        ("fastfs", "NOT VERIFIED"),
        ("laptop", "WHATIF"),
    ]
    assert [f["rule"] for f in verdicts[1]["findings"]] == ["3.3.2", "MLPS-METRIC-1"]


def _check_junit(root):
    suite = root.find("testsuite")
    stated = {p.get("name"): p.get("value") for p in suite.find("properties")}
    assert stated["mlps_verdict closed/acme/results/slowfs/training/unet3d"] == "INVALID"
    case = next(c for c in suite.iter("testcase") if "3.3.2-closed/acme/results/slowfs" in c.get("name"))
    assert case.get("file").endswith(".py")
    assert int(case.get("line")) > 0
    properties = {p.get("name"): p.get("value") for p in case.find("properties")}
    assert (properties["mlps_rule"], properties["mlps_verdict"]) == ("3.3.2", "INVALID")
    assert (properties["mlps_measured"], properties["mlps_required"]) == ("88.125", "90.0")
    assert json.loads(properties["mlps_findings"])[0]["field"] == "metric.train_au_mean_percentage"
    other = next(c for c in suite.iter("testcase") if c.get("name") == "test_of_somebody_else")
    assert other.find("properties") is None


def _check_html(page):
    assert "<img src=x" not in page
    assert page.index("mlps-bad") < page.index("results-table-head")
    for column in ("Verdict", "Measured", "Required", "Rule"):
        assert f'data-column-type="{column.lower()}">{column}</th>' in page
    assert "<h2>Runs</h2>" in page
    assert "88.125" in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_verdicts_that_cannot_be_written_fail_the_session_in_words(suite):
    (suite.path / "out").write_text("in the way")
    result = suite.runpytest("-n0", "-k", "2.1.17 and fastfs and closed")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*cannot make the folder of the verdicts*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_deselected_rule_is_not_a_verified_one(suite):
    suite.runpytest("-n0", "-k", "2.1.17 and fastfs and closed")
    (verdict,) = json.loads((suite.path / "out" / "verdicts.json").read_text())
    assert verdict["verdict"] == "NOT VERIFIED"


def test_a_step_summary_is_written_where_the_ci_wants_it(suite, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    suite.runpytest("-n0", "-k", "slowfs")
    assert "| INVALID | closed/acme/results/slowfs/training/unet3d |" in (suite.path / "summary.md").read_text()


def test_a_session_without_our_items_says_nothing(suite):
    result = suite.runpytest("-n0", "-k", "somebody")
    result.stdout.no_fnmatch_line("*MLPerf Storage =*")
    assert not (suite.path / "out").exists()


def test_the_junit_family_that_a_user_chose_stays(suite):
    suite.runpytest("-n0", "-k", "slowfs", "--junitxml=junit.xml", "-o", "junit_family=xunit2")
    assert ElementTree.parse(suite.path / "junit.xml").getroot().find("testsuite/testcase").get("file") is None  # noqa: S314 - written by this test
