"""Names of a foreign tree are harmless wherever they are shown."""

import pytest

from pytest_mlpstorage.report.text import cell, escaped, number, plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udc80", "\\udc80"),
        ("caffè × 2", "caffè × 2"),
    ],
)
def test_nothing_in_a_name_reaches_the_terminal_as_a_command(given, shown):
    assert plain(given) == shown


def test_a_long_name_is_cut_and_says_so():
    assert plain("x" * 5000, longest=10) == "xxxxxxxxxx… (5000 characters)"


def test_markup_and_quotes_are_escaped_for_a_browser():
    assert escaped('<a href="x">\'&\x1b') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;\\x1b"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (1234.5678, "1,234.57"),
        (1234.0, "1,234.00"),
        (1e6, "1,000,000"),
        (7, "7"),
        (True, "True"),
        ("\x1b", "\\x1b"),
        (float("nan"), "nan"),
    ],
)
def test_figures_are_written_for_people(value, shown):
    assert number(value) == shown


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_spreadsheet_takes_a_name_for_a_formula(formula):
    assert cell(formula) == "'" + formula
