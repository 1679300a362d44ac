"""From the starter's reports and the last lines of stderr to the cause that a person reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_mlpstorage.launch.verdict import Ending, conclude
from pytest_mlpstorage.ranks.program import failure_line

UNREACHED = "the guard of rank 1 on h2 cannot reach the supervisor at 10.0.0.1:40123: TimeoutError: timed out"
KILLED = "the guard of rank 1 on h2 was ended by SIGKILL"
HOSTS = {0: "h1", 1: "h2"}


@dataclasses.dataclass(frozen=True)
class Silent:
    """A launcher that explains nothing, or says ``said``."""

    said: str = ""
    executable: Path = Path("/usr/bin/mpirun")
    name: str = "silent"

    def explain(self, lines):
        return self.said


def concluded(kind, lines=(), *, said="", **fields):
    return conclude(Ending(2, 60.0, kind, **fields), Silent(said), lines, HOSTS)


def test_a_guard_that_was_killed_is_told_with_the_signal_where_its_keeper_said_so():
    told = concluded("lost", ["before", KILLED], rank=1, host="h2")
    assert told.cause == "rank 1 on h2 was lost: its guard was ended by SIGKILL"
    assert (told.returncode, told.signal, told.rank, told.host) == (125, None, 1, "h2")


@pytest.mark.parametrize(
    "lines", [[], ["the guard of rank 0 on h2 was ended by SIGKILL"], ["the guard of rank 1 on h3 was ended by SIGKILL"]]
)
def test_a_guard_of_which_nothing_was_said_ended_without_a_word(lines):
    assert concluded("lost", lines, rank=1, host="h2").cause == "rank 1 on h2 was lost: its guard ended without a word"


def test_a_guard_that_cannot_reach_the_supervisor_is_the_cause_with_its_host_and_a_remedy():
    ending = Ending(2, 60.0, "launcher", number=75)
    told = conclude(ending, Silent("something else"), ["mpirun says much", UNREACHED, "and more"], {})
    assert told.cause == UNREACHED
    error = told.mpi_error(["mpirun"], [UNREACHED])
    assert error.message == f"no rank was started: {UNREACHED}"
    assert "let TCP connections of the hosts to this one through" in error.suggestion


@pytest.mark.parametrize(
    ("waits", "said", "remedy"),
    [
        (["/root/env/bin/hydra_pmi_proxy --control-port h1:1"], "", ""),
        (["/opt/slots/HOME/bin/prted"], "", ""),
        (["/usr/bin/ssh -x h2 prted"], "", "log in once by hand: ssh HOST true"),
        ([], "Open MPI refuses to run as root", "run as another user"),
        ([], "Open MPI needs the environment variable HOME", "set HOME"),
    ],
)
def test_a_remedy_is_that_of_what_is_said_and_not_of_a_path_in_it(waits, said, remedy):
    ending = Ending(2, 60.0, "start" if waits else "launcher", number=1, waits=waits)
    assert conclude(ending, Silent(said), [], {}).mpi_error(["mpirun"], []).suggestion == remedy


def test_a_rank_whose_daemon_ended_is_named_though_the_launcher_reports_success():
    told = concluded("daemon", rank=1, host="h2", number=2)
    assert told.cause == "rank 1 on h2 was ended: the launcher's daemon on that host is gone"
    assert (told.returncode, told.rank, told.host) == (125, 1, "h2")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("", "mpirun ended with exit code 9: rank 1 on h2 was ended, since the launcher's daemon on that host is gone"),
        ("a host was lost", "a host was lost: rank 1 on h2 was ended, since the launcher's daemon on that host is gone"),
        ("rank 0 called MPI_Abort with code 9", "rank 0 on h1 called MPI_Abort with code 9"),
    ],
)
def test_a_launcher_that_failed_after_a_daemon_did_is_told_with_both(said, cause):
    told = concluded("launcher", said=said, rank=1, host="h2", number=9)
    assert (told.returncode, told.cause) == (9, cause)


def test_ranks_that_did_not_start_are_counted_with_what_the_launcher_waits_for():
    assert concluded("start", started=1).cause == "only 1 of 2 ranks started in time"
    told = concluded("start", started=1, waits=["ssh -x h2 prted", "ssh -x h3 prted"])
    assert told.cause == "only 1 of 2 ranks started (mpirun waits for: ssh -x h2 prted, ssh -x h3 prted) in time"
    assert concluded("deadline", started=2).cause == "the deadline of 1 min 00 s is over"


def test_a_rank_of_ours_that_ended_the_job_is_named_though_the_launcher_lost_its_words():
    line = failure_line(1, ZeroDivisionError("division by zero"), 3).rstrip()
    told = concluded("launcher", ["before", line], number=3)
    assert (told.cause, told.returncode, told.rank, told.host) == ("rank 1 on h2 ended with exit code 3", 3, 1, "h2")
    assert concluded("launcher", [line], number=4).cause == "mpirun ended with exit code 4"
    assert concluded("launcher", [line], said="rank 0 called MPI_Abort", number=3).cause == "rank 0 on h1 called MPI_Abort"


OURS = failure_line(1, ZeroDivisionError("division by zero"), 3).rstrip()
ENDED = "srun: error: h1: task 0: Exited with exit code 137"


@pytest.mark.parametrize("kind", ["lost", "signal"])
@pytest.mark.parametrize(
    ("lines", "explained", "code"),
    [
        ([OURS, ENDED], "", 3),
        (["srun: error: h1: task 0: Killed", OURS], "", 3),
        (["words", ENDED], "rank 1 called MPI_Abort with code 7", 7),
    ],
)
def test_the_rank_that_ended_the_job_is_named_where_slurm_killed_the_others_for_it(kind, lines, explained, code):
    told = conclude(
        Ending(2, 60.0, kind, rank=0, host="h1", number=9 if kind == "signal" else 0), Silent(explained, name="slurm"), lines, HOSTS
    )
    assert (told.cause, told.returncode, told.rank) == (f"rank 1 on h2 ended the job with exit code {code}", code, 1)


def test_words_that_came_after_the_end_of_a_task_are_not_the_cause():
    told = conclude(Ending(2, 60.0, "signal", rank=0, host="h1", number=9), Silent(name="slurm"), [ENDED, OURS], HOSTS)
    assert told.cause == "rank 0 on h1 ended by SIGKILL"
    assert concluded("signal", [OURS], rank=0, host="h1", number=9).cause == "rank 0 on h1 ended by SIGKILL"


def test_a_launcher_that_says_nothing_is_told_by_its_exit_code():
    assert concluded("launcher", ["words"], number=9).cause == "mpirun ended with exit code 9"
