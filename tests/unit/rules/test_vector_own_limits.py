"""How own limits of vector databases weigh for a reviewer: as they were recorded, never much less than their defaults, and no verdict."""

import importlib.util
from pathlib import Path

import pytest

from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.vector_limits import DEFAULTS, by_id, recorded
from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.rules.judging import said_of
from pytest_mlpstorage.rules.verdicts import judge_tree
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity, Verdict, judge

_PATH = Path(__file__).parent / "examples" / "vector_database_own.py"
_SPEC = importlib.util.spec_from_file_location("own_limit_examples", _PATH)
examples = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(examples)


@pytest.fixture
def tree(tmp_path):
    return examples.write(tmp_path / "tree")


def found(tree, id):
    subject = tree.read() if (tree.root / "closed").exists() else next(iter(read_tree(tree.root).results))
    rule = next(rule for rule in rules_for(subject) if rule.id == id)
    return rule.evaluate(subject, edition_of(subject)).findings


WEIGHTS = [
    (examples.steady("recall", 0.5), "MLPS-VDB-01", Severity.ERROR),
    (examples.steady("recall", 0.5, recall_min=examples.limit(0.9, "warning")), "MLPS-VDB-01", Severity.WARNING),
    (examples.steady("recall", 0.5, recall_min=examples.limit(0.9, "info")), "MLPS-VDB-01", Severity.WARNING),
    (examples.steady("recall", 0.5, recall_min=examples.limit(0.4)), "MLPS-VDB-01", Severity.WARNING),
    (examples.steady("recall", 0.5, recall_min=examples.limit(0.9, "grave")), "MLPS-VDB-01", Severity.ERROR),
    (examples.load("dataset.contrast", 1.0), "MLPS-VDB-05", Severity.WARNING),
    (examples.load("dataset.contrast", 1.0, contrast_min=examples.limit(0.5, "info")), "MLPS-VDB-05", Severity.WARNING),
    (examples.rates(1, 2, 3, 4, 5), "MLPS-VDB-07", Severity.INFO),
    (examples.run("engine.params_effective", {"max_degree": 1}), "MLPS-VDB-10", Severity.WARNING),
    (
        examples.run("engine.params_effective", {"max_degree": 1}, params_effective=examples.limit(True)),
        "MLPS-VDB-10",
        Severity.ERROR,
    ),
    (examples.residence("memory"), "MLPS-VDB-03", Severity.INFO),
    (examples.residence("memory", examples.whatif()), "MLPS-VDB-03", Severity.INFO),
    (examples.run("phases", []), "MLPS-VDB-03", Severity.ERROR),
    (examples.residence("page-cache", examples.run("phases", [])), "MLPS-VDB-03", Severity.ERROR),
    (examples.residence("memory", examples.run("phases", [])), "MLPS-VDB-03", Severity.INFO),
    (examples.run("phases", []), "MLPS-VDB-04", Severity.ERROR),
    (examples.steady("failed", None, 0), "MLPS-VDB-04", Severity.ERROR),
    (examples.rates(0, 0, 0, 0, 0), "MLPS-VDB-07", Severity.INFO),
    (examples.whatif(examples.steady("queries", 5, min_queries=examples.limit(1))), "MLPS-VDB-02", Severity.INFO),
    (
        examples.residence(
            "page-cache",
            examples.steady("read_4kib_per_query", 0.0, min_reads_per_query=examples.limit(0, "error")),
            examples.cold("read_4kib_per_query", 3.0),
        ),
        "MLPS-VDB-03",
        Severity.INFO,
    ),
]


@pytest.mark.parametrize(("bend", "id", "severity"), WEIGHTS, ids=map(str, range(len(WEIGHTS))))
def test_a_finding_weighs_as_it_was_recorded_and_never_much_less_than_by_default(tree, bend, id, severity):
    bend(tree)
    told = found(tree, id)
    assert {finding.severity for finding in told} == {severity}
    assert {finding.category for finding in told} == {Category.CLOSED}
    assert all(finding.message.startswith("own threshold: ") for finding in told)


def test_a_run_without_a_rate_is_no_evidence_of_how_far_the_rates_lie_apart(tree):
    def asked():
        subject = tree.read()
        rule = next(rule for rule in rules_for(subject) if rule.id == "MLPS-VDB-07")
        return rule.evaluate(subject, edition_of(subject))

    examples.rates(100, "fast", 100, 100, None)(tree)
    evaluation = asked()
    assert evaluation.findings == ()
    assert evaluation.met == ("", "")
    assert [(item.reason, item.file.rpartition("/")[2]) for item in evaluation.lacking] == [
        ("the summary has no usable throughput_qps", "summary.json")
    ] * 2
    examples.rates(100, None, 150, 100, 100)(tree)
    evaluation = asked()
    assert len(evaluation.findings) == len(evaluation.lacking) == 1


def test_an_own_limit_fails_its_item_and_costs_no_verdict(tree):
    def verdict():
        read = read_tree(tree.root)
        said = {place: said_of(read.load(place)) for place in read.places}
        judged = judge_tree(read, say=said.__getitem__).results[read.results[0].relpath]
        return judged.verdict, {finding.rule for finding in judged.own if finding.severity is Severity.ERROR}, judged.reasons

    before, errors, reasons = verdict()
    assert not any(id.startswith("MLPS-VDB") for id in errors)
    examples.steady("recall", 0.1)(tree)
    after, with_own, reasons_after = verdict()
    assert (after, with_own - errors, reasons_after) == (before, {"MLPS-VDB-01"}, reasons)


def test_an_error_of_any_other_category_costs_the_verdict():
    for category, verdict in (
        (Category.INVALID, Verdict.INVALID),
        (Category.OPEN, Verdict.INVALID),
        (Category.CLOSED, Verdict.CLOSED),
    ):
        finding = Finding("x", category=category)
        assert judge(Division.CLOSED, [finding], rules_verified=1, rules_total=1).verdict is verdict
        assert finding.costs_the_verdict is (verdict is Verdict.INVALID)


def test_a_limit_is_recorded_and_read_back_and_what_is_none_is_the_default():
    for name, limit in DEFAULTS.items():
        assert by_id(limit.id) is limit
        stored = {"mlps": {"thresholds": {name: limit.to_json()}}}
        assert recorded(stored, limit.id) == limit
        for damage in (None, [], {"mlps": []}, {"mlps": {"thresholds": {name: 3}}}, {"mlps": {"thresholds": {name: {"value": [1]}}}}):
            assert recorded(damage, limit.id) == limit
    told = recorded({"mlps": {"thresholds": {"min_queries": {"value": 5.0, "severity": "warning"}}}}, "MLPS-VDB-02")
    assert (told.value, told.severity, told.source) == (5, Severity.WARNING, "configured")
    assert recorded({"mlps": {"thresholds": {"rows_exact": {"value": False}}}}, "MLPS-VDB-09").value is True
