"""What a command says where nobody takes it: a full disk is told in a sentence, a closed pipe is left in silence."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.commands import exit_code
from pytest_mlpstorage.errors import ConfigurationError

FULL = "[MLPS-E410] cannot write to standard output"


def started(module, *words, stdout, stderr=subprocess.PIPE, cwd=None, **environment):
    """A command of the package that has ended."""
    variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONUNBUFFERED", "COVERAGE_PROCESS_START")}
    return subprocess.run(
        [sys.executable, "-m", f"pytest_mlpstorage.{module}", *words],
        stdout=stdout,
        stderr=stderr,
        text=True,
        cwd=cwd,
        env={**variables, **environment},
        timeout=120,
    )


@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "command",
    [
        ("history", ".", "--no-verdicts"),
        ("history", "--help"),
        ("package", "--help"),
        ("reference", "--help"),
        ("bootstrap", "--help"),
        ("kvcache.export_trace", "--help"),
    ],
    ids=" ".join,
)
def test_a_full_disk_is_one_sentence_with_what_to_do_and_exit_code_4(command, environment, tmp_path):
    with Path("/dev/full").open("w") as full:
        ended = started(*command, stdout=full, cwd=tmp_path, **environment)
    assert ended.returncode == 4, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    assert ended.stderr.startswith(FULL)
    assert "No space left on device" in ended.stderr


def test_a_full_disk_under_what_is_said_of_an_error_keeps_the_error_and_nothing_else(tmp_path):
    with Path("/dev/full").open("w") as full:
        ended = started("history", "nowhere", stdout=full, cwd=tmp_path)
        both = started("history", "nowhere", stdout=full, stderr=full, cwd=tmp_path)
    assert ended.returncode == both.returncode == 4
    assert "nowhere is no directory" in ended.stderr
    assert FULL not in ended.stderr


def closed_pipe():
    """The end to write to of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("command", [("history", "."), ("history", "--help"), ("bootstrap", "--help")], ids=" ".join)
def test_a_closed_pipe_is_left_in_silence_with_an_exit_code_that_is_not_0(command, tmp_path):
    writer = closed_pipe()
    try:
        ended = started(*command, stdout=writer, cwd=tmp_path)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_without_a_standard_output_a_command_does_its_work(tmp_path):
    ended = subprocess.run(
        f"exec {sys.executable} -m pytest_mlpstorage.history . >&-", shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_error_of_a_file_is_never_taken_for_one_of_the_output():
    def work():
        raise OSError(28, "No space left on device", "/some/file")

    with pytest.raises(OSError, match="/some/file"):
        exit_code(work)


def test_what_was_said_before_an_error_stands_before_it(capsys):
    def work():
        sys.stdout.write("first\n")
        raise ConfigurationError("second", code="MLPS-E130")

    before = sys.stdout
    assert exit_code(work) == 4
    assert sys.stdout is before
    out, err = capsys.readouterr()
    assert out == "first\n"
    assert err == "[MLPS-E130] second\n"


def test_what_a_command_asks_of_its_output_is_answered(monkeypatch):
    with io.TextIOWrapper(io.BytesIO(), encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        seen = []
        exit_code(lambda: seen.append((sys.stdout.encoding, sys.stdout.isatty())) or 0)
        assert seen == [("utf-8", False)]
