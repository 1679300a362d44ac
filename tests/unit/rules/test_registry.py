"""Registering and evaluating a rule."""

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.rules.registry import Registry, rule, rule_order
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

BOOK = edition("3.0")


def registered(function, **options):
    registry = Registry()
    rule("9.9", "nine", subject=str, editions=("3.0",), registry=registry, **options)(function)
    return registry


def says(*said):
    def function(subject, edition):
        """Say what was given."""
        yield from said

    return function


def test_a_rule_without_words_of_its_own_is_refused():
    def silent(subject, edition):
        yield from ()

    with pytest.raises(ValueError, match="docstring"):
        registered(silent)


def test_a_second_rule_of_one_id_is_refused():
    registry = registered(says())
    with pytest.raises(ValueError, match="twice"):
        rule("9.9", "again", subject=str, editions=("3.0",), registry=registry)(says())


def test_the_docstring_is_the_text_and_findings_carry_the_rule():
    (nine,) = registered(says(Finding("bad"))).all_rules()
    assert nine.text == "Say what was given."
    assert [f.rule for f in nine.evaluate("x", BOOK).findings] == ["9.9"]


def test_findings_that_differ_only_in_their_file_become_one_with_a_count():
    (nine,) = registered(says(*(Finding("bad", measured=1, file=f"run{n}") for n in range(6)), Finding("bad", measured=2))).all_rules()
    assert [(f.file, f.measured, f.count) for f in nine.evaluate("x", BOOK).findings] == [("run0", 1, 6), ("", 2, 1)]


def test_equal_lacks_of_evidence_are_told_once():
    (nine,) = registered(says(NoEvidence("gone", "a"), NoEvidence("gone", "a"), NoEvidence("gone", "b"))).all_rules()
    assert nine.evaluate("x", BOOK).lacking == (NoEvidence("gone", "a"), NoEvidence("gone", "b"))


def test_half_a_character_that_a_file_holds_is_told_by_its_number():
    half = "\ud800 \udcff ü"
    told = Finding(half, measured=half, required=half, file=half, field=half)
    (nine,) = registered(says(told, NoEvidence(half, half), Finding("x", measured=1.5))).all_rules()
    evaluation = nine.evaluate("x", BOOK)
    (finding, other), (lacking,) = evaluation.findings, evaluation.lacking
    texts = {finding.message, finding.measured, finding.required, finding.file, finding.field, lacking.reason, lacking.file}
    assert texts == {"\\ud800 \\udcff ü"}
    assert other.measured == 1.5


def test_a_rule_that_only_warns_cannot_cost_a_verdict():
    (nine,) = registered(says(Finding("bad")), severity=Severity.WARNING).all_rules()
    (finding,) = nine.evaluate("x", BOOK).findings
    assert (finding.severity, finding.category) == (Severity.WARNING, Category.CLOSED)


@pytest.mark.parametrize(("division", "asked"), [(Division.CLOSED, True), (Division.OPEN, False), (Division.WHATIF, True)])
def test_a_rule_is_asked_in_its_divisions_and_always_in_whatif(division, asked):
    registry = registered(says(), divisions=(Division.CLOSED,))
    assert bool(registry.rules_for(str, "3.0", division)) is asked


def test_a_rule_is_asked_only_about_its_kind_of_subject_and_its_editions():
    registry = registered(says())
    assert registry.rules_for(int, "3.0", Division.CLOSED) == ()
    assert registry.rules_for(str, "2.0", Division.CLOSED) == ()


def test_rules_are_sorted_as_people_count():
    ids = ["EDN-01", "2.1.19", "2.1.9", "10.1", "2.1.17"]
    assert sorted(ids, key=rule_order) == ["2.1.9", "2.1.17", "2.1.19", "10.1", "EDN-01"]
