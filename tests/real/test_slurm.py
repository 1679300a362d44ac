"""Jobs in an allocation of a real Slurm over three pretend hosts: placed as asked, named when they fail, and nothing left."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pretend_slurm
import pytest
import small_suite
from suite_on_hosts import missing, pretend

from pytest_mlpstorage.launch.detect import find_launcher

DRIVER = """
import json, sys
from pathlib import Path
from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.supervisor import run_job

given, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
hosts = tuple(Host(name, slots) for name, slots in given["hosts"])
job = Job(given["ranks"], ("-c", given["program"]), hosts=hosts, oversubscribe=given["oversubscribe"])
try:
    ended = run_job(find_launcher(given["launcher"]), job, stdout=folder / "out", stderr=folder / "err", deadline_seconds=60)
    told = {"cause": ended.cause, "seconds": ended.elapsed_seconds, "command": ended.command, "left": ended.left}
except MLPStorageError as error:
    told = {"cause": error.message, "details": str(error.details)}
(folder / "told").write_text(json.dumps(told))
"""
WHO = """
import socket
from mpi4py import MPI
world = MPI.COMM_WORLD
found = world.gather(socket.gethostname())
if found:
    print("ranks on", *found, flush=True)
"""
SLEEP = """
import subprocess, time
from mpi4py import MPI
MPI.COMM_WORLD.barrier()
subprocess.Popen(["sleep", "600"], start_new_session=True)
print("all here", flush=True)
time.sleep(600)
"""


pytestmark = [pytest.mark.full, pytest.mark.skipif(bool(missing(pretend_slurm.NEEDED)), reason=missing(pretend_slurm.NEEDED) or "-")]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with pretend((64, 128, 256), tmp_path_factory.getbasetemp()) as hosts, pretend_slurm.PretendSlurm(hosts) as made:
        yield made


@pytest.fixture
def started(slurm, tmp_path):
    """Start a job in an allocation of all hosts, from the first of them; at the end nothing of it may run anywhere."""
    processes = []

    def started(program, hosts, *, launcher="slurm", ranks=3, oversubscribe=None, options=(), step=()):
        given = {"program": program, "hosts": hosts, "launcher": launcher, "ranks": ranks, "oversubscribe": oversubscribe}
        words = [*step, sys.executable, "-c", DRIVER, json.dumps(given), str(tmp_path)]
        processes.append(subprocess.Popen(slurm.allocated(words, *options), start_new_session=True))
        return processes[-1]

    yield started
    for process in processes:
        process.wait(30)
    end = time.monotonic() + 10
    while slurm.hosts.left() and time.monotonic() < end:
        time.sleep(0.1)
    assert slurm.hosts.left() == {}


def told(folder, process):
    """What came of a job: how it ended, and what it said."""
    assert process.wait(90) == 0
    out = folder / "out"
    return json.loads((folder / "told").read_text()), out.read_text() if out.exists() else ""


def until_all_are_here(folder):
    end = time.monotonic() + 60
    while not (folder / "out").exists() or (folder / "out").read_text().count("all here") < 3:
        assert time.monotonic() < end, (folder / "err").read_text()
        time.sleep(0.05)


def step_of(slurm):
    (step,) = [line for line in slurm.run(["squeue", "-h", "-s", "-o", "%i"]).stdout.split() if line.rpartition(".")[2].isdecimal()]
    return step


WAYS = pytest.mark.parametrize("launcher", ["slurm", "auto"])


@WAYS
def test_ranks_are_placed_on_the_hosts_that_are_named(started, tmp_path, launcher):
    """In that order, or under Hydra in Slurm's own."""
    ended, said = told(tmp_path, started(WHO, [("h3", 2), ("h1", 1), ("h2", 1)], launcher=launcher, ranks=4))
    hydra = launcher == "auto" and find_launcher().name == "mpich"
    assert (ended["cause"], said) == ("", f"ranks on {'h1 h2 h3 h3' if hydra else 'h3 h3 h1 h2'}\n"), ended


@WAYS
@pytest.mark.parametrize("hosts", [(), (("localhost", None),), (("h1", 2),)])
def test_a_job_on_this_host_stays_here(started, tmp_path, launcher, hosts):
    ended, said = told(tmp_path, started(WHO, hosts, launcher=launcher, ranks=2))
    assert (ended["cause"], said) == ("", "ranks on h1 h1\n"), ended


@WAYS
def test_more_ranks_than_slots_run_where_nobody_forbids_it(started, tmp_path, launcher):
    ended, said = told(tmp_path, started(WHO, [("h1", None), ("h2", None)], launcher=launcher, ranks=2 * pretend_slurm.CPUS + 2))
    assert (ended["cause"], said.split()[2:]) == ("", ["h1"] * 5 + ["h2"] * 5), ended


