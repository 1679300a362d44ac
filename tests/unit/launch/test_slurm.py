"""Commands of Slurm's srun, literally, and how it is found. No Slurm is there: srun is a script that says its version."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path

import pytest

from pytest_mlpstorage.errors import DependencyError, MPIError
from pytest_mlpstorage.launch.detect import Detection, detect_launcher, find_launcher
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.mpich import MPICH
from pytest_mlpstorage.launch.openmpi import OpenMPI
from pytest_mlpstorage.launch.slurm import Slurm

SLURM = "slurm-wlm 22.05.8"
JOB = {"SLURM_JOB_ID": "12"}
TYPES = "MPI plugin types are...\\n\\tnone\\n\\tpmi2\\n\\tpmix\\nspecific pmix plugin versions available: pmix_v4\\n"
CANCELLED = "slurmstepd-h1: error: *** STEP 15.0 ON h1 CANCELLED AT 2026-11-26T08:15:03 ***"
OLD_TYPES = "srun: MPI types are...\\nsrun: pmi2\\nsrun: none\\nsrun: openmpi\\n"

pytestmark = pytest.mark.usefixtures("bare")


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "node0.example.org")
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)


@pytest.fixture
def srun(tmp_path):
    """Make an srun that says its version and, at ``--mpi=list``, what types of MPI it offers."""

    def srun(types=TYPES, says=SLURM):
        path = tmp_path / "slurm" / "srun"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncase $1 in --mpi=list) printf '%b' '{types}' >&2;; *) echo '{says}';; esac\n")
        path.chmod(0o755)
        return path

    return srun


@pytest.fixture
def library(tmp_path):
    """A libmpi in the interpreter's environment."""

    def library(name):
        path = tmp_path / "venv" / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\x7fELF" + bytes(300))
        return path

    return library


def environment(path, **more):
    return {"PATH": str(path.parent), **JOB, **more}


def test_a_plain_job_is_a_step_on_this_host_beside_others():
    assert Slurm(Path("/bin/srun")).command(Job(2, ("-m", "thing", "a b"))) == [
        "/bin/srun", "--overlap", "--export=ALL", "--input=none", "--kill-on-bad-exit=1", "--cpu-bind=none", "--overcommit",
        "--nodes=1", "--ntasks=2", "--distribution=arbitrary", "--nodelist=node0,node0",
        "env", "MLPS_RANK_NAME=SLURM_PROCID", "/venv/bin/python", "-m", "thing", "a b",
    ]  # fmt: skip


def test_a_rich_job_on_two_hosts_names_the_host_of_each_rank_and_takes_this_hosts_folder_out():
    job = Job(6, ("-m", "thing"), env={"COLOUR": "red"}, hosts=(Host("node1", 4), Host("node2", 4)), mpi_args=("--mem=0",))
    assert Slurm(Path("/bin/srun"), "pmix").command(job, ("/venv/bin/python", "guard")) == [
        "env", "-u", "TMPDIR", "/bin/srun", "--overlap", "--export=ALL", "--input=none", "--kill-on-bad-exit=1", "--mpi=pmix", "--cpu-bind=none",
        "--overcommit", "--nodes=2", "--ntasks=6", "--distribution=arbitrary", "--nodelist=node1,node1,node1,node1,node2,node2", "--mem=0",
        "env", "MLPS_RANK_NAME=SLURM_PROCID", "/venv/bin/python", "guard", "/venv/bin/python", "-m", "thing",
    ]  # fmt: skip


def test_slurms_own_name_of_this_host_is_used_where_it_has_one(monkeypatch):
    monkeypatch.setenv("SLURMD_NODENAME", "n17")
    assert "--nodelist=n17" in Slurm(Path("srun")).command(Job(1, ("x",)))


def test_shared_memory_of_open_mpi_goes_with_the_run():
    job = Job(1, ("x",), memory_folder="/dev/shm/run")
    assert "OMPI_MCA_btl_sm_backing_directory=/dev/shm/run" in Slurm(Path("srun"), "pmix").command(job)
    assert not any("OMPI" in word for word in Slurm(Path("srun"), "pmi2").command(job))


def test_arguments_of_the_user_replace_ours():
    command = Slurm(Path("srun"), "pmix").command(Job(2, ("x",), mpi_args=("--mpi=pmix_v4", "--cpu-bind=cores")))
    assert "--mpi=pmix" not in command
    assert "--cpu-bind=none" not in command


