"""What an item says of findings that fail nothing: warnings whole, remarks of one rule in a few lines."""

from pytest_mlpstorage.report.notes import note_lines
from pytest_mlpstorage.verdict import Category, Finding, Severity


def info(rule, message, **more):
    return Finding(message, Severity.INFO, Category.CLOSED, rule=rule, **more)


def told(*findings, every=False):
    return list(note_lines("case", findings, {finding: finding.line() for finding in findings}, every=every))


def test_remarks_that_differ_in_their_place_alone_are_told_once():
    one, other = (info("6.3.1", "another duration", measured=5, field=field) for field in ("args", "parameters"))
    assert told(one, other) == [
        "case: info: [6.3.1] another duration; measured 5; in args",
        "case: info: [6.3.1] … and 1 more of this rule (-v)",
    ]
    assert len(told(one, other, every=True)) == 2


def test_of_a_rule_the_first_remarks_are_told_and_how_many_more_there_are():
    many = [info("6.3.1", f"value {number}") for number in range(5)]
    beside = info("6.6.1", "alone")
    assert told(*many, beside) == [
        "case: info: [6.3.1] value 0",
        "case: info: [6.3.1] value 1",
        "case: info: [6.3.1] … and 3 more of this rule (-v)",
        "case: info: [6.6.1] alone",
    ]
    assert len(told(*many, beside, every=True)) == 6


def test_every_warning_is_told_and_no_error():
    warned = [Finding(f"value {number}", Severity.WARNING, Category.CLOSED, rule="6.3.1") for number in range(5)]
    assert told(*warned, Finding("broken", rule="6.3.1")) == [f"case: warning: [6.3.1] value {number}" for number in range(5)]


def test_as_many_as_are_told_have_no_line_of_more():
    assert not any("more" in line for line in told(info("a", "x"), info("a", "y"), info("b", "z")))
