"""The ranks of a job: one alone without MPI, or those of mpi4py's communicator, who wait for each other without keeping a core busy."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from pytest_mlpstorage.cluster.clocks import clock_offsets, kernel_of_clock

__all__ = ["LEAST_OVERLAP", "Alone", "Clock", "MPIWorld", "World", "launched_ranks", "this_rank", "without_launcher"]

LEAST_OVERLAP: Final = 0.99
"""Share of the window in which all ranks must have measured; of less, nothing is a figure of all of them."""

_POLL_SECONDS: Final = 0.010

_SIZES: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")

_RANKS: Final = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")
_LAUNCHER: Final = ("OMPI_", "PMI_", "PMIX_", "MPI_", "PRTE_")

_T = TypeVar("_T")


def launched_ranks(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many ranks the launcher of this process says that it started; None where it is no launcher's."""
    for name in _SIZES:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    return None


def this_rank(environment: Mapping[str, str] = os.environ) -> int:
    """The number that the launcher gave this process; 0 where nobody did."""
    return next((int(value) for name in _RANKS if (value := environment.get(name, "")).isdigit()), 0)


def without_launcher(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a process that is no rank: a library that finds the launcher's words in it would speak to the launcher."""
    return {name: value for name, value in environment.items() if not name.startswith(_LAUNCHER)}


@dataclasses.dataclass(frozen=True)
class Clock:
    """How far the clock of a rank is ahead of that of rank 0, known to within ``error_ns``: exactly where both are of one kernel."""

    host: str
    offset_ns: int
    error_ns: int


class World(Protocol):
    """What a rank asks of the others. Every rank makes the same calls in the same order."""

    rank: int
    size: int

    def barrier(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for all; ``meanwhile`` is called now and then, and what it raises ends the wait."""

    def all(self, value: _T, meanwhile: Callable[[], None] | None = None) -> list[_T]:
        """The values of all ranks, by rank."""

    def clocks(self) -> list[Clock]:
        """The clocks of all ranks, measured now."""


class Alone:
    """The only rank of a job."""

    rank, size = 0, 1

    def barrier(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Nobody is to be waited for."""

    def all(self, value: _T, meanwhile: Callable[[], None] | None = None) -> list[_T]:  # noqa: ARG002 - nobody is waited for
        """Its own value."""
        return [value]

    def clocks(self) -> list[Clock]:
        """Its own clock."""
        return [Clock(socket.gethostname(), 0, 0)]


class MPIWorld:
    """Ranks of a communicator of mpi4py."""

    def __init__(self, communicator: Any) -> None:
        self._ranks = communicator
        self.rank, self.size = int(communicator.rank), int(communicator.size)

    def barrier(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait for all, asleep: MPI's own barrier takes a core of each host from those who still measure."""
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

    def clocks(self) -> list[Clock]:
        """Measured between one rank of each kernel, in a tree."""
        told = self.all((socket.gethostname(), kernel_of_clock()))
        offsets = clock_offsets(self._ranks, [kernel for _, kernel in told], self.all, time.perf_counter_ns)
        return [Clock(host, offset.offset_ns, offset.error_ns) for (host, _), offset in zip(told, offsets, strict=True)]
