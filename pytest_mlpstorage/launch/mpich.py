"""MPICH's Hydra, ``mpiexec``: the wheel's in this interpreter's environment, or the system's."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.launch.connection import connection_fault
from pytest_mlpstorage.launch.job import Job, hosts_with_slots, runs_here
from pytest_mlpstorage.launch.nodes import BESIDE_OTHERS, in_allocation, in_slurms_order
from pytest_mlpstorage.launch.said_version import require_version, said_version

__all__ = ["MPICH"]

_VERSION: Final = re.compile(r"HYDRA build details:\s+Version:\s+([0-9][0-9A-Za-z.]*)")
_ABORT: Final = re.compile(r"application called MPI_Abort\(\w+, (-?\d+)\) - process (\d+)")
_KNOWN: Final = (
    ("execvp error on file", "the program is not there on a host"),
    ("unrecognized argument", "this mpiexec does not know an argument that launch.mpi_args give it"),
)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a Hydra may be, in the order of preference: as for Open MPI, the environment whose libmpi the ranks load comes first."""
    yield Path(sys.prefix) / "bin" / "mpiexec"
    for name in ("mpiexec", "mpiexec.hydra", "mpiexec.mpich"):
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
        if found:
            yield Path(found)


@dataclasses.dataclass(frozen=True)
class MPICH:
    """MPICH's ``mpiexec``. It neither binds ranks nor counts slots, unless ``job.mpi_args`` make it."""

    executable: Path
    name: str = "mpich"

    @classmethod
    def detect(cls, environ: Mapping[str, str]) -> MPICH | str:
        """The first Hydra of this interpreter's environment and PATH, or why there is none."""
        return next((cls(path) for path in _candidates(environ) if said_version(path, _VERSION)), "there is no mpiexec of MPICH's Hydra")

    @classmethod
    def at(cls, executable: Path) -> MPICH | None:
        """The Hydra at a path, or None where that program is another one."""
        return cls(executable) if said_version(executable, _VERSION) else None

    def version(self) -> str:
        """Version such as ``5.0.2``; raises MPIError where the program no longer says one."""
        return require_version(self.executable, _VERSION, "MPICH's Hydra")

    def command(self, job: Job, guard: Sequence[str] = ()) -> list[str]:
        """The argument list that runs a job.

        Hydra gives every rank, on every host, the whole environment of ``mpiexec``, so ``job.env`` need not be named; but the folder
        for temporary files is of this host only, and is taken out where ranks run on others.
        """
        here, allocated = runs_here(job), in_allocation()
        command = [*(BESIDE_OTHERS if allocated and not here else ()), str(self.executable)]
        if here:
            # With other words Hydra looks for a resource manager: within an allocation it would spread the ranks.
            command += ["-launcher", "fork"] if not _mentions(job.mpi_args, "-launcher") else []
            # It still reads the allocation's numbers, which are those of a step where pytest is one, and divides by zero.
            command += ["-rmk", "user"] if allocated and not _mentions(job.mpi_args, "-rmk") else []
        else:
            # In an allocation srun starts Hydra's helpers, in the order that Slurm has for the hosts: ranks would come to the wrong ones.
            ordered = dataclasses.replace(job, hosts=tuple(in_slurms_order(job.hosts)))
            command += ["-hosts", hosts_with_slots(ordered)]
            guard = ("env", "-u", "TMPDIR", *guard)
        return [*command, *job.mpi_args, "-n", str(job.ranks), *guard, sys.executable, *job.program]

    def explain(self, lines: Sequence[str]) -> str:
        """What Hydra says in its own words: an abort and its rank, a missing program, a host it cannot reach."""
        for line in lines:
            if match := _ABORT.search(line):
                return f"rank {match[2]} called MPI_Abort with code {match[1]}"
        return connection_fault(lines) or next((text for words, text in _KNOWN if any(words in line for line in lines)), "")


def _mentions(arguments: Sequence[str], *names: str) -> bool:
    return any(argument in names for argument in arguments)
