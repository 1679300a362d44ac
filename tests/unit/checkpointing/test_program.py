"""The program of one rank, as far as it needs no MPI: its usage, and the one line that a failure is."""

from __future__ import annotations

import socket

import pytest

from pytest_mlpstorage.checkpointing.program import EXIT_REFUSED, EXIT_USAGE, failure_line, main
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_the_job_file_is_the_only_argument(capsys, arguments):
    assert main(arguments) == EXIT_USAGE
    assert capsys.readouterr().err == "mlpstorage: usage: python -m pytest_mlpstorage.checkpointing JOB.json\n"


def test_a_failure_is_one_line_with_rank_host_and_reason():
    error = FileSystemError("cannot write /data/x:\n wrote 1 of 2 bytes", cause=OSError("hidden"))
    expected = f"mlpstorage: rank 3 on {socket.gethostname()} ends the job (exit 4): cannot write /data/x: wrote 1 of 2 bytes\n"
    assert failure_line(3, error, EXIT_REFUSED) == expected


def test_details_and_the_next_step_are_on_the_line():
    error = ConfigurationError("too many", details={"reads": 2, "writes": 1}, suggestion="read fewer")
    assert failure_line(0, error, 4).endswith("(exit 4): too many (reads: 2; writes: 1; read fewer)\n")


def test_an_unexpected_exception_is_told_by_its_kind():
    assert failure_line(None, KeyError("lost"), 3).endswith("ends the job (exit 3): KeyError: 'lost'\n")
    assert failure_line(1, KeyboardInterrupt(), 3).endswith(": KeyboardInterrupt\n")
