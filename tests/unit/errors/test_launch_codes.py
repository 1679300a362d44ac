"""The codes of launches: what ended a job, and why one did not begin."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.launch.outcome import Outcome, require_success
from pytest_mlpstorage.launch.verdict import Ending, conclude


@dataclasses.dataclass(frozen=True)
class Launcher:
    """A launcher that explains what it is made with."""

    said: str = ""
    executable: Path = Path("/usr/bin/mpirun")
    name = "plain"

    def explain(self, lines):
        return self.said


def concluded(kind, said="", **fields):
    return conclude(Ending(2, 60.0, kind, **fields), Launcher(said), [], {0: "h1", 1: "h2"})


@pytest.mark.parametrize(
    ("code", "kind", "fields"),
    [
        ("", "ok", {}),
        ("MLPS-E530", "exit", {"rank": 1, "host": "h2", "number": 3}),
        ("MLPS-E531", "signal", {"rank": 1, "host": "h2", "number": 9}),
        ("MLPS-E531", "lost", {"rank": 1, "host": "h2", "number": 9}),
        ("MLPS-E532", "lost", {"rank": 1, "host": "h2"}),
        ("MLPS-E532", "silent", {"rank": 1, "host": "h2"}),
        ("MLPS-E532", "daemon", {"rank": 1, "host": "h2"}),
        ("MLPS-E521", "deadline", {"started": 2}),
        ("MLPS-E533", "missing", {"number": 1}),
        ("MLPS-E533", "start", {"started": 1}),
        ("MLPS-E522", "asked", {"stall": "no bytes"}),
        ("MLPS-E534", "asked", {"number": 15}),
        ("MLPS-E534", "asked", {}),
        ("MLPS-E534", "", {}),
        ("MLPS-E534", "launcher", {"number": -15}),
        ("MLPS-E534", "launcher", {"number": 1}),
        ("MLPS-E534", "launcher", {"number": 1, "said": "this Open MPI has no component x"}),
        ("MLPS-E530", "launcher", {"number": 1, "said": "rank 1 called MPI_Abort with code 3"}),
    ],
)
def test_each_way_to_end_has_its_code(code, kind, fields):
    assert concluded(kind, **fields).code == code


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("MLPS-E331", "there are not enough slots on the hosts for the ranks"),
        ("MLPS-E320", "ssh: connect to host h2 port 22: Connection refused"),
        ("MLPS-E320", "host h2 cannot be reached: ssh: connect to host h2 port 22: Connection refused"),
        ("MLPS-E320", "the guard of rank 1 on h2 cannot reach the supervisor at 10.0.0.1:40123: TimeoutError: timed out"),
        ("MLPS-E340", "Open MPI refuses to run as root"),
        ("MLPS-E340", ""),
    ],
)
def test_each_reason_why_no_rank_began_has_its_code(code, said):
    error = concluded("launcher", said, number=1).mpi_error(["mpirun"], [])
    assert error.code == code
    assert str(error).startswith(f"[{code}] no rank was started: ")


def ended(**fields):
    now = datetime.now().astimezone()
    return Outcome(3, None, 1.0, 1, "h2", "rank 1 on h2 ended with exit code 3", (), ("mpirun",), "r", (), now, now, **fields)


@pytest.mark.parametrize(("given", "code"), [({"code": "MLPS-E531"}, "MLPS-E531"), ({}, "MLPS-E530")])
def test_a_job_that_failed_is_an_error_with_the_code_of_its_end(given, code):
    with pytest.raises(BenchmarkExecutionError) as caught:
        require_success(ended(**given))
    assert str(caught.value).startswith(f"[{code}] rank 1 on h2 ended with exit code 3\n")