def test_more_ranks_than_slots_are_refused_in_slurms_words_where_somebody_does(started, tmp_path):
    ended, _ = told(tmp_path, started(WHO, [("h1", None)], ranks=3 * pretend_slurm.CPUS, oversubscribe=False))
    assert ended["cause"].endswith("there are not enough slots in the Slurm allocation for the ranks"), ended


def test_a_host_outside_of_the_allocation_is_told(started, tmp_path):
    ended, _ = told(tmp_path, started(WHO, [("h1", 1), ("h3", 1)], ranks=2, options=["--nodes=2", "--nodelist=h1,h2"]))
    assert ended["cause"] == "no rank was started: a host is not in this Slurm allocation, or gives less than is asked of it", ended


def test_a_host_that_nobody_knows_is_told(started, tmp_path):
    ended, _ = told(tmp_path, started(WHO, [("h1", 1), ("h9", 1)], ranks=2))
    assert ended["cause"] == "host h9 cannot be reached by name", ended


@pytest.mark.fault
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_srun_ends_all_of_it(started, slurm, tmp_path, number):
    process = started(SLEEP, [("h1", 1), ("h2", 1), ("h3", 1)])
    until_all_are_here(tmp_path)
    sruns = [pid for pid, words in slurm.hosts.processes("h1").items() if words.partition(" ")[0].endswith("/srun")]
    slurm.hosts.run("h1", ["kill", f"-{number.value}", *map(str, sruns)])
    ended, _ = told(tmp_path, process)
    assert ended["cause"], ended
    assert ended["left"] == []


@pytest.mark.fault
def test_a_step_that_somebody_cancels_is_named(started, slurm, tmp_path):
    process = started(SLEEP, [("h1", 1), ("h2", 1), ("h3", 1)])
    until_all_are_here(tmp_path)
    assert slurm.run(["scancel", step_of(slurm)]).returncode == 0
    ended, _ = told(tmp_path, process)
    assert ended["cause"].endswith("the step was cancelled in Slurm"), ended
    assert ended["seconds"] < 40


@pytest.mark.fault
def test_the_end_of_the_allocation_ends_all_with_it(started, slurm, tmp_path):
    process = started(SLEEP, [("h1", 1), ("h2", 1), ("h3", 1)])
    until_all_are_here(tmp_path)
    assert slurm.run(["scancel", step_of(slurm).partition(".")[0]]).returncode == 0
    process.wait(60)


def suite(slurm, tmp_path, hosts, *, words=("salloc", "--quiet", "--nodes=3")):
    """What pytest says of a dry run over these hosts."""
    (tmp_path / "suite.yaml").write_text(f"{small_suite.CONFIG}cluster:\n  hosts: {hosts}\n")
    command = small_suite.Suite(tmp_path).command("--mlps-dry-run", "-k", "unet3d")
    done = slurm.run([*words, "env", "-C", str(tmp_path), *command], seconds=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_header_says_whose_hosts_are_used(slurm, tmp_path):
    text = suite(slurm, tmp_path, "allocation")
    assert "mlpstorage hosts: 3 (h1, h2, h3), from allocation of Slurm job" in text
    assert "448.00 GiB of memory together" in text, text


def test_the_header_says_how_to_use_all_hosts_where_one_is_used(slurm, tmp_path):
    text = suite(slurm, tmp_path, "[localhost]")
    assert "has 3, and cluster.hosts: allocation uses them all" in text


@WAYS
@pytest.mark.parametrize("hosts", [(), [("h1", 1), ("h2", 1), ("h3", 1)]])
def test_a_job_of_a_pytest_that_is_itself_a_step(started, tmp_path, launcher, hosts):
    step = ["srun", "--nodes=1", "--ntasks=1", "--nodelist=h1"]
    ended, said = told(tmp_path, started(WHO, hosts, launcher=launcher, ranks=3, step=step))
    assert (ended["cause"], said) == ("", f"ranks on {'h1 h2 h3' if hosts else 'h1 h1 h1'}\n"), ended


def test_a_pytest_that_is_itself_a_step_starts_others_beside_it(slurm, tmp_path):
    """As in an interactive shell of ``srun --pty``, which leaves its own rank number in the environment."""
    text = suite(
        slurm, tmp_path, "allocation", words=("salloc", "--quiet", "--nodes=3", "srun", "--nodes=1", "--ntasks=1", "--nodelist=h1")
    )
    assert "448.00 GiB of memory together" in text, text
