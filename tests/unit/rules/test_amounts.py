"""What was measured and required, as a person reads it: no more digits than help, and never another judgement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.verdict import Finding, amounts


@pytest.mark.parametrize(
    ("measured", "required", "shown"),
    [
        (19.65438650504595, 90.0, ("19.6544", "90.0")),
        (0.5166000000000001, None, ("0.5166", "")),
        ("6.780038 s", "at most 5 s", ("6.78004 s", "at most 5 s")),
        ("1933.62702 s", "at most 436.618 s", ("1933.63 s", "at most 436.618 s")),
        ("6.780038 s", "at most 460.302888 s, 1 × the mean run", ("6.78004 s", "at most 460.303 s, 1 × the mean run")),
        ("460.302887 s", "less than 460.302888 s", ("460.302887 s", "less than 460.302888 s")),
        ("89.1234567 %", "at least 90 %", ("89.1235 %", "at least 90 %")),
        ("89.99999987 %", "at least 90 %", ("89.99999987 %", "at least 90 %")),
        (89.1234567, "at least 90 %", ("89.1234567", "at least 90 %")),
        # Beside a range, another unit, or words nobody knows on which side of a limit it would fall.
        (100.00000001, "0 to 100", ("100.00000001", "0 to 100")),
        (0.5700001, "57 %", ("0.5700001", "57 %")),
        ("1.00000001 min", "at most 60 s", ("1.00000001 min", "at most 60 s")),
        ("6.780038 s", "any time", ("6.780038 s", "any time")),
        ("6.780038 s, 2.1234567 times", None, ("6.78004 s, 2.1234567 times", "")),
        ("-12.3456789", 3, ("-12.3457", "3")),
        # What would be put onto the limit, or over it, is left whole.
        (89.99999999, 90, ("89.99999999", "90")),
        (90.0000001, 90.00000004, ("90.0000001", "90.00000004")),
        (1.0000001, 1.0000004, ("1.0000001", "1.0000004")),
        (2, 2.00000001, ("2", "2.00000001")),
        # No decimals of a measurement, and no number.
        (123456.78901234, 5, ("123456.78901234", "5")),
        (0.12345, 1e-07, ("0.12345", "1e-07")),
        ("0.1234567 GiB", float("nan"), ("0.1234567 GiB", "nan")),
        ("9" * 400, "8.1234567", ("9" * 400, "8.12346")),
        (None, None, ("", "")),
        (0, "", ("0", "")),
    ],
)
def test_long_decimals_are_shortened_and_nothing_else(measured, required, shown):
    assert amounts(measured, required) == shown


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_number_stays_on_its_side_of_the_other(measured, required):
    a, b = map(float, amounts(measured, required))
    assert (a > b, a < b) == (measured > required, measured < required)
    assert a == pytest.approx(measured, rel=1e-5)


def test_a_line_has_them_so():
    assert Finding("too low", measured=19.65438650504595, required=90.0, rule="3.3.2").line() == (
        "[3.3.2] too low; measured 19.6544; required 90.0"
    )
