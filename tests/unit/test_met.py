"""What rules tell of demands that are met, over all runs of a result."""

import pytest

from pytest_mlpstorage.met import Met, combined


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ([], ("", "")),
        ([Met("5 runs", "5 runs")], ("5 runs", "5 runs")),
        ([Met(70, 68), Met(70, 68)], ("70", "68")),
        (
            [Met("97.1 %", "at least 90 %"), Met("96.25 %", "at least 90 %"), Met("100 %", "at least 90 %")],
            ("96.25 to 100 %", "at least 90 %"),
        ),
        ([Met("9%", "x"), Met("10%", "x")], ("9 to 10%", "x")),
        ([Met("-3 s", "x"), Met("2 s", "x")], ("-3 to 2 s", "x")),
        ([Met("5 runs", "x"), Met("6 hosts", "x")], ("5 runs, 6 hosts", "x")),
        ([Met("5 runs", "x"), Met("none", "x")], ("5 runs, none", "x")),
        ([Met(text, "x") for text in "abcde"], ("a, b, c, … 2 more", "x")),
        ([Met("70 files", "at least 68"), Met("3 folders", "at least 3")], ("70 files; 3 folders", "at least 68; at least 3")),
        ([Met(n, f"at least {n}") for n in range(5)], ("0; 1; 2; … 2 more", "at least 0; at least 1; at least 2; … 2 more")),
        ([Met(97.123456789, 90.0)], ("97.1235", "90.0")),
        ([Met(89.99999999, 89.99999998)], ("89.99999999", "89.99999998")),
        (
            [Met("89.99999 %", "at least 89.99998 %"), Met("95.123456 %", "at least 89.99998 %")],
            ("89.99999 to 95.123456 %", "at least 89.99998 %"),
        ),
        ([Met("1e400", "x"), Met("9" * 400, "x")], (f"1e400, {'9' * 400}", "x")),
    ],
)
def test_values_against_one_requirement_become_one_text(told, shown):
    assert combined(told) == shown


def test_of_long_lists_each_side_says_how_much_is_left_out():
    measured, required = combined(Met(f"value {n}", f"limit {n}") for n in range(9))
    assert measured.count(";") == required.count(";") == 3
