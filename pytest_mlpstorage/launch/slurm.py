"""Slurm's ``srun`` inside an allocation."""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.asking import answer
from pytest_mlpstorage.config.allocation import find_allocation
from pytest_mlpstorage.launch.guard import RANK_NAME_VARIABLE
from pytest_mlpstorage.launch.job import Job, runs_here
from pytest_mlpstorage.launch.library import library_kind
from pytest_mlpstorage.launch.mpich import MPICH
from pytest_mlpstorage.launch.nodes import node_of_each_rank
from pytest_mlpstorage.launch.openmpi import OpenMPI
from pytest_mlpstorage.launch.said_version import require_version, said_version
from pytest_mlpstorage.launch.slurm_words import ended_by_slurm

__all__ = ["Slurm"]

_VERSION: Final = re.compile(r"^slurm(?:-\S+)? +([0-9][0-9A-Za-z.]*)")
_TYPES: Final = {"openmpi": "pmix", "mpich": "pmi2"}
_WHOSE: Final = {"pmix": "Open MPI's", "pmi2": "MPICH's"}
_KNOWN: Final = (
    ("More processors requested than permitted", "there are not enough slots in the Slurm allocation for the ranks"),
    ("Requested nodes not in", "a host is not in this Slurm allocation"),
    ("Invalid node name specified", "Slurm knows no host of that name"),
    ("Requested node configuration is not available", "a host is not in this Slurm allocation, or gives less than is asked of it"),
    ("can not load PMIx library", "Slurm's plugin for --mpi=pmix finds no PMIx library (Debian has it in libpmix-dev)"),
    ("Invalid MPI type", "this Slurm cannot load the type of MPI that the ranks need, see srun --mpi=list"),
    ("Invalid job id specified", "the Slurm allocation has ended"),
    ("Job/step already completing or completed", "the Slurm allocation has ended"),
    ("Unable to contact slurm controller", "Slurm's controller does not answer"),
    ("unrecognized option", "this srun does not know an argument that launch.mpi_args give it"),
)


@dataclasses.dataclass(frozen=True)
class Slurm:
    """Slurm's ``srun``. ``mpi`` is the type by which its ranks find one another; empty: what the site has set.

    Every job is a step of the allocation that pytest runs in, beside the step that pytest itself may be; so nothing waits in a queue
    between two runs, and no host changes. Ranks are placed one by one, in the order of the hosts, and not bound.
    """

    executable: Path
    mpi: str = ""
    name: str = "slurm"

    @classmethod
    def detect(cls, environ: Mapping[str, str]) -> Slurm | str:
        """The srun of PATH in an allocation, or why there is none."""
        if find_allocation(environ) is None:
            return "this process runs in no Slurm allocation (SLURM_JOB_ID is not set)"
        found = shutil.which("srun", path=environ.get("PATH", os.defpath))
        if found is None:
            return "there is no srun along PATH"
        if not said_version(Path(found), _VERSION):
            return f"{found} does not say its version: it is not Slurm's, or finds no configuration"
        return cls(Path(found), _type(environ))

    @classmethod
    def at(cls, executable: Path) -> Slurm | None:
        """The srun at a path, or None where that program is another one."""
        return cls(executable, _type(os.environ)) if said_version(executable, _VERSION) else None

    def version(self) -> str:
        """Version such as ``22.05.8``; raises MPIError where the program no longer says one."""
        return require_version(self.executable, _VERSION, "Slurm's srun")

    def misfit(self) -> str:
        """Why ranks of the library that they load would not find one another under this srun, or nothing where they may."""
        offered = _offered(str(self.executable)) if self.mpi else ()
        if not offered or self.mpi in offered:
            return ""
        return f"{_WHOSE[self.mpi]} ranks need srun --mpi={self.mpi}, and this Slurm offers {', '.join(offered)}"

    def command(self, job: Job, guard: Sequence[str] = ()) -> list[str]:
        """The argument list that runs a job.

        srun gives every rank its whole environment, so ``job.env`` need not be named; but the folder for temporary files is of this
        host only, and is taken out where ranks run on others. Slurm orders hosts by their names unless each rank is placed.
        """
        nodes = node_of_each_rank(job)
        # Slurm itself would make that folder on the other hosts for the PMIx of its daemons, and leave it there when a step is killed.
        command = [] if runs_here(job) else ["env", "-u", "TMPDIR"]
        command += [str(self.executable), "--overlap", "--export=ALL", "--input=none", "--kill-on-bad-exit=1"]
        if self.mpi and not _mentions(job.mpi_args, "--mpi"):
            command.append(f"--mpi={self.mpi}")
        if not _mentions(job.mpi_args, "--cpu-bind"):
            command.append("--cpu-bind=none")
        if job.oversubscribe is not False:  # slots are the user's word; Slurm counts the CPUs that the job has asked for, often one
            command.append("--overcommit")
        command += [f"--nodes={len(set(nodes))}", f"--ntasks={job.ranks}", "--distribution=arbitrary", f"--nodelist={','.join(nodes)}"]
        return [*command, *job.mpi_args, *_before(job, self.mpi), *guard, sys.executable, *job.program]

    def explain(self, lines: Sequence[str]) -> str:
        """What srun says in its own words, or an MPI under it: an abort and its rank, the end of the allocation, a wrong host."""
        said = ended_by_slurm(lines) or next((text for words, text in _KNOWN if any(words in line for line in lines)), "")
        return said or MPICH(self.executable).explain(lines) or OpenMPI(self.executable).explain(lines)


def _type(environ: Mapping[str, str]) -> str:
    library = library_kind(environ)
    return _TYPES[library[1]] if library else ""


@functools.lru_cache(maxsize=4)
def _offered(executable: str) -> tuple[str, ...]:
    """The types of MPI that an srun offers; none where it does not say."""
    try:
        done = answer([executable, "--mpi=list"])
    except OSError:
        return ()
    return _types_in(done.stdout + done.stderr)


def _types_in(said: str) -> tuple[str, ...]:
    """Slurm prints a heading, then one type a line; releases of PMIx, such as pmix_v4, stand in a row behind their own heading."""
    found = []
    for line in said.splitlines():
        head, colon, rest = line.rpartition(":")
        words = rest.replace(",", " ").split() if colon else line.split()
        if (colon and "plugin" in head.lower()) or len(words) == 1:
            found += words
    return tuple(dict.fromkeys(found))


def _mentions(arguments: Sequence[str], name: str) -> bool:
    return any(argument == name or argument.startswith(f"{name}=") for argument in arguments)


def _before(job: Job, mpi: str) -> list[str]:
    """What stands before the guard on every host: the variable that holds a rank's number, whatever this process has inherited."""
    words = ["env", f"{RANK_NAME_VARIABLE}=SLURM_PROCID"]
    if job.memory_folder is not None and mpi == _TYPES["openmpi"]:
        # Segments of ranks that were killed stay; in a folder of the run's own they go with it.
        words += [f"OMPI_MCA_btl_{name}_backing_directory={job.memory_folder}" for name in ("sm", "vader")]
    return words
