"""Rows that share one in the table of a large tree: which do, what the row then says, and that the counts stay those of the tests."""

import pytest

from pytest_mlpstorage.report.collector import Item
from pytest_mlpstorage.report.folded_rows import MOST_ROWS, folded, told
from pytest_mlpstorage.report.html import row_cells
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.verdict import Finding, NoEvidence, Severity

MODULE = "rules/test_training.py"
WARNED = (Finding("few", Severity.WARNING, rule="x"),)
NOTED = (Finding("a <note>", Severity.INFO, rule="x", measured=3),)


def item(rule, result="closed/a/b", outcome="passed", verdict="ok", **facts):
    said = Facts(rule=rule, rule_name=f"name{rule}", verdict=verdict, division="closed", result=result, **facts)
    return Item(f"{MODULE}::test_rule[{rule}-{said.rule_name}-{result}]", outcome, said, "Skipped: human review: whether so" * (not facts))


def row(one, duration="600 ms"):
    verdict, measured, required, rule = row_cells(one.facts, one.outcome)
    result = one.outcome.capitalize()
    cells = [f'<td class="col-result">{result}</td>', f'<td class="col-testId">{one.nodeid}</td>', verdict, measured, required, rule]
    cells += [f'<td class="col-duration">{duration}</td>', '<td class="col-links"></td>']
    found = {"result": result, "testId": one.nodeid, "verdict": one.facts.verdict, "duration": duration}
    return {"extras": [], "resultsTableRow": cells, "log": "why", **found}


def table(items, **more):
    return {one.nodeid: [row(one, **more)] for one in items}


def many(*items):
    """With so many others, each alone, that rows are folded."""
    return [*items, *(item("2.1.1", f"closed/other-{number}") for number in range(MOST_ROWS))]


def shared(*items, **more):
    """The rows that are there of some items in a large table."""
    others = {one.nodeid for one in many()}
    return {key: rows for key, rows in folded(table(many(*items), **more), many(*items)).items() if key not in others}


def test_as_many_as_a_browser_opens_at_once_stay_as_they_are():
    items = many(item("3.1.1"), item("3.1.2"))[:MOST_ROWS]
    assert folded(table(items), items) == table(items)


def test_rules_of_one_section_that_passed_share_a_row_for_each_subject():
    items = [item("3.1.1"), item("3.1.2"), item("2.1.1"), item("2.1.2"), item("3.1.1", "closed/a/c"), item("MLPS-X-1")]
    rows = shared(*items)
    assert len(rows) == 4
    made = next(rows[0] for key, rows in rows.items() if " 3 " in key)
    assert made["testId"] == f"{MODULE}: 2 rules passed, section 3 Training [2-closed/a/b]"
    assert made["resultsTableRow"] == [
        '<td class="col-result">Passed</td>',
        f'<td class="col-testId">{made["testId"]}</td>',
        '<td data-n="2" class="col-verdict mlps-text-good" data-s="3" data-o="passed">ok</td>',
        '<td class="col-measured"></td>',
        '<td class="col-required"></td>',
        '<td class="col-rule">3.1.1, 3.1.2</td>',
        '<td class="col-duration">00:00:01</td>',
        '<td class="col-links"></td>',
    ]
    assert (made["rule"], made["duration"], made["result"]) == ("3.1.1, 3.1.2", "00:00:01", "Passed")
    assert made["log"] == "3.1.1 name3.1.1\n3.1.2 name3.1.2"


@pytest.mark.parametrize(("duration", "sum_of_two"), [("400 ms", "800 ms"), ("500 ms", "00:00:01"), ("01:30:40", "03:01:20")])
def test_a_row_for_several_lasted_as_long_as_all_of_them(duration, sum_of_two):
    ((made,),) = shared(item("3.1.1"), item("3.1.2"), duration=duration).values()
    assert made["duration"] == sum_of_two


def test_what_only_a_person_can_decide_shares_a_row_with_what_to_look_at():
    human = [item(rule, outcome="skipped", verdict="human review") for rule in ("3.1.1", "3.1.2")]
    ((made,),) = shared(*human).values()
    assert "2 rules for a person to decide" in made["testId"]
    assert made["log"] == "3.1.1 name3.1.1\n  whether so\n3.1.2 name3.1.2\n  whether so"


def test_notes_are_told_in_whole_where_they_share_a_row():
    noted = [item(rule, findings=NOTED) for rule in ("3.1.1", "3.1.2")]
    ((made,),) = shared(*noted).values()
    assert made["log"].count("[x] a &lt;note&gt;; measured 3") == 2


@pytest.mark.parametrize(
    "others",
    [
        {"outcome": "failed", "findings": (Finding("bad", rule="x"),)},
        {"findings": WARNED},
        {"outcome": "skipped", "verdict": "NOT VERIFIED", "lacking": (NoEvidence("gone", ""),)},
        {"outcome": "failed"},
    ],
    ids=["failed", "warned", "not verified", "failed without a finding"],
)
def test_what_matters_keeps_its_own_row_as_it_was(others):
    items = [item(rule, **others) for rule in ("3.1.1", "3.1.2")]
    assert shared(*items) == table(items)


def test_what_is_no_rule_or_was_written_by_others_keeps_its_own_row():
    items = [item("3.1.1"), item("3.1.2")]
    tests = table(many(*items), duration="quick")
    assert folded(tests, many(*items)) == tests
    tests = table(many(*items))
    tests[items[0].nodeid][0]["extras"] = [{"name": "x"}]
    assert items[0].nodeid in folded(tests, many(*items))
    own = {"tests/test_mine.py::test_it": [{"extras": [], "resultsTableRow": ["<td>x</td>"], "log": ""}] * 2}
    assert folded({**table(many(*items)), **own}, many(*items))["tests/test_mine.py::test_it"] == own["tests/test_mine.py::test_it"]


def test_the_page_says_what_shares_a_row():
    assert told(7, 7) == ""
    assert "share one row for each section of the rule book and each subject (12,000 tests in 900 rows)" in told(12_000, 900)
