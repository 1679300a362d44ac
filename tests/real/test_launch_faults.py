"""What is left, and what is said, when something of a job is killed, stopped or hangs in a way that the fault matrix does not have."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job, Launcher
from pytest_mlpstorage.launch.processes import carriers, name_of
from pytest_mlpstorage.launch.supervisor import Beat, Outcome, run_job

pytestmark = [pytest.mark.real, pytest.mark.fault, pytest.mark.full]

BOUND_SECONDS = 8.0

# Each rank has a child that holds its stdout, one in a session of its own that ignores SIGTERM, and waits for the others.
RANK = """
import os, signal, subprocess, sys, time
from mpi4py import MPI
ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
subprocess.Popen([sys.executable, "-c", ignore], start_new_session=True)
time.sleep(0.3)
MPI.COMM_WORLD.Barrier()
open(os.path.join(sys.argv[1], "ready-%d" % MPI.COMM_WORLD.rank), "w").write(str(os.getpid()))
exec(sys.argv[2])
MPI.COMM_WORLD.Barrier()
"""

DRIVER = """
import pathlib, sys
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.supervisor import run_job
here, run_id = pathlib.Path(sys.argv[1]), sys.argv[2]
try:
    run_job(find_launcher(), Job(2, tuple(sys.argv[3:])), stdout=here/"o", stderr=here/"e", deadline_seconds=100, run_id=run_id)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture(scope="module")
def launcher() -> Launcher:
    try:
        return find_launcher()
    except DependencyError as error:
        pytest.skip(str(error))


class Started:
    """A job in a thread or in a process of its own, and the pids of its ranks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = secrets.token_hex(6)
        self.outcome: Outcome | None = None

    def rank(self, number: int) -> int:
        file = self.folder / f"ready-{number}"
        wait_for(lambda: file.exists() and file.read_text() != "", 30)
        return int(file.read_text())

    def find(self, *words: str) -> list[int]:
        """Processes of this run whose command line holds all words."""
        return [pid for pid in carriers(self.run_id) if all(word in command_of(pid) for word in words)]

    def files(self) -> list[Path]:
        """Temporary files and shared memory of this run that are still there."""
        return [*Path(tempfile.gettempdir()).glob(f"mlps-{self.run_id}*"), *Path("/dev/shm").glob(f"mlps-{self.run_id}*")]

    def nothing_is_left(self, seconds: float = BOUND_SECONDS) -> float:
        """Wait until no process carries the run's id; returns after how many seconds that was."""
        start = time.monotonic()
        wait_for(lambda: not carriers(self.run_id), seconds, lambda: [name_of(pid) for pid in carriers(self.run_id)])
        return time.monotonic() - start


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def wait_for(condition, seconds, tell=lambda: "it did not come"):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, tell()
        time.sleep(0.02)


@pytest.fixture
def job(launcher, tmp_path, record_property):
    """Start a job in a thread; ``act`` on it once all ranks are up; returns it when it has ended."""

    def job(act, after="import time; time.sleep(300)", deadline_seconds=100.0, **options) -> Started:
        started = Started(tmp_path)

        def body():
            started.outcome = run_job(
                launcher,
                Job(2, ("-c", RANK, str(tmp_path), after)),
                stdout=tmp_path / "o",
                stderr=tmp_path / "e",
                deadline_seconds=deadline_seconds,
                run_id=started.run_id,
                **options,
            )

        thread = threading.Thread(target=body)
        thread.start()
        started.rank(0), started.rank(1)
        begin = time.monotonic()
        act(started)
        thread.join(BOUND_SECONDS + 10)
        took = time.monotonic() - begin
        record_property("seconds", round(took, 2))
        assert not thread.is_alive()
        assert carriers(started.run_id) == []
        assert started.outcome is not None
        assert started.outcome.left == ()
        assert started.files() == []
        started.took = took
        return started

    return job


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGTERM])
def test_a_rank_that_a_signal_ends_ends_the_job_and_is_named(job, rank, number):
    ended = job(lambda started: os.kill(started.rank(rank), number))
    assert ended.took < BOUND_SECONDS
    assert ended.outcome.cause == f"rank {rank} on {os.uname().nodename} ended by {number.name}"
    assert (ended.outcome.returncode, ended.outcome.signal, ended.outcome.failed_rank) == (128 + number, number.name, rank)


def test_a_job_that_ends_well_leaves_no_children(job):
    ended = job(lambda _: None, after="pass")
    assert (ended.outcome.returncode, ended.outcome.cause) == (0, "")
    assert ended.took < BOUND_SECONDS


