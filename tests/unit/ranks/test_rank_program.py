"""The frame of every rank's program, as far as it needs no MPI: its usage, its exit codes, and the one line that a failure is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from pytest_mlpstorage.errors import ConfigurationError, EngineError, FileSystemError, MPIError
from pytest_mlpstorage.ranks.program import EXIT_EXCEPTION, EXIT_REFUSED, EXIT_USAGE, Start, exit_code, failure_line, run_program
from pytest_mlpstorage.ranks.world import Alone, launched_ranks, this_rank, without_launcher

PROGRAMS = ["checkpointing", "kvcache", "kvcache.official", "kvcache.precondition", "vectordb"]


@pytest.fixture
def unlaunched(monkeypatch):
    """An environment that no launcher made, and signals as they were."""
    for name in [name for name in os.environ if name.startswith(("OMPI_", "PMI", "SLURM"))]:
        monkeypatch.delenv(name)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_job_file_is_the_only_argument(program, arguments):
    module = f"pytest_mlpstorage.{program}"
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (EXIT_USAGE, f"mlpstorage: usage: python -m {module} JOB.json\n")


def test_a_failure_is_one_line_with_rank_host_and_reason():
    error = FileSystemError("cannot write /data/x:\n wrote 1 of 2 bytes", cause=OSError("hidden"))
    expected = f"mlpstorage: rank 3 on {socket.gethostname()} ends the job (exit 4): [MLPS-E400] cannot write /data/x: wrote 1 of 2 bytes\n"
    assert failure_line(3, error, EXIT_REFUSED) == expected


def test_details_the_cause_and_the_next_step_are_on_the_line():
    error = ConfigurationError("too many", details={"reads": 2, "writes": 1}, suggestion="read fewer")
    assert failure_line(0, error, 4).endswith("(exit 4): [MLPS-E100] too many (reads: 2; writes: 1; read fewer)\n")
    error = EngineError("it\nbroke", details={"phase": "build"}, suggestion="mend it", cause=ValueError("why"))
    assert failure_line(2, error, 4).endswith("ends the job (exit 4): [MLPS-E510] it broke (ValueError: why; phase: build; mend it)\n")


def test_what_nobody_expected_is_told_by_its_kind_and_an_interrupt_by_its_name():
    assert failure_line(None, KeyError("lost"), 3).endswith("ends the job (exit 3): KeyError: 'lost'\n")
    assert failure_line(1, ZeroDivisionError(), 3).endswith(": ZeroDivisionError\n")
    assert failure_line(1, KeyboardInterrupt(), 4).endswith(": interrupted\n")


def test_each_failure_has_its_exit_code():
    assert exit_code(ConfigurationError("x")) == exit_code(KeyboardInterrupt()) == EXIT_REFUSED
    assert exit_code(ZeroDivisionError()) == EXIT_EXCEPTION


def test_a_program_that_fails_tells_why_does_what_is_to_be_done_and_ends(capsys, unlaunched):
    done = []

    def work(file, start):
        start.rank, start.on_failure = 5, lambda: done.append(file.name)
        raise ConfigurationError("no")

    with pytest.raises(SystemExit) as ended:
        run_program("x", ["job.json"], work)
    assert ended.value.code == EXIT_REFUSED
    assert done == ["job.json"]
    assert capsys.readouterr().err == f"mlpstorage: rank 5 on {socket.gethostname()} ends the job (exit 4): [MLPS-E100] no\n"


def test_what_nobody_expected_leaves_its_trace_before_the_line(capsys, unlaunched):
    def work(_file, _start):
        raise ZeroDivisionError("here")

    with pytest.raises(SystemExit):
        run_program("x", ["job.json"], work)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].endswith("(exit 3): ZeroDivisionError: here")


@pytest.mark.parametrize(("with_mpi", "told"), [(True, True), (False, False)])
def test_who_is_ended_by_the_launcher_is_silent_where_nobody_waits_for_it(capsys, unlaunched, with_mpi, told):
    def work(_file, _start):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    with pytest.raises(SystemExit) as ended:
        run_program("x", ["job.json"], work, with_mpi=with_mpi)
    assert ended.value.code == EXIT_REFUSED
    assert ("told to end by SIGTERM" in capsys.readouterr().err) is told


def test_who_ends_the_job_is_not_disturbed_by_a_launcher_that_ends_it_too(capsys, unlaunched):
    def work(_file, start):
        start.on_failure = lambda: os.kill(os.getpid(), signal.SIGTERM)
        raise ConfigurationError("no")

    with pytest.raises(SystemExit) as ended:
        run_program("x", ["job.json"], work)
    assert ended.value.code == EXIT_REFUSED
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_program_that_ends_well_says_nothing(capsys, unlaunched):
    seen = []
    assert run_program("x", ["job.json"], lambda file, start: seen.append((file.name, start.world(1).size))) == 0
    assert seen == [("job.json", 1)]
    assert capsys.readouterr().err == ""


def test_a_job_for_another_number_of_ranks_is_refused():
    start = Start()
    with pytest.raises(MPIError, match=r"the job is for 0 rank\(s\), but 1 were started"):
        start.world(0)
    assert start.rank == 0


def test_a_process_that_is_no_rank_hears_nothing_of_the_launcher():
    environment = {"OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1", "PMI_SIZE": "2", "PRTE_X": "1", "MLPS_RUN_ID": "r", "PATH": "/bin"}
    assert without_launcher(environment) == {"MLPS_RUN_ID": "r", "PATH": "/bin"}
    assert launched_ranks(environment) == 4
    assert this_rank(environment) == 1
    assert launched_ranks({"PATH": "/bin"}) is None
    assert launched_ranks({"PMI_SIZE": "many"}) is None
    assert this_rank({"PMI_RANK": "many"}) == 0


def test_a_rank_alone_waits_for_nobody():
    world = Alone()
    world.barrier()
    assert world.all("x") == ["x"]
    assert [(clock.host, clock.offset_ns) for clock in world.clocks()] == [(socket.gethostname(), 0)]