@pytest.mark.parametrize(("told", "expected"), [(None, True), (True, True), (False, False)])
def test_slots_are_the_users_word_and_not_slurms_unless_that_is_forbidden(told, expected):
    job = Job(4, ("x",), hosts=(Host("a", 2), Host("b", 2)), oversubscribe=told)
    assert ("--overcommit" in Slurm(Path("srun")).command(job)) is expected


def test_open_mpi_in_an_allocation_names_the_host_of_each_rank_since_slots_are_the_allocations(monkeypatch, program):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    path = program("mpirun (Open MPI) 5.0.11")
    job = Job(3, ("x",), hosts=(Host("node2", 2), Host("node1", 1)))
    start = ["env", "-u", "TMPDIR", "SLURM_OVERLAP=1", str(path), "--bind-to", "none"]
    sequence = ["--map-by", "seq", "--host", "node2,node2,node1", "-n", "3", "/venv/bin/python", "x"]
    assert OpenMPI(path).command(job) == [*start, "--oversubscribe", *sequence]
    assert OpenMPI(path).command(dataclasses.replace(job, oversubscribe=False)) == [*start, *sequence]
    own = ("--map-by", "ppr:1:node")
    assert OpenMPI(path).command(dataclasses.replace(job, mpi_args=own)) == [
        *start, "--host", "node2:2,node1:1", *own, "-n", "3", "/venv/bin/python", "x",
    ]  # fmt: skip


def test_open_mpi_on_this_host_takes_no_notice_of_an_allocation(monkeypatch, program):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    path = program("mpirun (Open MPI) 5.0.11")
    command = OpenMPI(path).command(Job(1, ("x",), hosts=(Host("node0"),)))
    assert command[:6] == ["env", "-u", "SLURM_JOB_ID", "-u", "SLURM_JOBID", str(path)]
    assert "--map-by" not in command


