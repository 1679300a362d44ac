"""Facts go into an item's properties and come out the same."""

import dataclasses
import math

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.report import records
from pytest_mlpstorage.report.rule_rows import RuleRow
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.rules import edition_of, rules_for, weighed
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

FINDING = Finding("below", Severity.ERROR, Category.INVALID, 88.1, 90.0, "run/summary.json", "metric.au", "3.3.2", 6)
REMARK = Finding("so it is", severity=Severity.INFO, category=Category.CLOSED)


def test_a_finding_survives_the_way_through_json():
    assert records.finding_from(records.decode(records.encode(records.finding_object(FINDING)))) == FINDING


def test_a_measured_value_that_is_no_number_is_told_as_text():
    assert records.decode(records.encode({"a": [math.nan, math.inf]})) == {"a": ["nan", "inf"]}


def test_an_item_of_another_plugin_has_no_facts():
    assert records.facts([("other", "1")]) is None


def test_facts_are_read_back_as_they_were_written():
    properties = [
        ("other", "1"),
        (records.RULE, "3.3.2"),
        (records.FINDINGS, records.encode([records.finding_object(FINDING)])),
        (records.LACKING, records.encode([{"reason": "gone", "file": "x"}])),
        (records.RUN, records.encode({"model": "unet3d"})),
        (records.REASONS, records.encode(["because"])),
    ]
    said = records.facts(properties)
    assert (said.rule, said.findings, said.lacking) == ("3.3.2", (FINDING,), (NoEvidence("gone", "x"),))
    assert (said.run, said.reasons, said.judgement) == ({"model": "unet3d"}, ("because",), None)


def test_the_first_finding_does_not_overwrite_what_is_there():
    properties = [(records.RULE, "own")]
    records.add_first_finding(properties, FINDING)
    assert properties == [
        (records.RULE, "own"),
        (records.SEVERITY, "error"),
        (records.MEASURED, "88.1"),
        (records.REQUIRED, "90.0"),
    ]


HANDED_OVER = pytest.mark.parametrize(
    ("said", "told"),
    [
        ((Met("97 %", "at least 90 %"), Met("95 %", "at least 90 %")), ("95 to 97 %", "at least 90 %")),
        ((Met("97 %", "at least 90 %"), NoEvidence("gone", "x")), ("", "")),
        ((Met("97 %", "at least 90 %"), FINDING), ("88.1", "90.0")),
        ((Met("97 %", "at least 90 %"), dataclasses.replace(REMARK, measured=3)), ("97 %", "at least 90 %")),
        ((dataclasses.replace(REMARK, measured=3),), ("3", "")),
        ((Met("97 %", "at least 90 %"), dataclasses.replace(REMARK, measured=3, required=4)), ("3", "4")),
        ((Met("97 %", "at least 90 %"), REMARK), ("97 %", "at least 90 %")),
        ((Met("97 %", "at least 90 %"), dataclasses.replace(REMARK, severity=Severity.WARNING)), ("", "")),
        ((NotAsked("no manifest", "asked where there is one"),), ("no manifest", "asked where there is one")),
    ],
)


def test_a_rule_that_had_nothing_to_look_at_is_not_told_as_one_that_was_met(tmp_path):
    subject = TrainingTree.write(tmp_path).read()
    place = SubjectPlace("training", "a", subject.division, subject.edition)
    idle = NotAsked("no manifest", "asked where there is one")

    def row(*said):
        rule = dataclasses.replace(rules_for(subject)[0], function=lambda *_: iter(said))
        evaluation, properties = rule.evaluate(subject, edition_of(subject)), []
        records.record_rule(properties, place, evaluation, evaluation.findings)
        back = records.facts(properties)
        return back.verdict, RuleRow.of_item(back).outcome

    assert row(idle) == row(idle, idle) == ("not asked", "not asked")
    assert row(idle, Met("97 %", "at least 90 %")) == ("ok", "passed")
    assert row() == ("ok", "passed")
    assert row(idle, REMARK) == ("ok", "noted")
    assert row(idle, FINDING) == ("INVALID", "failed")
    assert row(idle, NoEvidence("gone", "x")) == ("NOT VERIFIED", "not verified")


@HANDED_OVER
def test_a_rule_that_is_met_hands_over_what_it_measured_and_what_is_required(said, told, tmp_path):
    subject = TrainingTree.write(tmp_path).read()
    rule = dataclasses.replace(rules_for(subject)[0], function=lambda *_: iter(said))
    evaluation, properties = rule.evaluate(subject, edition_of(subject)), []
    records.record_rule(properties, SubjectPlace("training", "a", subject.division, subject.edition), evaluation, evaluation.findings)
    back = records.facts(properties)
    assert (back.measured, back.required) == told
    assert len(dict(properties)) == len(properties)


@pytest.mark.parametrize(
    ("division", "bend", "word"),
    [
        ("closed", lambda t: t.edit_metric(run=2, train_au_mean_percentage=90), "ok"),
        ("closed", lambda t: t.edit_metric(run=2, train_au_mean_percentage=1.0), "INVALID"),
        ("closed", lambda t: t.remove("summary.json", run=2), "NOT VERIFIED"),
        ("whatif", lambda t: t.edit_metric(run=2, train_au_mean_percentage=1.0), "would be INVALID"),
        ("closed", lambda t: t.edit_metric(run=2, train_au_percentage=[101.0]), "warning"),
    ],
)
def test_a_rule_item_says_in_a_word_what_it_does_to_the_verdict(tmp_path, division, bend, word):
    tree = TrainingTree.write(tmp_path / "t", division=division)
    bend(tree)
    result = tree.read()
    rule = next(rule for rule in rules_for(result) if rule.id == "3.3.2")
    evaluation = rule.evaluate(result, edition_of(result))
    properties = []
    records.record_rule(properties, result, evaluation, weighed(evaluation.findings, result.division))
    said = records.facts(properties)
    assert (said.rule, said.result, said.division, said.verdict) == ("3.3.2", tree.relpath, division, word)
