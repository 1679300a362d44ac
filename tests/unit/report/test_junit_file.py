"""The JUnit file of whole sessions: valid, alike wherever the suite stands and however many workers there are, safe for hostile trees."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junit_schema import violations
from training_tree import TrainingTree

import pytest_mlpstorage

REPO = Path(__file__).parents[3]
RULES, BENCHMARKS = REPO / "rules", REPO / "benchmarks"
BEYOND = {"testcase file", "testcase line", "properties in testcase"}
"""What the schema does not know and readers of xunit 1 want."""


@pytest.fixture
def tree(pytester, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    slow = TrainingTree.write(pytester.path / "tree", submitter="other", system="slowfs")
    slow.edit_metric(run=2, train_au_mean_percentage=88.125)
    TrainingTree.write(pytester.path / "tree", submitter="third", system="s")
    return pytester


def junit_of(pytester, *arguments, suite=RULES):
    pytester.runpytest_subprocess(suite, "-p", "no:cacheprovider", "--junitxml=junit.xml", *arguments)
    return ET.parse(pytester.path / "junit.xml").getroot()  # noqa: S314 - written by this test


def addresses(root):
    return sorted(tuple(case.get(name) for name in ("classname", "name", "file", "line")) for case in root.iter("testcase"))


def line_of(path, function):
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if f"def {function}(" in line)


def test_the_file_is_valid_but_for_what_readers_of_xunit_1_want_and_wholly_in_xunit_2(tree):
    assert set(violations(junit_of(tree, "--results-dir=tree", "-n0"))) == BEYOND
    strict = junit_of(tree, "--results-dir=tree", "-n0", "-o", "junit_family=xunit2")
    assert violations(strict) == []
    assert any("mlps_rule: 3.3.2" in (output.text or "") for output in strict.iter("system-out"))


def test_the_suite_is_named_after_what_it_holds_unless_the_user_has_named_it(tree):
    ours, named = (junit_of(tree, "--results-dir=tree", "-n0", "-k", "package", *more) for more in ((), ("-o", "junit_suite_name=nightly")))
    assert [root.find("testsuite").get("name") for root in (ours, named)] == ["MLPerf Storage", "nightly"]


def test_file_and_line_are_those_of_the_test_and_the_time_is_in_seconds(tree):
    root = junit_of(tree, "--results-dir=tree", "-n0")
    for case in root.iter("testcase"):
        path = REPO / case.get("file")  # from the root of the items, that of the clone
        assert case.get("classname") == f"rules.{path.stem}"
        assert int(case.get("line")) == line_of(path, "test_rule")
        assert 0 <= float(case.get("time")) < 60


@pytest.mark.parametrize("more", [(), ("--junitprefix=nightly",)], ids=["plain", "prefixed"])
def test_workers_change_nothing_of_it(tree, more):
    one, two = (junit_of(tree, "--results-dir=tree", workers, *more) for workers in ("-n0", "-n2"))
    assert addresses(one) == addresses(two)
    orders = [[(case.get("classname"), case.get("name")) for case in root.iter("testcase")] for root in (one, two)]
    assert orders[0] == orders[1]  # viewers show the items of one result one after another
    said = [sorted(failure.get("message") for failure in root.iter("failure")) for root in (one, two)]
    assert said[0] == said[1]
    told = r"\[3\.3\.2\] .*: measured 88\.125; required 90\.0 \(in run/\d+_\d+/summary\.json:metric\.train_au_mean_percentage\)"
    assert any(re.fullmatch(told, text) for text in said[0])
    assert all("\n" not in text for text in said[0])


def test_items_of_benchmarks_are_addressed_the_same_way(tree):
    root = junit_of(tree, "--mlps-config=quick.yaml", "--mlps-dry-run", "-k", "test_host or unet3d", suite=BENCHMARKS)
    cases = {case.get("name"): case for case in root.iter("testcase")}
    run = cases["test_run[unet3d-b200-1]"]
    assert run.get("classname") == "benchmarks.test_training.TestTraining"
    assert int(run.get("line")) == line_of(BENCHMARKS / "test_training.py", "test_run")
    assert not [p for p in run.iter("property") if p.get("name") == "mlps_planned"]
    result = cases["test_result[unet3d-b200]"]  # skipped before it began, and one of ours all the same
    assert int(result.get("line")) == line_of(BENCHMARKS / "test_training.py", "test_result")
    assert {p.get("name"): p.get("value") for p in result.iter("property")} == {"mlps_division": "whatif", "mlps_result": "unet3d-b200"}
    assert result.find("skipped").text == result.find("skipped").get("message") == "dry run: nothing was measured"
    assert set(violations(root)) == BEYOND


def test_a_hostile_tree_makes_no_file_that_a_parser_refuses(tree):
    evil = "<a & b>\x1b\x07\udcff\ufffe]]>\n\x85"
    (tree.path / "tree/closed/other").rename(tree.path / "tree/closed" / evil)
    bad = TrainingTree.write(tree.path / "tree", submitter="words", system="s")
    bad.edit_metadata(lambda metadata: metadata.update(model=evil), run=1)
    root = junit_of(tree, "--results-dir=tree", "-n0")  # which parses it
    assert len(list(root.iter("failure"))) > 3
    assert set(violations(root)) == BEYOND


def test_as_installed_it_says_the_same_as_in_a_clone(tree):
    installed = tree.path / "venv/lib/python3/site-packages"
    here = Path(pytest_mlpstorage.__file__).parent
    shutil.copytree(here, installed / "pytest_mlpstorage", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copytree(RULES, installed / "pytest_mlpstorage/suites/rules", dirs_exist_ok=True)
    command = [sys.executable, "-m", "pytest", "--pyargs", "pytest_mlpstorage.suites.rules", "--results-dir=tree", "-n0", "-q"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--junitxml=installed.xml", "--rootdir=."],
        cwd=tree.path, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    root = ET.parse(tree.path / "installed.xml").getroot()  # noqa: S314 - written by this test
    clone = junit_of(tree, "--results-dir=tree", "-n0")
    names = [[(classname, name, line) for classname, name, _, line in addresses(one)] for one in (root, clone)]
    assert names[0] == names[1]
    assert {case.get("file") for case in root.iter("testcase") if "training" in case.get("classname")} == {
        "pytest_mlpstorage/suites/rules/test_training.py"
    }
