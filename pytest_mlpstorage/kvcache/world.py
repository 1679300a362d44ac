"""The ranks of a job: one alone without MPI, or those of mpi4py's communicator, who wait for each other without keeping a core busy."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar

__all__ = ["Alone", "Clock", "MPIWorld", "World", "launched_ranks"]

_POLL_SECONDS: Final = 0.010
_ROUNDS: Final = 8
_SIZES: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")

_T = TypeVar("_T")


def launched_ranks(environment: Mapping[str, str] = os.environ) -> int | None:
    """How many ranks the launcher of this process says that it started; None where it is no launcher's."""
    for name in _SIZES:
        if environment.get(name, "").isdigit():
            return int(environment[name])
    return None


@dataclasses.dataclass(frozen=True)
class Clock:
    """How far the clock of a rank is ahead of that of rank 0, known to within ``error_ns``."""

    host: str
    offset_ns: int
    error_ns: int


class World(Protocol):
    """What a rank asks of the others. Every rank makes the same calls in the same order."""

    rank: int
    size: int

    def barrier(self) -> None:
        """Wait for all."""

    def all(self, value: _T) -> list[_T]:
        """The values of all ranks, by rank."""

    def clocks(self) -> list[Clock]:
        """The clocks of all ranks, measured now."""


class Alone:
    """The only rank of a job."""

    rank, size = 0, 1

    def barrier(self) -> None:
        """Nobody is to be waited for."""

    def all(self, value: _T) -> list[_T]:
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

    def barrier(self) -> None:
        """Wait for all, asleep: MPI's own barrier takes a core of each host from those who still measure."""
        request = self._ranks.Ibarrier()
        while not request.Test():
            time.sleep(_POLL_SECONDS)

    def all(self, value: _T) -> list[_T]:
        """The values of all ranks, once all are here."""
        self.barrier()
        found: list[_T] = self._ranks.allgather(value)
        return found

    def clocks(self) -> list[Clock]:
        """Ask each rank in turn what time it is, some times; the quickest answer tells most."""
        self.barrier()
        best = (0, 0)
        for rank in range(1, self.size):
            if self.rank == 0:
                answers = [self._ask(rank) for _ in range(_ROUNDS)]
                self._ranks.send(min(answers, key=lambda answer: answer[1]), dest=rank)
            elif self.rank == rank:
                for _ in range(_ROUNDS):
                    self._ranks.recv(source=0)
                    self._ranks.send(time.perf_counter_ns(), dest=0)
                best = self._ranks.recv(source=0)
        return self.all(Clock(socket.gethostname(), *best))

    def _ask(self, rank: int) -> tuple[int, int]:
        asked = time.perf_counter_ns()
        self._ranks.send(None, dest=rank)
        theirs = self._ranks.recv(source=rank)
        answered = time.perf_counter_ns()
        return theirs - (asked + answered) // 2, (answered - asked) // 2
