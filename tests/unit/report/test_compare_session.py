"""A session that compares: items of rules/, the section on the terminal, JUnit, HTML, comparison.json, wrong use."""

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.items import BenchmarkItem
from pytest_mlpstorage.report import records
from pytest_mlpstorage.report.compare_limits import read_limits
from pytest_mlpstorage.report.compare_with import Comparer
from pytest_mlpstorage.verdict import Division, judge
from pytest_mlpstorage.workloads.base import Judged

RULES = Path(__file__).parents[3] / "rules"
ARGUMENTS = (RULES, "--results-dir=now", "-p", "no:cacheprovider", "-k", "compare")
HERE = "closed/acme/results/fastfs/training/unet3d"


@pytest.fixture
def trees(pytester, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    now = TrainingTree.write(pytester.path / "now")
    for run in range(6):
        now.edit_metric(run=run, train_au_percentage=[92.0 + run / 10] * 5)
    now.parameter("reader", "read_threads", 8)
    TrainingTree.write(pytester.path / "before")
    return pytester


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_every_report_tells_each_headline_beside_the_earlier_one(trees, workers):
    result = trees.runpytest_subprocess(
        *ARGUMENTS, workers, "--mlps-compare=before", "--mlps-fail-if=train_au<-2%", "--mlps-fail-if=train_throughput<-2%",
        "--mlps-output=out", "--junitxml=junit.xml", "--html=report.html",
    )  # fmt: skip
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "mlpstorage compared with: *before; fails if train_au<-2%, train_throughput<-2%",
            f"{HERE} compared with *before/{HERE}, measured 2026-07-13 08:35:00",
            "    train_au * -5.0 %  worse  97.2 (97.2 to 97.2) *->  92.3 (92.1 to 92.5) * %  * beyond the spread of 5 and 5 runs (by luck 1 in 126)",
            "    train_throughput * +0.0 %  same * within the spread of 5 and 5 runs",
            "    also different: reader.read_threads: 4 -> 8",
            "    --mlps-fail-if=train_au<-2%: train_au -5.0 %: 97.2 (97.2 to 97.2) before, 92.3 (92.1 to 92.5) now (%)",
            "comparison *out/comparison.json",
        ]
    )
    (written,) = json.loads((trees.path / "out" / "comparison.json").read_text())
    assert written["path"] == HERE
    assert [(c["short"], c["direction"], c["beyond_spread"]) for c in written["changes"]][:2] == [
        ("train_au", "worse", True),
        ("train_throughput", "same", False),
    ]
    assert written["kept"] == ["train_throughput<-2%"]
    junit = ElementTree.parse(trees.path / "junit.xml").getroot()  # noqa: S314 - written by this test
    said = {p.get("name"): p.get("value") for p in junit.iter("property")}
    assert said["mlps_change train_au"].startswith("-5.0 % worse: 97.2 (97.2 to 97.2) -> 92.3 (92.1 to 92.5) %; beyond the spread")
    assert said["mlps_compared_with"].endswith(f"before/{HERE}")
    (failure,) = junit.iter("failure")
    assert failure.get("message").startswith("[--mlps-fail-if] train_au -5.0 %: 97.2 ")
    page = html.unescape((trees.path / "report.html").read_text())
    assert "Compared with earlier results" in page
    assert ">Change</th>" in page
    assert re.search(r"col-change mlps-text-bad.{1,2}>train_au -5.0 %, beyond the spread", page)


def test_nothing_of_it_shows_where_nobody_asked(trees):
    result = trees.runpytest(
        RULES, "--results-dir=now", "-p", "no:cacheprovider", "-k", "2.1.17", "--html=report.html", "--mlps-output=out"
    )
    result.stdout.no_fnmatch_line("*compared with*")
    assert "Change</th>" not in (trees.path / "report.html").read_text()
    assert not (trees.path / "out" / "comparison.json").exists()


