"""What is to be launched, and what a launcher is."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["Host", "HostLike", "Job", "Launcher", "LauncherProvider", "hosts_with_slots", "is_local", "placed", "runs_here"]


class HostLike(Protocol):
    """A host to run on; ``slots`` is how many ranks it takes at most (None: as many as are needed)."""

    @property
    def name(self) -> str:
        """Name or address by which the launcher reaches the host."""

    @property
    def slots(self) -> int | None:
        """Ranks the host takes, or None."""


@dataclasses.dataclass(frozen=True)
class Host:
    """The plainest HostLike."""

    name: str = "localhost"
    slots: int | None = None


@dataclasses.dataclass(frozen=True)
class Job:
    """A program to run as ``ranks`` MPI processes.

    ``program`` is what follows the Python interpreter (``("-m", "package.module", "argument")``); ranks use the
    interpreter of this process, since PATH on another host is not ours. ``env`` is added to the environment of all
    ranks. No ``hosts`` means this host. ``mpi_args`` go to the launcher as they are, after ours. ``oversubscribe`` allows
    more ranks than slots; None allows it exactly where the ranks outnumber the slots, or the cores of a single host.
    ``memory_folder`` is set by the supervisor: where the launcher's transport may put its shared memory.
    """

    ranks: int
    program: tuple[str, ...]
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    hosts: tuple[HostLike, ...] = ()
    cwd: Path | None = None
    mpi_args: tuple[str, ...] = ()
    oversubscribe: bool | None = None
    memory_folder: str | None = None

    def __post_init__(self) -> None:
        if self.ranks < 1:
            raise ValueError(f"a job needs at least one rank, not {self.ranks}")
        if not self.program:
            raise ValueError("a job needs a program")


class Launcher(Protocol):
    """Builds the command that starts ranks; registered in the entry point group ``pytest_mlpstorage.launchers``."""

    @property
    def name(self) -> str:
        """Name as in the configuration's ``launch.launcher``."""

    @property
    def executable(self) -> Path:
        """The program that starts the ranks."""

    def version(self) -> str:
        """Version of the MPI behind it, such as ``5.0.11``."""

    def command(self, job: Job, guard: Sequence[str] = ()) -> list[str]:
        """The argument list that runs ``guard + interpreter + program`` on every rank. No shell reads it."""

    def explain(self, lines: Sequence[str]) -> str:
        """What the launcher's own words in ``lines`` (end of stderr) say went wrong, or an empty text."""


class LauncherProvider(Protocol):
    """What an entry point names: usually the launcher's class."""

    def detect(self, environ: Mapping[str, str]) -> Launcher | str:
        """The launcher as found in this environment, or why there is none, in a few words. Must be quick and must not start MPI."""

    def at(self, executable: Path) -> Launcher | None:
        """The launcher at a path that the user named, or None where that program is of another kind."""


def is_local(name: str) -> bool:
    """Whether a host name means this host, decided without asking the network."""
    here = socket.gethostname()
    return name in {"localhost", "127.0.0.1", "::1", here, here.partition(".")[0]}


def runs_here(job: Job) -> bool:
    """Whether all ranks of a job run on this host."""
    return all(is_local(host.name) for host in job.hosts)


def placed(ranks: int, hosts: Sequence[HostLike]) -> list[tuple[str, int]]:
    """Host → its ranks, for each host that gets any; this host for a job without hosts.

    Hosts with slots are filled in their order, those without take equal shares, and what is over goes round all of them.
    """
    if not hosts:
        return [("localhost", ranks)]
    if not any(host.slots for host in hosts):
        each, more = divmod(ranks, len(hosts))
        counts = [each + (number < more) for number in range(len(hosts))]
    else:
        counts, left = [], ranks
        for host in hosts:
            counts.append(min(left, host.slots or -(-ranks // len(hosts))))
            left -= counts[-1]
        each, more = divmod(left, len(hosts))
        counts = [count + each + (number < more) for number, count in enumerate(counts)]
    return [(host.name, count) for host, count in zip(hosts, counts, strict=True) if count]


def hosts_with_slots(job: Job) -> str:
    """``node1:4,node2:2`` as mpirun and mpiexec read it: the slots of each host, or the ranks that it gets where it has none."""
    ranks = dict(placed(job.ranks, job.hosts))
    return ",".join(f"{host.name}:{host.slots or ranks[host.name]}" for host in job.hosts if host.slots or host.name in ranks)
