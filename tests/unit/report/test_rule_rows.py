"""Rules by sections of the book, and what came of each."""

import dataclasses

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.rule_rows import OUTCOMES, OWN, SECTIONS, RuleRow, rows_of_result_judged, section_of
from pytest_mlpstorage.rules.catalogue import catalogue, catalogue_editions
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

BAD = Finding("bad", measured=1, required=2, rule="X")
OPEN = Finding("open", severity=Severity.INFO, category=Category.OPEN, rule="X")
INFO = Finding("info", severity=Severity.INFO, category=Category.CLOSED, rule="X")
WARNING = Finding("warned", severity=Severity.WARNING, category=Category.CLOSED, rule="X")
DEMOTED = Finding("bad", severity=Severity.INFO, rule="X")
GONE = NoEvidence("the file is gone", "x.json")


@pytest.mark.parametrize(
    ("rule", "family", "section"),
    [
        ("1.2", "", "1"),
        ("GEN-3", "", "1"),
        ("SUB-2", "training", "1"),
        ("2.1.17", "training", "2"),
        ("2.29", "", "2"),
        ("SYS-04", "", "2"),
        ("EDN-02", "training", "2"),
        ("CHECK-01", "", "2"),
        ("3.3.2", "training", "3"),
        ("RC-TRN-6", "training", "3"),
        ("ACC-TRN", "training", "3"),
        ("MANIFEST-OVERRIDDEN", "training", "3"),
        ("SUB-TRN-1", "training", "3"),
        ("4.3.1", "checkpointing", "4"),
        ("SUB-CKP-1", "checkpointing", "4"),
        ("V2-CKPSUB-check_num_runs", "checkpointing", "4"),
        ("V2-TRN-check_au_success", "training", "3"),
        ("RC-VDB-2", "vector_database", "5"),
        ("REP-KVC-1", "kv_cache", "6"),
        ("RC-KVC-1 to RC-KVC-9", "kv_cache", "6"),
        ("V1-7", "training", "3"),
        ("V2-T4", "checkpointing", "4"),
        ("V2-T5", "submission", "2"),
        ("MLPS-VDB-01", "vector_database", OWN),
        ("nobody's", "", "2"),
    ],
)
def test_a_rule_stands_in_its_section(rule, family, section):
    assert section_of(rule, family) == section


def test_each_rule_of_each_edition_has_a_section():
    assert {section_of(rule.id) for edition in catalogue_editions() for rule in catalogue(edition)} <= set(SECTIONS)


@pytest.mark.parametrize(
    ("division", "findings", "lacking", "outcome"),
    [
        ("closed", (), (), "passed"),
        ("closed", (BAD,), (), "failed"),
        ("closed", (BAD,), (GONE,), "failed"),
        ("closed", (WARNING,), (GONE,), "not verified"),
        ("closed", (WARNING,), (), "warned"),
        ("closed", (INFO, OPEN), (), "noted"),
        ("whatif", (DEMOTED, WARNING), (), "would fail"),
        ("whatif", (DEMOTED,), (GONE,), "would fail"),
        ("whatif", (WARNING,), (GONE,), "not verified"),
        ("closed", (DEMOTED,), (), "noted"),
        ("whatif", (OPEN,), (), "noted"),
    ],
)
def test_what_came_of_a_rule(division, findings, lacking, outcome):
    assert outcome in OUTCOMES
    assert RuleRow.of("X", "name", division, findings, lacking).outcome == outcome


def test_the_gravest_finding_is_told_with_how_many_there_are():
    row = RuleRow.of("X", "name", "closed", (INFO, WARNING, BAD), ())
    assert (row.measured, row.required, row.message) == ("1", "2", "bad (×3)")
    assert RuleRow.of("X", "name", "closed", (), (GONE,)).message == "the file is gone"


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ((), ("97 %", "at least 90 %")),
        ((INFO,), ("97 %", "at least 90 %")),
        ((dataclasses.replace(INFO, measured=1),), ("97 %", "at least 90 %")),
        ((dataclasses.replace(INFO, measured=1, required=2),), ("1", "2")),
        ((BAD,), ("1", "2")),
        ((DEMOTED,), ("", "")),
        ((WARNING,), ("", "")),
        ((OPEN,), ("", "")),
    ],
)
def test_a_rule_that_is_met_tells_what_it_measured_and_what_is_required(findings, told):
    row = RuleRow.of("X", "name", "closed", findings, (), ("97 %", "at least 90 %"))
    assert (row.measured, row.required) == told


def test_a_result_that_is_judged_again_says_which_rules_were_not_asked(tmp_path):
    rows = {row.id: row for row in rows_of_result_judged(TrainingTree.write(tmp_path).read())}
    assert (rows["3.3.7"].outcome, rows["3.3.7"].required) == ("not asked", "asked of runs on several hosts")
    assert rows["3.3.2"].outcome == "passed"


def test_what_was_met_is_not_told_of_a_rule_that_lacks_evidence():
    assert RuleRow.of("X", "name", "closed", (), (GONE,), ("97 %", "at least 90 %")).measured == ""


def test_an_item_that_only_a_person_can_decide_says_so():
    asked = RuleRow.of_item(Facts(rule="1.2", rule_name="n", verdict="human review"), "Skipped: human review: whether it is so")
    assert (asked.outcome, asked.message) == ("human", "whether it is so")
    assert RuleRow.of_item(Facts(rule="3.3.2", rule_name="n", findings=(BAD,), division="closed")).outcome == "failed"


def test_a_result_that_a_benchmark_judged_is_asked_once_more_and_tells_what_is_left_for_people(tmp_path):
    tree = TrainingTree.write(tmp_path, division="whatif", runs=3)
    tree.edit_metric(run=2, train_au_mean_percentage=88.125)
    rows = rows_of_result_judged(tree.read())
    by_id = {row.id: row for row in rows}
    assert len(by_id) == len(rows)
    assert (by_id["3.3.2"].outcome, by_id["3.3.2"].measured, by_id["3.3.2"].required) == ("would fail", "88.125", "90.0")
    assert (by_id["2.1.18a"].outcome, by_id["3.1.1"].outcome) == ("human", "passed")
    assert "consecutive" in by_id["2.1.18a"].message
    order = [OUTCOMES.index(row.outcome) for row in rows]
    assert order == sorted(order)