def test_a_result_without_an_earlier_one_is_skipped_with_the_reason(trees):
    result = trees.runpytest(*ARGUMENTS, "--mlps-compare=last", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * not compared: no earlier result of training unet3d on b200 with 8 ranks is in *now"])
    result.stdout.fnmatch_lines([f"{HERE}: not compared: no earlier result of *"])


def test_the_results_tree_itself_means_the_last_of_it(trees):
    TrainingTree.write(trees.path / "now", system="slowfs").rename_run(5, "20260712_083500")
    result = trees.runpytest(*ARGUMENTS, "--mlps-compare=now")
    result.stdout.fnmatch_lines(["mlpstorage compared with: the last result of the same workload in *now"])


def test_a_limit_without_an_earlier_result_fails_and_never_passes_in_silence(trees):
    result = trees.runpytest(*ARGUMENTS, "--mlps-compare=last", "--mlps-fail-if=train_au<-2%")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*--mlps-fail-if* there is no earlier result to hold it against: no earlier result of training*"])


@pytest.mark.parametrize("selected", ["compare", "2.1.17"])
def test_a_limit_that_no_result_was_held_against_fails_the_session(trees, selected):
    limit = "--mlps-fail-if=vdb_recall<-1pp" if selected == "compare" else "--mlps-fail-if=train_au<-90%"
    result = trees.runpytest(RULES, "--results-dir=now", "-p", "no:cacheprovider", "-k", selected, "--mlps-compare=before", limit)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"{limit} was held against nothing: no result of * was compared in this session"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--mlps-fail-if=train_au<-2%"], ["--mlps-fail-if needs --mlps-compare=DIR, or --mlps-compare=last"]),
        (["--mlps-compare=nowhere"], ["--mlps-compare=nowhere: there is no such directory"]),
        (["--mlps-compare=lst"], ["--mlps-compare=lst: there is no such directory", "did you mean 'last'?"]),
        (["--mlps-compare="], ["--mlps-compare= is empty; allowed last, or the directory of other results"]),
        (["--mlps-compare=empty"], ["--mlps-compare=empty: no result is in ", "looked for"]),
        (["--mlps-compare=file"], ["--mlps-compare=file: that is a file and no directory"]),
        (["--mlps-compare=before", "--mlps-fail-if=train_ua<-2%"], ["no metric 'train_ua'", "did you mean 'train_au'?"]),
    ],
)
def test_wrong_use_is_one_message_and_exit_4(trees, options, words):
    (trees.path / "empty").mkdir()
    (trees.path / "file").touch()
    result = trees.runpytest(*ARGUMENTS, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert all(word in text for word in words), text
    assert "Traceback" not in text


def test_comparing_without_results_is_wrong_use(pytester):
    pytester.makepyfile("def test_of_somebody_else(): pass")
    result = pytester.runpytest("--mlps-compare=last")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--mlps-compare compares results: pytest benchmarks/" in result.stderr.str()


# -- the last item of a benchmark -----------------------------------------------------------------------------------------


def result_item(results_dir, comparer):
    judged = Judged(HERE, judge(Division.CLOSED, [], rules_verified=1, rules_total=1), {})
    workload = SimpleNamespace(judge=lambda *_: judged)
    config = SimpleNamespace(results_dir=results_dir, division=Division.CLOSED, submitter="acme", system="fastfs", edition="3.0")
    hosts = SimpleNamespace(cannot_plan=False, in_the_way=lambda _: "")
    session = SimpleNamespace(
        dry_run=False, strict=False, config=config, hosts=hosts, failed=lambda *_: None, workload=lambda *_: workload,
        plan=lambda *_: None, mark_failed=lambda *_: None,
    )  # fmt: skip
    node = SimpleNamespace(user_properties=[], config=SimpleNamespace(get_verbosity=lambda: 0))
    return (
        BenchmarkItem(session, node, None, lambda _: None, comparer),
        SimpleNamespace(id="unet3d-b200", family="training", model="unet3d"),
        node,
    )


def test_a_benchmark_hands_over_the_comparison_of_its_result_and_passes(trees):
    item, case, node = result_item(trees.path / "now", Comparer(trees.path / "now", trees.path / "before"))
    item.result(case)
    assert records.facts(node.user_properties).compared["path"] == HERE


def test_a_benchmark_fails_for_a_broken_limit_and_keeps_its_verdict(trees):
    comparer = Comparer(trees.path / "now", trees.path / "before", read_limits(["train_au<-2%"]))
    item, case, node = result_item(trees.path / "now", comparer)
    with pytest.raises(pytest.fail.Exception, match=r"^\[--mlps-fail-if\] train_au -5\.0 %"):
        item.result(case)
    said = records.facts(node.user_properties)
    assert said.verdict == "CLOSED"
    assert said.judgement["findings"] == []