def test_everything_above_the_ranks_killed_at_once_leaves_nothing(job):
    def act(started):
        for pid in started.find("starter") + started.find("--bind-to", "none"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    assert job(act).took < BOUND_SECONDS


def test_a_stopped_rank_is_warned_of_by_name_and_the_job_goes_on(job):
    beats: list[Beat] = []

    def act(started):
        os.kill(started.rank(1), signal.SIGSTOP)
        wait_for(lambda: any(beat.warning for beat in beats), 20)
        os.kill(started.rank(1), signal.SIGCONT)

    ended = job(act, after="time.sleep(2)", heartbeat=beats.append, heartbeat_seconds=60.0, stall_warning_seconds=3.0)
    warning = next(beat.warning for beat in beats if beat.warning)
    assert f"rank 1 on {os.uname().nodename}" in warning
    assert "it is stopped" in warning
    assert ended.outcome.returncode == 0
    assert ended.outcome.warnings == (warning,)


@pytest.fixture
def parent(tmp_path, record_property):
    """A process that runs a job, as pytest or a worker of xdist does."""
    started = Started(tmp_path)
    # A session of its own keeps the signals of these tests from the process group of pytest.
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), started.run_id, "-c", RANK, str(tmp_path), "import time; time.sleep(300)"],
        start_new_session=True,
    )
    started.process = process
    started.rank(0), started.rank(1)
    yield started
    process.kill()
    process.wait()
    started.nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_parent_that_dies_by_a_signal_takes_everything_along(parent, number, record_property):
    parent.process.send_signal(number)
    record_property("seconds", round(parent.nothing_is_left(), 2))
    assert parent.process.wait(5) == -number
    wait_for(lambda: parent.files() == [], 5, parent.files)


def test_a_second_ctrl_c_hastens_the_end(parent):
    for pid in set(parent.find("__main__.py guard")) - set(parent.find("--bind-to")):  # the launcher's line has both
        os.kill(pid, signal.SIGSTOP)  # one that does not answer would be waited for
    os.killpg(parent.process.pid, signal.SIGINT)
    time.sleep(0.2)
    begin = time.monotonic()
    os.killpg(parent.process.pid, signal.SIGINT)
    assert parent.process.wait(BOUND_SECONDS) == 130
    assert time.monotonic() - begin < 2.5
    assert carriers(parent.run_id) == []


def test_a_second_ctrl_c_does_not_wait_for_a_starter_that_is_stopped(parent):
    os.kill(parent.find("__main__.py starter")[0], signal.SIGSTOP)
    os.killpg(parent.process.pid, signal.SIGINT)
    time.sleep(0.2)
    os.killpg(parent.process.pid, signal.SIGINT)
    assert parent.process.wait(BOUND_SECONDS) == 130
    assert carriers(parent.run_id) == []


def test_ctrl_z_stops_neither_the_job_nor_its_supervision(parent):
    os.kill(parent.process.pid, signal.SIGSTOP)
    time.sleep(1)
    assert len(parent.find("MPI.COMM_WORLD.rank")) >= 2
    os.kill(parent.rank(1), signal.SIGKILL)
    wait_for(lambda: parent.find("import os, signal") == [], BOUND_SECONDS)
    os.kill(parent.process.pid, signal.SIGCONT)
    assert parent.process.wait(BOUND_SECONDS) == 0


WORKER_FILE = """
import pathlib, sys
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.supervisor import run_job

def test_job():
    here = pathlib.Path({folder!r})
    (here / "worker").write_text(str(__import__("os").getpid()))
    job = Job(2, ("-c", {rank!r}, {folder!r}, "import time; time.sleep(300)"))
    run_job(find_launcher(), job, stdout=here / "o", stderr=here / "e", deadline_seconds=100, run_id={run_id!r})
"""


@pytest.mark.parametrize("victim", ["worker", "controller"])
def test_a_killed_worker_of_xdist_and_a_killed_controller_leave_nothing(tmp_path, victim, record_property):
    pytest.importorskip("xdist")
    started = Started(tmp_path)
    (tmp_path / "test_it.py").write_text(WORKER_FILE.format(folder=str(tmp_path), rank=RANK, run_id=started.run_id))
    command = [sys.executable, "-m", "pytest", "-n1", "--max-worker-restart=0", "-p", "no:cacheprovider", "-q", "test_it.py"]
    pytest_process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        started.rank(0), started.rank(1)
        os.kill(int((tmp_path / "worker").read_text()) if victim == "worker" else pytest_process.pid, signal.SIGKILL)
        record_property("seconds", round(started.nothing_is_left(), 2))
        output = pytest_process.communicate(timeout=20)[0].decode()
        assert victim == "controller" or "crashed" in output
    finally:
        pytest_process.kill()
        pytest_process.wait()


def test_ctrl_c_in_pytest_ends_the_job_and_pytest_with_code_2(tmp_path):
    started = Started(tmp_path)
    (tmp_path / "test_it.py").write_text(WORKER_FILE.format(folder=str(tmp_path), rank=RANK, run_id=started.run_id))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_it.py"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        started.rank(0), started.rank(1)
        os.killpg(process.pid, signal.SIGINT)
        # pytest's own end is in it, and Open MPI 4 takes 3 s to end by itself; 15 s are promised for all.
        assert process.wait(15) == 2
        assert carriers(started.run_id) == []
    finally:
        process.kill()
        process.wait()
