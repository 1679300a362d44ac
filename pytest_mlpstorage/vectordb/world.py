"""The ranks of a job: one alone without MPI, or those of mpi4py's communicator, who wait for each other asleep."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

__all__ = ["Alone", "MPIWorld", "World", "launched_ranks", "without_launcher"]

_POLL_SECONDS: Final = 0.005
_ROUNDS: Final = 8
_SIZES: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")
_LAUNCHER: Final = ("OMPI_", "PMI_", "PMIX_", "MPI_", "PRTE_")

_T = TypeVar("_T")


def launched_ranks(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many ranks the launcher of this process says that it started; None where it is no launcher's."""
    return next((int(environment[name]) for name in _SIZES if environment.get(name, "").isdigit()), None)


def without_launcher(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a process that is no rank: a library that finds the launcher's words in it would speak to the launcher."""
    return {name: value for name, value in environment.items() if not name.startswith(_LAUNCHER)}


class World(Protocol):
    """What a rank asks of the others. Every rank makes the same calls in the same order."""

    rank: int
    size: int

    def barrier(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for all; ``meanwhile`` is called now and then, and what it raises ends the wait."""

    def all(self, value: _T, meanwhile: Callable[[], None] | None = None) -> list[_T]:
        """The values of all ranks, by rank."""

    def offsets_ns(self, hosts: Sequence[str]) -> dict[str, int]:
        """How far the monotonic clock of each host is ahead of rank 0's; ``hosts`` by rank."""


class Alone:
    """The only rank of a job."""

    rank, size = 0, 1

    def barrier(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Nobody is to be waited for."""

    def all(self, value: _T, meanwhile: Callable[[], None] | None = None) -> list[_T]:  # noqa: ARG002 - nobody is waited for
        """Its own value."""
        return [value]

    def offsets_ns(self, hosts: Sequence[str]) -> dict[str, int]:
        """None."""
        return {hosts[0]: 0}


class MPIWorld:
    """Ranks of a communicator of mpi4py."""

    def __init__(self, communicator: Any) -> None:
        self._ranks = communicator
        self.rank, self.size = int(communicator.rank), int(communicator.size)

    def barrier(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for all, asleep: MPI's own barrier takes a core of each host from those who still search."""
        request = self._ranks.Ibarrier()
        while not request.Test():
            if meanwhile is not None:
                meanwhile()
            time.sleep(_POLL_SECONDS)

    def all(self, value: _T, meanwhile: Callable[[], None] | None = None) -> list[_T]:
        """The values of all ranks, once all are here."""
        self.barrier(meanwhile)
        found: list[_T] = self._ranks.allgather(value)
        return found

    def offsets_ns(self, hosts: Sequence[str]) -> dict[str, int]:
        """Ask one rank of each other host what time it is, some times; the quickest answer tells most."""
        self.barrier()
        found = {hosts[0]: 0}
        for rank in range(1, self.size):
            if hosts[rank] in hosts[:rank]:
                continue
            if self.rank == 0:
                found[hosts[rank]] = min((self._ask(rank) for _ in range(_ROUNDS)), key=lambda answer: answer[1])[0]
            elif self.rank == rank:
                for _ in range(_ROUNDS):
                    self._ranks.recv(source=0)
                    self._ranks.send(time.perf_counter_ns(), dest=0)
        return self.all(found)[0]

    def _ask(self, rank: int) -> tuple[int, int]:
        asked = time.perf_counter_ns()
        self._ranks.send(None, dest=rank)
        theirs = self._ranks.recv(source=rank)
        answered = time.perf_counter_ns()
        return theirs - (asked + answered) // 2, answered - asked
