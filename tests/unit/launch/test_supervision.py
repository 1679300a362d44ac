"""The supervisor, starter and guards over a launcher that starts processes without any MPI."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from plain_launcher import PLAIN, Plain

from pytest_mlpstorage.errors import BenchmarkExecutionError, MPIError
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.processes import carriers
from pytest_mlpstorage.launch.supervisor import guard_command, require_success, run_job


@pytest.fixture
def run(tmp_path):
    def run(program, launcher=None, ranks=2, **options):
        options.setdefault("deadline_seconds", 30.0)
        files = {"stdout": tmp_path / "o", "stderr": tmp_path / "e"}
        outcome = run_job(launcher or Plain(), Job(ranks, ("-c", program)), **files, **options)
        assert carriers(outcome.run_id) == []
        return outcome

    return run


def test_all_ranks_ended_well_is_success(run):
    outcome = run("print('x')")
    assert (outcome.returncode, outcome.cause, outcome.stderr_tail) == (0, "", ())
    require_success(outcome)


def test_a_launcher_that_reports_success_for_too_few_ranks_is_not_believed(run):
    outcome = run("pass", Plain(started=1))
    assert outcome.returncode == 125
    assert outcome.cause == f"only 1 of 2 ranks ended with exit code 0, though {Path(sys.executable).name} reported success"


def test_a_rank_that_failed_is_named_though_the_launcher_reports_success(run):
    outcome = run("import os, sys, time; sys.exit(5) if os.environ['PMI_RANK'] == '1' else time.sleep(20)", Plain(code="0"))
    assert (outcome.returncode, outcome.failed_rank) == (5, 1)
    assert outcome.elapsed_seconds < 10


def test_a_launcher_that_fails_after_its_ranks_ended_well_is_the_cause(run):
    outcome = run("pass", Plain(code="9"))
    assert (outcome.returncode, outcome.failed_rank) == (9, None)
    assert outcome.cause == f"{Path(sys.executable).name} ended with exit code 9"


def test_a_launcher_that_hangs_after_its_ranks_is_ended_and_the_ranks_count(run, monkeypatch):
    outcome = run("pass", Plain(script=PLAIN.replace("sys.exit(", "import time; time.sleep(60); sys.exit(")))
    assert outcome.returncode == 0
    assert 10 < outcome.elapsed_seconds < 16


def test_a_launcher_that_starts_nothing_is_an_mpi_error_with_command_words_and_remedy(run):
    script = "import sys; sys.stderr.write('no slots here\\n'); sys.exit(213)"
    with pytest.raises(MPIError) as caught:
        run("pass", Plain(script=script, said="there are not enough slots"))
    assert caught.value.message == "no rank was started: there are not enough slots"
    assert caught.value.details["exit code"] == 213
    assert "no slots here" in str(caught.value)
    assert "oversubscribe" in caught.value.suggestion


def test_a_launcher_that_is_not_there_is_an_mpi_error(run, tmp_path):
    class Gone(Plain):
        def command(self, job, guard=()):
            return [str(tmp_path / "mpirun")]

    with pytest.raises(MPIError, match="no rank was started"):
        run("pass", Gone())


def test_a_launcher_does_not_inherit_the_signals_that_python_ignores(run):
    class Shell(Plain):
        def command(self, job, guard=()):
            return ["sh", "-c", "grep SigIgn /proc/$$/status >&2; exit 3"]

    with pytest.raises(MPIError) as caught:
        run("pass", Shell())
    ignored = int(str(caught.value).partition("SigIgn:")[2].split()[0], 16)
    assert not ignored & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)


MANY = """
import pathlib, resource, sys
sys.path.insert(0, sys.argv[1])
from plain_launcher import Plain
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.supervisor import run_job
here = pathlib.Path(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (20, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
program = "import resource, time; time.sleep(3); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
outcome = run_job(Plain(), Job(24, ("-c", program)), stdout=here / "o", stderr=here / "e", deadline_seconds=60)
print(outcome.cause or "all is well")
"""


def test_more_ranks_than_this_user_may_have_open_files_unasked(tmp_path):
    """1024 on many systems; the ranks themselves keep the limit that this process has."""
    command = [sys.executable, "-c", MANY, str(Path(__file__).parent), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.stdout == "all is well\n", done.stdout + done.stderr
    assert (tmp_path / "o").read_text().split() == ["20"] * 24


def test_a_deadline_before_the_first_rank_is_an_outcome(run):
    outcome = run("pass", Plain(script="import time; time.sleep(60)"), deadline_seconds=1.0)
    assert (outcome.returncode, outcome.cause) == (124, "the deadline of 1.0 s is over, before which only 0 of 2 ranks started")


def test_what_the_launcher_waits_for_is_told_where_ranks_are_missing(run):
    script = "import subprocess; subprocess.run(['sh', '-c', 'sleep 61; true', 'ssh', 'h2'])"
    outcome = run("pass", Plain(script=script), deadline_seconds=1.0)
    name = Path(sys.executable).name
    assert outcome.cause == f"the deadline of 1.0 s is over, before which only 0 of 2 ranks started ({name} waits for: sleep 61)"


def test_a_failing_heartbeat_ends_the_job_and_goes_on(run):
    def heartbeat(_beat):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run("import time; time.sleep(60)", heartbeat=heartbeat, heartbeat_seconds=1.0, run_id="abcdef123456")
    assert carriers("abcdef123456") == []


def test_an_interrupt_during_the_start_leaves_nothing(run, monkeypatch):
    from pytest_mlpstorage.launch import line

    popen = line.subprocess.Popen

    def interrupted(*args, **kwargs):
        popen(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(line.subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("import time; time.sleep(60)", run_id="abcdef123457")
    assert carriers("abcdef123457") == []


def test_a_stranger_on_the_guards_port_is_turned_away(run):
    stranger = (
        "import os, socket\n"
        "host, port, token = os.environ['MLPS_GUARD'].split(',')\n"
        "line = socket.create_connection((host, int(port)))\n"
        "line.sendall(b'hello\\twrong\\t7\\thost\\t1\\n')\n"
        "assert line.recv(10) == b''"
    )
    outcome = run(stranger)
    assert outcome.returncode == 0
    assert [io.rank for io in outcome.io] == [0, 1]


def test_hosts_that_cannot_be_resolved_are_an_mpi_error_that_names_them(tmp_path):
    job = Job(2, ("-c", "pass"), hosts=(Host("no-such-host.invalid"),))
    with pytest.raises(MPIError, match=r"no-such-host\.invalid"):
        run_job(Plain(), job, stdout=tmp_path / "o", stderr=tmp_path / "e", deadline_seconds=9)


def test_success_is_required_with_rank_signal_command_and_stderr(run):
    outcome = run("import os, sys\nsys.stderr.write('last words\\n')\nif os.environ['PMI_RANK'] == '0': os.kill(os.getpid(), 9)")
    with pytest.raises(BenchmarkExecutionError) as caught:
        require_success(outcome)
    text = str(caught.value)
    assert "ended by SIGKILL" in text
    assert "last words" in text
    assert "PMI_RANK" in caught.value.details["command"]
    assert caught.value.details["rank"].startswith("0 on ")


PROGRAM = "import time; time.sleep(300)"


class Background:
    """A job over hosts that are reached by network, as far as one machine can play that, in a thread.

    It has begun when the starter has heard of both ranks and both programs run: before that a process with a guard's command
    line may be one that is about to become a program, or one of which nobody knows yet.
    """

    run_id = "abcdef12345"

    def __init__(self, folder, digit):
        self.run_id += digit
        self.both = threading.Event()
        self.job = Job(2, ("-c", PROGRAM), hosts=(Host("127.0.0.2"),))
        self.thread = threading.Thread(target=self.body, args=(folder,))
        self.thread.start()
        assert self.both.wait(60)
        limit = time.monotonic() + 60
        while len(self.find(sys.executable, "-c", PROGRAM)) < 2:
            assert time.monotonic() < limit
            time.sleep(0.05)

    def body(self, folder):
        def heartbeat(beat):
            if beat.ranks_started == 2:
                self.both.set()

        options = {"deadline_seconds": 250, "run_id": self.run_id, "heartbeat": heartbeat, "heartbeat_seconds": 0.5}
        self.outcome = run_job(Plain(), self.job, stdout=folder / "o", stderr=folder / "e", **options)

    def find(self, *beginning):
        """Processes of the job whose command line begins with these words."""
        return [pid for pid in carriers(self.run_id) if self.words(pid)[: len(beginning)] == list(beginning)]

    @staticmethod
    def words(pid):
        try:
            return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            return []


@pytest.mark.fault
def test_a_guard_without_a_word_ends_a_job_on_other_hosts_and_names_its_rank(tmp_path):
    job = Background(tmp_path, "a")
    guards = [pid for pid in job.find(*guard_command()) if Path(f"/proc/{pid}/comm").read_text() == "mlps-guard\n"]
    assert len(guards) == 2
    os.kill(guards[-1], signal.SIGSTOP)
    job.thread.join(45)
    assert "no word from rank" in job.outcome.cause
    assert job.outcome.failed_rank in (0, 1)
    assert carriers(job.run_id) == []


@pytest.mark.fault
def test_guards_that_are_cut_off_end_their_ranks_by_themselves(tmp_path):
    job = Background(tmp_path, "b")
    time.sleep(2.5)  # until the first ping
    (starter,) = job.find(*guard_command()[:-1], "starter")
    os.kill(starter, signal.SIGSTOP)
    limit = time.monotonic() + 20
    while job.find(sys.executable, "-c", PROGRAM):
        assert time.monotonic() < limit
        time.sleep(0.1)
    os.kill(starter, signal.SIGCONT)
    job.thread.join(20)
    assert job.outcome.returncode != 0
    assert carriers(job.run_id) == []
