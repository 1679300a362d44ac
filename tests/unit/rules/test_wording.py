"""How findings write what was measured."""

import pytest

from pytest_mlpstorage.rules.wording import LONGEST, seconds, shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None), ("text", "text"), ("", ""), (7, "7"), (1.5, "1.5"), (True, "True"), ("x" * 200, "x" * LONGEST),
        ({"a": 1}, "an object of 1 keys"), ([1, 2], "a list of 2 values"), ((), "a list of 0 values"),
    ],
)  # fmt: skip
def test_a_foreign_value_is_repeated_in_short(value, expected):
    assert shown(value) == expected


def test_what_is_nested_too_deep_to_write_out_is_named():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "a list of 1 values"


@pytest.mark.parametrize(
    ("value", "expected"), [(480.0, "480 s"), (479.9999, "479.9999 s"), (0.0, "0 s"), (-5.5, "-5.5 s"), (1e-7, "0 s"), (100.0, "100 s")]
)
def test_seconds_have_no_more_digits_than_they_need(value, expected):
    assert seconds(value) == expected
