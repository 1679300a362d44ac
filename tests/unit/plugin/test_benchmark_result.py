"""What the last item of a benchmark fails for: the result that it measured, and not the submission that is not there yet."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.items import BenchmarkItem
from pytest_mlpstorage.report import records
from pytest_mlpstorage.verdict import Division, Finding, judge
from pytest_mlpstorage.workloads.base import Judged

ABOUT_THE_RESULT = Finding("the accelerators were idle", rule="3.3.2")
ABOUT_THE_SUBMISSION = Finding("a system with results has no description", rule="2.1.8")


def judged(*findings, own=()):
    """A closed result with these findings, of which ``own`` are about the result itself."""
    judgement = dataclasses.replace(judge(Division.CLOSED, findings, rules_verified=1, rules_total=1), own=tuple(own))
    return Judged("closed/acme/results/fastfs/training/unet3d", judgement, {})


def result_item(what, results_dir):
    workload = SimpleNamespace(judge=lambda *_: what)
    config = SimpleNamespace(results_dir=results_dir, division=Division.CLOSED, submitter="acme", system="fastfs", edition="3.0")
    session = SimpleNamespace(
        dry_run=False, strict=False, config=config, failed=lambda *_: None, workload=lambda *_: workload, plan=lambda *_: None,
        mark_failed=lambda *_: None, hosts=SimpleNamespace(cannot_plan=False, in_the_way=lambda *_: ""),
    )  # fmt: skip
    node, lines = SimpleNamespace(user_properties=[], config=SimpleNamespace(get_verbosity=lambda: 0)), []
    case = SimpleNamespace(id="unet3d-b200", family="training", model="unet3d")
    return BenchmarkItem(session, node, None, lines.append), case, node


def test_an_error_of_the_submission_is_in_the_verdict_and_fails_no_benchmark(tmp_path):
    item, case, node = result_item(judged(ABOUT_THE_SUBMISSION), tmp_path)
    item.result(case)
    said = records.facts(node.user_properties)
    assert said.verdict == "INVALID"
    assert [f["rule"] for f in said.judgement["findings"]] == ["2.1.8"]
    assert "2.1.8" in said.reasons[0]
    assert said.findings == ()


def test_an_error_of_the_result_itself_fails_the_item_and_is_the_only_one_told(tmp_path):
    item, case, _ = result_item(judged(ABOUT_THE_RESULT, ABOUT_THE_SUBMISSION, own=[ABOUT_THE_RESULT]), tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"3\.3\.2") as failure:
        item.result(case)
    assert "2.1.8" not in str(failure.value)


def test_a_workload_that_knows_of_no_submission_fails_for_all_that_it_found(tmp_path):
    judgement = judge(Division.CLOSED, [ABOUT_THE_RESULT], rules_verified=1, rules_total=1)
    item, case, _ = result_item(Judged("somewhere", judgement, {}), tmp_path)
    with pytest.raises(pytest.fail.Exception, match=r"3\.3\.2"):
        item.result(case)