def test_mpich_on_this_host_asks_nothing_of_an_allocation(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert MPICH(Path("mpiexec")).command(Job(2, ("x",))) == [
        "mpiexec",
        "-launcher",
        "fork",
        "-rmk",
        "user",
        "-n",
        "2",
        "/venv/bin/python",
        "x",
    ]


def test_mpich_in_an_allocation_takes_the_hosts_in_slurms_order(monkeypatch, program):
    path = program("n1\nnode1\nnode2\n", name="scontrol")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    job = Job(4, ("x",), hosts=(Host("node9", 1), Host("node2", 2), Host("node1", 1)))
    assert "node9:1,node2:2,node1:1" in MPICH(path).command(job)
    for name, value in {"SLURM_JOB_ID": "12", "SLURM_JOB_NODELIST": "node[1-2]"}.items():
        monkeypatch.setenv(name, value)
    assert MPICH(path).command(job)[:7] == ["env", "-u", "TMPDIR", "SLURM_OVERLAP=1", str(path), "-hosts", "node1:1,node2:2,node9:1"]
    monkeypatch.setenv("SLURM_JOB_NODELIST", "")
    assert "node9:1,node2:2,node1:1" in MPICH(path).command(job)


@pytest.mark.parametrize(("name", "type_of"), [("libmpi.so.40", "pmix"), ("libmpi.so.12", "pmi2"), (None, "")])
def test_the_type_of_mpi_is_that_of_the_library_that_the_ranks_load(srun, library, name, type_of):
    path = srun()
    if name:
        library(name)
    assert find_launcher("slurm", environment(path)) == Slurm(path, type_of)


def test_auto_takes_it_last_and_says_why_the_others_are_not(srun):
    path = srun()
    found = detect_launcher("auto", environment(path))
    assert str(found) == (
        f"slurm 22.05.8 ({path}), by launch.launcher: auto; not openmpi: there is no mpirun of Open MPI; not mpich: there is no mpiexec of MPICH's Hydra"
    )


def test_an_mpirun_that_fits_goes_before_it(srun, program):
    path, mpirun = srun(), program("mpirun (Open MPI) 5.0.11")
    found = detect_launcher("auto", environment(path, PATH=f"{path.parent}:{mpirun.parent}"))
    assert (found.launcher.executable, found.passed_over) == (mpirun, ())


def test_an_mpirun_of_another_library_does_not(srun, program, library):
    path, mpirun = srun(), program("mpirun (Open MPI) 5.0.11")
    library("libmpi.so.12")
    found = detect_launcher("auto", environment(path, PATH=f"{path.parent}:{mpirun.parent}"))
    assert found.launcher == Slurm(path, "pmi2")
    assert found.passed_over[0] == ("openmpi", "the launcher is Open MPI's, and the library that the ranks would load is MPICH's")


def test_a_path_is_taken_without_a_look_at_the_others(srun, program):
    program("mpirun (Open MPI) 5.0.11", "venv/bin")
    path = srun()
    assert detect_launcher(str(path), {"PATH": ""}) == Detection(Slurm(path), str(path))


@pytest.mark.parametrize(("types", "offered"), [(OLD_TYPES, "pmi2, none, openmpi"), ("MPI plugin types are...\\n\\tnone\\n", "none")])
def test_a_type_that_this_slurm_does_not_offer_is_refused_in_one_sentence(srun, library, types, offered):
    path, file = srun(types), library("libmpi.so.40")
    with pytest.raises(DependencyError) as caught:
        find_launcher("slurm", environment(path))
    assert caught.value.message == f"Open MPI's ranks need srun --mpi=pmix, and this Slurm offers {offered}"
    assert caught.value.details == {"launcher": str(path), "library": str(file)}
    assert "launch.launcher: auto" in caught.value.suggestion


def test_an_srun_that_does_not_tell_its_types_is_tried(srun, library):
    library("libmpi.so.40")
    assert find_launcher("slurm", environment(srun(""))).mpi == "pmix"


def test_outside_an_allocation_it_is_refused_with_how_to_get_one(srun):
    with pytest.raises(DependencyError) as caught:
        find_launcher("slurm", {"PATH": str(srun().parent)})
    assert caught.value.message == (
        "launch.launcher: slurm cannot be used: this process runs in no Slurm allocation (SLURM_JOB_ID is not set)"
    )
    assert "salloc" in caught.value.suggestion


def test_an_allocation_without_srun_is_told(tmp_path):
    with pytest.raises(DependencyError, match="there is no srun along PATH"):
        find_launcher("slurm", {"PATH": str(tmp_path), **JOB})
    with pytest.raises(DependencyError) as caught:
        find_launcher("auto", {"PATH": str(tmp_path), **JOB})
    assert caught.value.details["slurm"] == "there is no srun along PATH"


def test_what_is_no_srun_is_not_taken(program):
    path = program("nothing of the kind", name="srun")
    assert Slurm.at(path) is None
    assert isinstance(Slurm.detect(environment(path)), str)
    with pytest.raises(MPIError, match="does not say that it is Slurm's srun"):
        Slurm(path).version()


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (["slurmstepd: error: *** STEP 5.0 ON h1 CANCELLED AT 2026-11-26T08:00:00 DUE TO TIME LIMIT ***"], "the time limit of the Slurm allocation has come"),
        (["srun: error: Unable to create step for job 5: More processors requested than permitted"], "there are not enough slots in the Slurm allocation for the ranks"),
        ([CANCELLED], "the step was cancelled in Slurm"),
        (["srun: error: h3: task 2: Exited with exit code 3", CANCELLED], ""),
        (["slurmstepd: error: *** JOB 5 ON h1 CANCELLED AT 2026-11-26T08:00:00 DUE TO PREEMPTION ***"], "Slurm has taken the allocation for another job"),
        (["slurmstepd-h2: error: Detected 1 oom-kill event(s) in StepId=5.0. Some of your processes may have been killed"], "a process has used more memory than the Slurm allocation has"),
        (["srun returned non-zero exit status (36608) from launching"], "Slurm has ended the daemons on the hosts: somebody has cancelled them, or the time of the allocation is over"),
        (["srun: error: Node failure on h3"], "Slurm has lost a host of the allocation"),
        (["srun: error:  mpi/pmix_v4: init: (null) [0]: mpi_pmix.c:195: pmi/pmix: can not load PMIx library", "srun: error: Invalid MPI type 'pmix', --mpi=list for acceptable types"], "Slurm's plugin for --mpi=pmix finds no PMIx library (Debian has it in libpmix-dev)"),
        (["srun: error: Unable to create step for job 5: Requested node configuration is not available"], "a host is not in this Slurm allocation, or gives less than is asked of it"),
        (["application called MPI_Abort(MPI_COMM_WORLD, 7) - process 1"], "rank 1 called MPI_Abort with code 7"),
        (["MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD", "with errorcode 15."], "rank 3 called MPI_Abort with code 15"),
        (["all is well"], ""),
    ],
)  # fmt: skip
def test_slurms_words_are_understood(words, meaning):
    assert Slurm(Path("srun")).explain(words) == meaning
