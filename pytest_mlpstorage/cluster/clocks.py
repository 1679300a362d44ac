"""How far the clocks of several hosts are apart, by asking what time it is: in a tree, so that nobody asks all of them.

Hosts pair up in as many steps as their number has doublings; in each step every pair talks at the same time. The differences on the
way from the first host add up, and so does what is not known of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

__all__ = ["MEASURING", "Accuracy", "Communicator", "Offset", "best_of", "clock_offsets", "kernel_of_clock"]


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """How often to ask: at least ``rounds`` times, and until the answer is known to within ``known_ns``, at most ``most_rounds`` times."""

    rounds: int = 8
    most_rounds: int = 200
    known_ns: int = 500_000


MEASURING: Final = Accuracy()
"""For the start of a measurement: a busy host answers late, but not each time."""


@dataclasses.dataclass(frozen=True)
class Offset:
    """How far a clock is ahead of the first one, known to within ``error_ns``: exactly where both are of one kernel."""

    offset_ns: int = 0
    error_ns: int = 0


class Communicator(Protocol):
    """What is used of mpi4py's communicator."""

    rank: int

    def send(self, obj: Any, dest: int) -> None:
        """Send an object to a rank."""

    def recv(self, *, source: int) -> Any:
        """Wait for an object from a rank."""


def clock_offsets(
    ranks: Communicator,
    kernels: Sequence[str],
    gather: Callable[[Offset], list[Offset]],
    clock: Callable[[], int],
    accuracy: Accuracy = MEASURING,
) -> list[Offset]:
    """How far the clock of each rank is ahead of that of rank 0; every rank calls this at the same time and gets the same.

    ``kernels`` says for each rank which kernel keeps its clock (see ``kernel_of_clock``): one rank of each is asked, and an unknown
    one (empty) is a kernel of its own. ``gather`` gives what all ranks have, by rank; ``clock`` tells nanoseconds.
    """
    first: dict[str, int] = {}
    leader = [first.setdefault(kernel, rank) if kernel else rank for rank, kernel in enumerate(kernels)]
    leaders = sorted(set(leader))
    place = leaders.index(ranks.rank) if leader[ranks.rank] == ranks.rank else None
    edge = Offset()
    for step in _steps(len(leaders)) if place is not None else ():
        assert place is not None
        if place % (2 * step) == step:
            edge = _answer(ranks, leaders[place - step], clock)
        elif place % (2 * step) == 0 and place + step < len(leaders):
            other = leaders[place + step]
            ranks.send(best_of(lambda other=other: _ask(ranks, other, clock), accuracy), dest=other)  # type: ignore[misc] # a default binds the rank
    edges = gather(edge)
    found: list[Offset] = []
    for number, rank in enumerate(leaders):
        above = found[number & (number - 1)] if number else Offset()  # the pair of the step in which it answered
        found.append(Offset(above.offset_ns + edges[rank].offset_ns, above.error_ns + edges[rank].error_ns))
    return [found[leaders.index(each)] for each in leader]


def best_of(ask: Callable[[], Offset], accuracy: Accuracy = MEASURING) -> Offset:
    """Ask until enough is known; the quickest answer tells most."""
    best = ask()
    for done in range(1, accuracy.most_rounds):
        if done >= accuracy.rounds and best.error_ns <= accuracy.known_ns:
            break
        best = min(best, ask(), key=lambda answer: answer.error_ns)
    return best


def kernel_of_clock(proc: Path = Path("/proc")) -> str:
    """What processes of one clock have in common: the start of their kernel, and their view of its time. Empty if not known."""
    with contextlib.suppress(OSError):
        return f"{(proc / 'sys/kernel/random/boot_id').read_text(encoding='ascii').strip()} {(proc / 'self/ns/time').readlink()}"
    return ""


def _steps(count: int) -> Iterator[int]:
    step = 1
    while step < count:
        yield step
        step *= 2


def _ask(ranks: Communicator, other: int, clock: Callable[[], int]) -> Offset:
    asked = clock()
    ranks.send(None, dest=other)
    theirs = ranks.recv(source=other)
    answered = clock()
    return Offset(theirs - (asked + answered) // 2, (answered - asked) // 2)


def _answer(ranks: Communicator, asking: int, clock: Callable[[], int]) -> Offset:
    """Tell the time until the one who asks knows, and says what."""
    while (said := ranks.recv(source=asking)) is None:
        ranks.send(clock(), dest=asking)
    known: Offset = said
    return known
