"""Errors of workers as words and back, and the exit code of each."""

import signal

import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, EngineError, EngineUnavailableError, MPIError
from pytest_mlpstorage.ranks.program import EXIT_EXCEPTION, EXIT_REFUSED
from pytest_mlpstorage.vectordb.failures import of_words, words_of
from pytest_mlpstorage.vectordb.program import EXIT_DEADLINE, exit_code
from pytest_mlpstorage.vectordb.workers import CrashError, DeadlineError


@pytest.mark.parametrize("kind", [EngineError, EngineUnavailableError, ConfigurationError, BenchmarkExecutionError, MPIError])
def test_an_error_comes_over_the_line_with_its_kind_details_and_suggestion(kind):
    error = kind("it broke", details={"where": 3}, suggestion="mend it", cause=ValueError("why"))
    again = of_words(words_of(error))
    assert type(again) is kind
    assert again.message == "it broke"
    assert again.details == {"where": "3", "cause": "ValueError: why"}
    assert again.suggestion == "mend it"


def test_an_error_of_a_plug_ins_own_kind_comes_as_the_nearest_of_ours():
    class Own(EngineError):
        """Of a third party."""

    assert type(of_words(words_of(Own("x")))) is EngineError


def test_an_error_that_nobody_expected_names_itself_and_its_place():
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        words = words_of(error)
    assert words["kind"] == ""
    again = of_words(words)
    assert type(again) is BenchmarkExecutionError
    assert again.message == "ZeroDivisionError: by zero"
    assert __file__ in again.details["where"]


@pytest.mark.parametrize("said", [{}, {"kind": 3, "message": None, "details": "x"}])
def test_words_that_are_none_still_make_an_error(said):
    assert isinstance(of_words(said), BenchmarkExecutionError)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CrashError("x", number=signal.SIGSEGV), 139),
        (CrashError("x"), EXIT_REFUSED),
        (DeadlineError("x"), EXIT_DEADLINE),
        (EngineError("x"), EXIT_REFUSED),
        (KeyboardInterrupt("x"), EXIT_REFUSED),
        (ZeroDivisionError("x"), EXIT_EXCEPTION),
    ],
)
def test_each_failure_has_its_exit_code(error, code):
    assert exit_code(error) == code
