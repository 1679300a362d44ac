"""What pip's failures are turned into."""

import sys

import pytest

from pytest_mlpstorage.bootstrap.pip import explain, run_pip
from pytest_mlpstorage.errors import DependencyError, FileSystemError

COMMAND = ["python", "-m", "pip", "install", "x y"]


@pytest.mark.parametrize(
    ("lines", "kind", "message"),
    [
        (["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"], FileSystemError, "disk is full"),
        (
            [
                "WARNING: Retrying after connection broken by 'NewConnectionError(': Failed to establish a new connection'",
                "ERROR: No matching distribution found for torch==2.13.0",
            ],
            DependencyError,
            "index cannot be reached",
        ),
        (["ERROR: No matching distribution found for torch==2.13.0"], DependencyError, "index has no torch==2.13.0 for this Python"),
        (
            ["error: externally-managed-environment", "× This environment is externally managed"],
            DependencyError,
            "belongs to the operating system",
        ),
        (["ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'"], FileSystemError, "cannot be written"),
        (["ERROR: something new"], DependencyError, "pip failed"),
    ],
)
def test_a_failure_of_pip_is_named_by_its_reason(lines, kind, message):
    error = explain(COMMAND, 1, ["Collecting x", *lines])
    assert type(error) is kind
    assert message in error.message
    assert "python -m pip install 'x y'" in str(error)
    assert lines[-1] in str(error)
    assert error.suggestion


def test_a_pip_ended_by_a_signal_says_which():
    assert "signal 9" in explain(COMMAND, -9, []).message


def test_only_the_last_lines_of_a_long_output_are_shown():
    text = str(explain(COMMAND, 1, [f"line {number}" for number in range(300)]))
    assert "line 299" in text
    assert "line 289" not in text


def test_a_real_pip_failure_is_one_message_and_leaves_its_output_in_the_log(tmp_path):
    log = tmp_path / "install.log"
    with pytest.raises(DependencyError, match="pip failed") as raised:
        run_pip(sys.executable, ["frobnicate"], title="nothing", log=log, in_venv=True)
    assert 'unknown command "frobnicate"' in str(raised.value)
    assert 'unknown command "frobnicate"' in log.read_text()


def test_a_log_that_cannot_be_written_does_not_replace_the_failure(tmp_path, capsys):
    with pytest.raises(DependencyError, match="pip failed"):
        run_pip(sys.executable, ["frobnicate"], title="nothing", log=tmp_path / "absent" / "install.log", in_venv=True)
    assert "no log in" in capsys.readouterr().out
