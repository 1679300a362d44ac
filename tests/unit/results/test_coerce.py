"""Values as real files hold them."""

import datetime as dt
import json

import pytest

from pytest_mlpstorage.results.coerce import Reading, boolean, integer, native, number, wall_time


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0), (1.5, 1.5), ("195.15", 195.15), (" 20 ", 20.0), ("1e3", 1000.0), ("-.5", -0.5), ("0", 0.0),
        (None, None), (True, None), ("True", None), ("", None), ("abc", None), ("1_000", None), ("٣", None), ([], None), ({}, None),
        (float("nan"), None), (float("inf"), None), ("nan", None), ("inf", None), ("1e999", None), (10**400, None), ("9" * 500, None),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_a_number_is_a_finite_float_or_none(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (20, 20), ("17023000", 17023000), (20.0, 20), ("20.0", 20), (2**63 + 1, 2**63 + 1), ("9007199254740993", 9007199254740993),
        (20.5, None), (True, None), (None, None), ("x", None), (float("nan"), None), (10**400 - 1, 10**400 - 1), (10**400, None), (-(10**400), None),
    ],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_a_whole_number_keeps_every_digit(value, expected):
    assert integer(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), ("True", True), ("false", False), (1, None), ("1", None), (None, None)], ids=repr
)
def test_a_boolean_may_be_text_but_never_a_number(value, expected):
    assert boolean(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("True", True), ("100", 100), ("0.5", 0.5), ("/data", "/data"), (15, 15), (None, None), ("nan", "nan")],
    ids=repr,
)
def test_a_command_line_value_gets_the_type_it_stands_for(value, expected):
    assert native(value) == expected
    assert type(native(value)) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-07-13T09:08:29.751471", dt.datetime(2026, 7, 13, 9, 8, 29, 751471)),
        ("2026-07-13T09:08:24Z", dt.datetime(2026, 7, 13, 9, 8, 24)),
        ("2026-07-13 09:08:24+09:00", dt.datetime(2026, 7, 13, 9, 8, 24)),
        ("2026-07-13T09:08:24.5", dt.datetime(2026, 7, 13, 9, 8, 24, 500000)),
        ("20260713_090822", dt.datetime(2026, 7, 13, 9, 8, 22)),
        ("2026-13-45T09:08:24", None),
        ("yesterday", None),
        (1752397704, None),
        (None, None),
    ],
    ids=repr,
)
def test_a_time_is_the_wall_clock_as_written_without_its_zone(text, expected):
    assert wall_time(text) == expected


def test_an_absent_field_is_none_and_no_complaint():
    fields = Reading({"null": None})
    assert fields.number("null") is fields.integer("absent") is fields.text("absent") is fields.time("absent") is None
    assert fields.numbers("absent") is None
    assert fields.mapping("null") is None
    assert fields.problems == []


def test_a_field_of_the_wrong_kind_is_none_and_named_with_its_path():
    fields = Reading({"au": float("nan"), "list": [1, "x"], "when": "noon", "who": {}, "count": 1.5, "map": []}, "metric.")
    assert fields.number("au") is fields.numbers("list") is fields.time("when") is fields.text("who") is fields.integer("count") is None
    assert fields.mapping("map") is None
    assert fields.problems == [
        "metric.au is 'nan', not a finite number",
        "metric.list is \"[1, 'x']\", not a list of finite numbers",
        "metric.when is 'noon', not a time",
        "metric.who is '{}', not a text",
        "metric.count is '1.5', not a whole number",
        "metric.map is '[]', not an object",
    ]


def test_an_empty_list_stays_an_empty_list():
    assert Reading({"au": []}).numbers("au") == ()


def test_a_value_nested_as_deep_as_json_goes_is_a_problem_and_no_crash():
    deep = json.loads('{"a":' * 900 + "1" + "}" * 900)
    reading = Reading({"x": deep, "y": [deep]})
    assert (reading.number("x"), reading.numbers("y"), reading.text("y")) == (None, None, None)
    assert len(reading.problems) == 3
    assert all("{'a': {'a'" in problem and len(problem) < 200 for problem in reading.problems)
