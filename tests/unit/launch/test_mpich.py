"""Commands of MPICH's Hydra, literally, and how it is found. No MPI is started: mpiexec is a script that says its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlpstorage.errors import DependencyError, MPIError
from pytest_mlpstorage.launch.detect import describe, find_launcher, launcher_names
from pytest_mlpstorage.launch.job import Host, Job
from pytest_mlpstorage.launch.mpich import MPICH

HYDRA_5 = "HYDRA build details:\n    Version:                                 5.0.2\n    Release Date: …"
OPEN_MPI = "mpirun (Open MPI) 5.0.11"


pytestmark = pytest.mark.usefixtures("bare")


@pytest.fixture
def mpiexec(program):
    return lambda says=HYDRA_5, folder="bin", name="mpiexec": program(says, folder, name)


def library(tmp_path, name):
    path = tmp_path / "venv" / "lib" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF" + bytes(300))
    return path


def test_a_plain_job_on_this_host_asks_no_resource_manager(mpiexec):
    path = mpiexec()
    assert MPICH(path).command(Job(2, ("-m", "thing", "a b"))) == [
        str(path), "-launcher", "fork", "-n", "2", "/venv/bin/python", "-m", "thing", "a b",
    ]  # fmt: skip


def test_a_rich_job_on_two_hosts_takes_this_hosts_folder_out_of_the_environment(mpiexec):
    path = mpiexec()
    job = Job(6, ("-m", "thing"), env={"COLOUR": "red"}, hosts=(Host("node1", 4), Host("node2")), mpi_args=("-bind-to", "numa"))
    assert MPICH(path).command(job, ("/venv/bin/python", "guard")) == [
        str(path), "-hosts", "node1:4,node2:2", "-bind-to", "numa", "-n", "6",
        "env", "-u", "TMPDIR", "/venv/bin/python", "guard", "/venv/bin/python", "-m", "thing",
    ]  # fmt: skip


def test_a_launcher_that_the_user_names_replaces_ours(mpiexec):
    command = MPICH(mpiexec()).command(Job(2, ("x",), mpi_args=("-launcher", "manual")))
    assert command.count("-launcher") == 1


def test_this_interpreters_environment_comes_before_path(mpiexec):
    own, on_path = mpiexec(folder="venv/bin"), mpiexec(folder="elsewhere")
    found = find_launcher("mpich", {"PATH": str(on_path.parent)})
    assert found.executable == own
    assert describe(found) == f"mpich 5.0.2 ({own})"


@pytest.mark.parametrize("name", ["mpiexec.hydra", "mpiexec.mpich"])
def test_other_names_on_path_are_known(mpiexec, name):
    path = mpiexec(folder="elsewhere", name=name)
    assert find_launcher("mpich", {"PATH": str(path.parent)}).executable == path


def test_what_is_no_hydra_is_not_taken(mpiexec):
    path = mpiexec(OPEN_MPI)
    assert MPICH.at(path) is None
    assert MPICH.detect({"PATH": str(path.parent)}) == "there is no mpiexec of MPICH's Hydra"
    with pytest.raises(MPIError, match="does not say that it is MPICH's Hydra"):
        MPICH(path).version()


def test_the_launcher_of_the_library_that_the_ranks_load_is_taken_whichever_comes_first(mpiexec, tmp_path):
    hydra, other = mpiexec(folder="elsewhere"), mpiexec(OPEN_MPI, "elsewhere", "mpirun")
    here = {"PATH": str(hydra.parent)}
    assert find_launcher("auto", here).executable == other
    library(tmp_path, "libmpi.so.12")
    assert find_launcher("auto", here).executable == hydra


def test_hydra_over_open_mpis_library_is_refused_since_every_rank_would_be_alone(mpiexec, tmp_path):
    path = library(tmp_path, "libmpi.so.40")
    mpiexec(folder="venv/bin")
    with pytest.raises(DependencyError, match=r"the launcher is MPICH's, and .* would load is Open MPI's") as caught:
        find_launcher("auto", {"PATH": ""})
    assert caught.value.details["library"] == str(path)
    assert "pip install mpich" in caught.value.suggestion


def test_its_name_is_among_those_of_all_launchers():
    assert launcher_names()[:3] == ("openmpi", "mpich", "slurm")


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (["Abort(7) on node 1 (rank 1 in comm 0): application called MPI_Abort(MPI_COMM_WORLD, 7) - process 1"], "rank 1 called MPI_Abort with code 7"),
        (["[proxy:0@h] HYDU_create_process (launch.c:73): execvp error on file /nowhere (No such file or directory)"], "the program is not there on a host"),
        (["ssh: Could not resolve hostname node9: Name or service not known"], "ssh cannot reach node9: the name cannot be resolved"),
        (["ssh: connect to host h2 port 22: No route to host"], "ssh cannot reach h2: there is no way to the host"),
        (["all is well"], ""),
    ],
)  # fmt: skip
def test_hydras_words_are_understood(words, meaning):
    assert MPICH(Path("mpiexec")).explain(words) == meaning
