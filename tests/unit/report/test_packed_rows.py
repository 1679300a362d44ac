"""The packed rows of the table: all of pytest-html's data can be had again from them, and they are small."""

import json
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.report.packed_rows import _found, packed

CELLS = ["result", "testId", "verdict", "measured", "required", "rule", "duration", "links"]


def written(nodeid, result="Passed", log="No log output captured.", **more):
    values = {"result": result, "testId": nodeid, "verdict": "ok", "measured": "", "required": "", "rule": "3.1.1 x", "duration": "0 ms"}
    row = [f'<td class="col-{name}">{values.get(name, "")}</td>' for name in CELLS]
    return {"extras": [], "resultsTableRow": row, "log": log, **values, **more}


def unpacked(data):
    """As the script of the page does it."""
    texts = data["texts"]

    def text(at):
        return texts[at] if isinstance(at, int) else "".join(texts[one] for one in at)

    for log, more, *cells in data["rows"]:
        row = [text(cell) for cell in cells]
        yield {"extras": [], "log": text(log), "resultsTableRow": row, **dict(_found(row)), **(more or {})}


def test_every_row_comes_back_with_all_that_the_table_sorts_and_shows():
    failed = written("rules/test_a.py::test_rule[3.3.2-x-closed/a/b]", "Failed", "E  <b>why</b>\nmore")
    tests = {"a": [written("rules/test_a.py::test_rule[3.1.1-x-closed/a/b]"), failed], "b": [written("tests/test_b.py::test_c::setup")]}
    assert list(unpacked(json.loads(json.dumps(packed(tests))))) == [
        {**test, "links": ""} for of_item in tests.values() for test in of_item
    ]


def test_what_others_put_into_a_row_is_kept():
    extra = {"name": "x", "format_type": "html", "content": "<p>"}
    ours = written("t::a", extras=[extra], mine=3, verdict="not what its cell says")
    (back,) = unpacked(packed({"a": [ours]}))
    assert (back["extras"], back["mine"], back["verdict"]) == ([extra], 3, "not what its cell says")


@pytest.mark.parametrize("name", ["log", "extras", "resultsTableRow", "tableHtml"])
def test_a_column_named_like_what_the_table_is_made_of_does_not_take_its_place(name):
    ours = written("t::a", log="why it failed")
    ours["resultsTableRow"].append(f'<td class="col-{name}">short</td>')
    if name in ("extras", "tableHtml"):  # pytest-html takes the text of the column there
        ours[name] = "short"
    (back,) = unpacked(packed({"a": [ours]}))
    assert (back["log"], back["extras"]) == ("why it failed", [])
    assert back["resultsTableRow"] == ours["resultsTableRow"]
    assert "tableHtml" not in back


@given(st.lists(st.text(alphabet="ab[]-/<>\r\n\u2028é closedwhtif_:.", max_size=40), max_size=5))
def test_a_row_of_any_text_comes_back(names):
    tests = {str(number): [written(name, log=name)] for number, name in enumerate(names)}
    back = list(unpacked(packed(tests)))
    assert [{key: one[key] for key in ("log", "resultsTableRow", "testId")} for one in back] == [
        {key: test[key] for key in ("log", "resultsTableRow", "testId")} for (test,) in tests.values()
    ]


def test_a_row_of_a_large_tree_takes_some_fifty_bytes_and_no_longer_a_thousand():
    tests = {
        nodeid: [written(nodeid)]
        for result in range(100)
        for rule in range(40)
        for nodeid in [
            f"rules/test_training.py::test_rule[3.3.{rule}-aRuleOfSomeName-closed/acme/results/system-{result:03}/training/unet3d]"
        ]
    }
    assert len(escape(json.dumps(tests))) > 1000 * len(tests)
    assert len(escape(json.dumps(packed(tests)))) < 60 * len(tests)
