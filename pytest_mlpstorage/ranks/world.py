"""The ranks of a job: one alone without MPI, or those of mpi4py's communicator, who wait for each other without keeping a core busy."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

__all__ = ["LEAST_OVERLAP", "Alone", "Clock", "MPIWorld", "World", "launched_ranks", "this_rank", "without_launcher"]

LEAST_OVERLAP: Final = 0.99
"""Share of the window in which all ranks must have measured; of less, nothing is a figure of all of them."""

_POLL_SECONDS: Final = 0.010
_ROUNDS, _MOST_ROUNDS = 8, 200
_KNOWN_NS: Final = 500_000
"""How well a clock is to be known before fewer than the most rounds are enough: a busy host answers late, but not each time."""

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
        """Ask each rank of another kernel in turn what time it is, some times; the quickest answer tells most."""
        kernels = self.all(_kernel())
        best = (0, 0)
        for rank in (rank for rank in range(1, self.size) if not kernels[rank] or kernels[rank] != kernels[0]):
            if self.rank == 0:
                self._ranks.send(self._best_of(rank), dest=rank)
            elif self.rank == rank:
                while (asked := self._ranks.recv(source=0)) is None:
                    self._ranks.send(time.perf_counter_ns(), dest=0)
                best = asked
        return self.all(Clock(socket.gethostname(), *best))

    def _best_of(self, rank: int) -> tuple[int, int]:
        best = self._ask(rank)
        for done in range(1, _MOST_ROUNDS):
            if done >= _ROUNDS and best[1] <= _KNOWN_NS:
                break
            best = min(best, self._ask(rank), key=lambda answer: answer[1])
        return best

    def _ask(self, rank: int) -> tuple[int, int]:
        asked = time.perf_counter_ns()
        self._ranks.send(None, dest=rank)
        theirs = self._ranks.recv(source=rank)
        answered = time.perf_counter_ns()
        return theirs - (asked + answered) // 2, (answered - asked) // 2


def _kernel(proc: Path = Path("/proc")) -> str:
    """What ranks with one and the same clock have in common: the start of their kernel, and their view of its time. Empty if not known."""
    with contextlib.suppress(OSError):
        return f"{(proc / 'sys/kernel/random/boot_id').read_text(encoding='ascii').strip()} {(proc / 'self/ns/time').readlink()}"
    return ""
