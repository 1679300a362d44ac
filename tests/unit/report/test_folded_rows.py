"""Rows that share one in the table of a large tree: which do, what the row then says, and that the counts stay those of the tests."""

import pytest

from pytest_mlpstorage.report.collector import Item
from pytest_mlpstorage.report.folded_rows import MOST_ROWS, folded, rules_html, told
from pytest_mlpstorage.report.html import row_cells
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

MODULE = "rules/test_training.py"
WARNED = (Finding("few", Severity.WARNING, rule="x"),)
NOTED = (Finding("a <note>", Severity.INFO, rule="x", measured=3),)
OPENED = (Finding("not closed", Severity.INFO, Category.OPEN, rule="x"),)


def item(rule, result="closed/a/b", outcome="passed", verdict="ok", **facts):
    said = Facts(rule=rule, rule_name=f"name{rule}", verdict=verdict, division="closed", result=result, **facts)
    return Item(f"{MODULE}::test_rule[{rule}-{said.rule_name}-{result}]", outcome, said, "Skipped: human review: whether so" * (not facts))


def row(one, duration="600 ms", **others):
    verdict, measured, required, rule = row_cells(one.facts, one.outcome)
    result = one.outcome.capitalize()
    cells = [f'<td class="col-result">{result}</td>', f'<td class="col-testId">{one.nodeid}</td>', verdict, measured, required, rule]
    cells += [f'<td class="col-{name}">{text.format(rule=one.facts.rule)}</td>' for name, text in others.items()]
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
        '<td data-n="2" data-m="2|3" class="col-verdict mlps-text-good" data-s="3" data-o="passed">ok</td>',
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
        {"findings": OPENED, "verdict": "OPEN at best"},
        {"outcome": "skipped", "verdict": "NOT VERIFIED", "lacking": (NoEvidence("gone", ""),)},
        {"outcome": "failed"},
    ],
    ids=["failed", "warned", "open at best", "not verified", "failed without a finding"],
)
def test_what_matters_keeps_its_own_row_as_it_was(others):
    items = [item(rule, **others) for rule in ("3.1.1", "3.1.2")]
    assert shared(*items) == table(items)


def test_what_costs_closed_never_shows_the_verdict_of_a_note():
    items = [item("3.1.1", findings=NOTED), item("3.1.2", findings=OPENED, verdict="OPEN at best"), item("3.1.3", findings=NOTED)]
    rows = shared(*items)
    assert rows.pop(items[1].nodeid) == [row(items[1])]
    ((made,),) = rows.values()
    assert (made["rule"], made["verdict"]) == ("3.1.1, 3.1.3", "ok")


def test_a_shared_row_tells_of_each_rule_what_it_measured_and_what_is_required():
    ((made,),) = shared(item("3.1.1", measured="70 files", required="at least 68 files"), item("3.1.2")).values()
    assert made["log"] == "3.1.1 name3.1.1\n  measured 70 files; required at least 68 files\n3.1.2 name3.1.2"


def test_a_shared_row_tells_the_page_which_rules_it_is_for_and_what_each_alone_would_say():
    noted = [item("3.1.1", findings=NOTED, measured="<3|4>", required="5"), item("3.1.2", findings=NOTED)]
    ((made,),) = shared(*noted, mine="of {rule}").values()
    verdict = made["resultsTableRow"][2]
    assert 'data-m="1 &lt;3 4&gt; 5 of 3.1.1|2 of 3.1.2"' in verdict
    assert rules_html(many(*noted)) == (
        '<script type="application/json" id="mlps-rules">[["2.1.1", "name2.1.1"], ["3.1.1", "name3.1.1"], ["3.1.2", "name3.1.2"]]</script>'
    )


def test_the_phase_in_which_an_item_was_skipped_can_be_found():
    people = [item(rule, outcome="skipped", verdict="human review") for rule in ("3.1.1", "3.1.2")]
    tests = table(many(*people))
    for one in people:
        tests[one.nodeid][0]["testId"] += "::setup"
    made = next(rows[0] for key, rows in folded(tests, many(*people)).items() if "for a person" in key)
    assert 'data-m="1 ::setup|2 ::setup"' in made["resultsTableRow"][2]


def test_names_of_rules_cannot_end_the_table_of_them():
    assert rules_html([item("</script>")]).count("<") == 2


def test_columns_of_others_are_kept_where_all_that_share_a_row_say_the_same():
    items = [item("3.1.1"), item("3.1.2")]
    ((made,),) = shared(*items, mine="both", other="{rule}").values()
    assert made["resultsTableRow"][6:8] == ['<td class="col-mine">both</td>', '<td class="col-other"></td>']


def test_an_item_that_is_not_named_by_its_rule_keeps_its_own_row():
    items = [item("3.1.1"), item("3.1.2")]
    items = [Item(one.nodeid.replace("[3.", "[x3."), one.outcome, one.facts, one.message) for one in items]
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
