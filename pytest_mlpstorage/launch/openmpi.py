"""Open MPI 4 and 5: the wheel's in this interpreter's environment, or the system's."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pytest_mlpstorage.launch.connection import connection_fault
from pytest_mlpstorage.launch.job import Job, hosts_with_slots, runs_here
from pytest_mlpstorage.launch.nodes import BESIDE_OTHERS, WITHOUT_ALLOCATION, in_allocation, node_of_each_rank
from pytest_mlpstorage.launch.said_version import require_version, said_version

__all__ = ["OpenMPI"]

_VERSION = re.compile(r"\(Open MPI\)\s+([0-9][0-9A-Za-z.]*)")
_ABORT = re.compile(r"MPI_ABORT was invoked on rank (\d+)")
_ERROR_CODE = re.compile(r"[Ee]rrorcode:?\s+(-?\d+)")
_FRAMEWORK = re.compile(r"\s*Framework:\s+(\S+)")
_COMPONENT = re.compile(r"\s*Component:\s+(\S+)")
_KNOWN = (
    ("There are not enough slots available", "there are not enough slots on the hosts for the ranks"),
    ("running as root", "Open MPI refuses to run as root"),
    ("Unable to get the user home directory", "Open MPI needs the environment variable HOME"),
    ("lost communication with a remote daemon", "the connection to a host was lost"),
    ("was unable to find the specified executable", "the program is not there on a host"),
)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where an mpirun may be, in the order of preference.

    This interpreter's environment comes first because mpi4py loads the libmpi of that environment before any other,
    whichever mpirun has started it: launcher and library then are of one release. PATH is next: a module that a cluster's
    user has loaded, then the system's. Debian's name for Open MPI comes last, for hosts whose mpirun is MPICH's.
    """
    yield Path(sys.prefix) / "bin" / "mpirun"
    for name in ("mpirun", "mpirun.openmpi"):
        found = shutil.which(name, path=environ.get("PATH", os.defpath))
        if found:
            yield Path(found)


def _cores() -> int:
    """Slots that Open MPI gives a single host unasked: the cores, not the threads, that this process may use."""
    allowed = os.sched_getaffinity(0)
    seen = set()
    for cpu in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            seen.add(siblings.read_text(encoding="ascii").strip())
        except OSError:
            return len(allowed)  # a kernel without topology: each CPU counts
    return len(seen)


@dataclasses.dataclass(frozen=True)
class OpenMPI:
    """Open MPI's ``mpirun``."""

    executable: Path
    name: str = "openmpi"

    @classmethod
    def detect(cls, environ: Mapping[str, str]) -> OpenMPI | str:
        """The first Open MPI of this interpreter's environment and PATH, or why there is none."""
        return next((cls(path) for path in _candidates(environ) if said_version(path, _VERSION)), "there is no mpirun of Open MPI")

    @classmethod
    def at(cls, executable: Path) -> OpenMPI | None:
        """The Open MPI at a path, or None where that program is another one."""
        return cls(executable) if said_version(executable, _VERSION) else None

    def version(self) -> str:
        """Version such as ``5.0.11``; raises MPIError where the program no longer says one."""
        return require_version(self.executable, _VERSION, "Open MPI")

    def command(self, job: Job, guard: Sequence[str] = ()) -> list[str]:
        """The argument list that runs a job.

        Ranks are not bound to cores unless ``job.mpi_args`` bind them, since read workers would share the one core of
        their rank. On one host the shared-memory transport is named: Open MPI 5 otherwise spends 1.2 s on looking for a
        fabric. On many hosts the transport is the cluster's business, so nothing is forced there.
        """
        major = int(self.version().partition(".")[0])
        here = runs_here(job)
        # In an allocation Open MPI would spread the ranks of this host over all of it.
        command = [*((WITHOUT_ALLOCATION if here else BESIDE_OTHERS) if in_allocation() else ()), str(self.executable)]
        if os.geteuid() == 0:
            command.append("--allow-run-as-root")
        if not _mentions(job.mpi_args, "--bind-to", "-bind-to"):
            command += ["--bind-to", "none"]
        if here and not _mentions(job.mpi_args, "pml", "btl"):
            command += ["--mca", "pml", "ob1", "--mca", "btl", "self,sm,tcp" if major >= 5 else "self,vader,tcp"]
        if job.memory_folder is not None:
            # Segments of ranks that were killed stay; in a folder of the run's own they go with it.
            command += ["--mca", "btl_sm_backing_directory" if major >= 5 else "btl_vader_backing_directory", job.memory_folder]
        allocated = not here and in_allocation() and not _mentions(job.mpi_args, "--map-by", "-map-by")
        if _oversubscribed(job) or (allocated and job.oversubscribe is None):
            command.append("--oversubscribe")
        if allocated:
            # Slots are the allocation's there, whatever --host says; only a sequence of hosts puts each rank where it belongs.
            command += ["--map-by", "seq", "--host", ",".join(node_of_each_rank(job))]
        elif not here or any(host.slots for host in job.hosts):
            command += ["--host", hosts_with_slots(job)]
        for variable in job.env:
            command += ["-x", variable]
        return [*command, *job.mpi_args, "-n", str(job.ranks), *guard, sys.executable, *job.program]

    def explain(self, lines: Sequence[str]) -> str:
        """What Open MPI says in its own words: an abort and its rank, a missing component, missing slots, a host it cannot reach."""
        for number, line in enumerate(lines):
            if match := _ABORT.search(line):
                code = next((m[1] for text in lines[number : number + 4] if (m := _ERROR_CODE.search(text))), "")
                return f"rank {match[1]} called MPI_Abort" + (f" with code {code}" if code else "")
            if (match := _FRAMEWORK.match(line)) and (component := _COMPONENT.match("".join(lines[number + 1 : number + 2]))):
                # The names differ between releases: the shared memory of 5 is sm, that of 4 is vader.
                return f"this Open MPI has no component {component[1]} in its framework {match[1]}, which launch.mpi_args asks for"
        return connection_fault(lines) or next((text for words, text in _KNOWN if any(words in line for line in lines)), "")


def _mentions(arguments: Sequence[str], *names: str) -> bool:
    return any(argument in names for argument in arguments)


def _oversubscribed(job: Job) -> bool:
    if job.oversubscribe is not None:
        return job.oversubscribe
    if all(host.slots for host in job.hosts) and job.hosts:
        return job.ranks > sum(host.slots or 0 for host in job.hosts)
    return runs_here(job) and job.ranks > _cores()
