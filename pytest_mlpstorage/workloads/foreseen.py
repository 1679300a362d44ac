"""What is known of a step before it is launched: bytes, memory, time and space, and for each what is not known.

For the dry run. Deadlines are made of assumed speeds (``Plan.expected_seconds``), which no person should take for a forecast: the time
here is made of what is known only, and of storage nobody knows how fast it is before it was measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from pytest_mlpstorage.units import format_bytes, format_seconds
from pytest_mlpstorage.workloads.base import Plan, Step

__all__ = ["UNKNOWN", "ForeseeingPlan", "Foreseen", "Space", "foreseen"]

UNKNOWN: Final = "unknown"


@dataclasses.dataclass(frozen=True)
class Space:
    """Bytes that a step needs free at a path, all hosts that share it together; None where it takes what it finds, as ``why`` says.

    ``least_bytes`` are those that such a step cannot do without. Steps of one case that use the same room give the same ``key``, and it
    is counted once.
    """

    path: Path
    key: str
    needed_bytes: int | None = None
    why: str = ""
    least_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class Foreseen:
    """A step in figures: None is unknown. ``because`` says what each is made of, or what it is unknown for.

    ``least_seconds``: what it takes whatever the storage does; ``most_seconds``: what it takes at most, or at most as a valid run.
    Memory is that of one rank, and of the ranks of the host that gets most of them.
    """

    write_bytes: int | None
    read_bytes: int | None
    least_seconds: float
    most_seconds: float | None = None
    rank_memory_bytes: int | None = None
    host_memory_bytes: int | None = None
    ranks: int = 1
    space: Space | None = None
    because: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def lines(self) -> Sequence[str]:
        """One line each: bytes, memory, time."""
        memory = UNKNOWN
        if self.rank_memory_bytes is not None and self.host_memory_bytes is not None:
            memory = f"about {format_bytes(self.rank_memory_bytes)} a rank, {format_bytes(self.host_memory_bytes)} on the fullest host"
        figures = (("writes", _bytes(self.write_bytes)), ("reads", _bytes(self.read_bytes)), ("memory", memory), ("takes", self.time()))
        return [f"{name:<8} {value}{self._why(name)}" for name, value in figures]

    def time(self) -> str:
        """The time in words."""
        least, most = format_seconds(self.least_seconds), self.most_seconds
        if most is None:
            return f"{UNKNOWN}, at least {least}" if self.least_seconds else UNKNOWN
        return least if most == self.least_seconds else f"{least} to {format_seconds(most)}"

    def _why(self, name: str) -> str:
        return f": {self.because[name]}" if name in self.because else ""

    def to_json(self) -> dict[str, Any]:
        """What the totals of a session are made of."""
        space = self.space
        return {
            "write_bytes": self.write_bytes,
            "read_bytes": self.read_bytes,
            "least_seconds": self.least_seconds,
            "most_seconds": self.most_seconds,
            "host_memory_bytes": self.host_memory_bytes,
            "space": {**dataclasses.asdict(space), "path": str(space.path)} if space else None,
        }


def _bytes(count: int | None) -> str:
    return UNKNOWN if count is None else format_bytes(count)


@runtime_checkable
class ForeseeingPlan(Protocol):
    """What a plan adds that tells apart what is known of a step and what is only assumed for its deadline."""

    def foreseen(self, step: Step) -> Foreseen:
        """What is known of a step."""


def foreseen(plan: Plan, step: Step) -> Foreseen:
    """What is known of a step; of a plan that does not say so, its own estimates under their name."""
    if isinstance(plan, ForeseeingPlan):
        return plan.foreseen(step)
    told = f"its workload expects {format_seconds(plan.expected_seconds(step))}, and does not say what that is made of"
    return Foreseen(
        plan.bytes_to_write(step), plan.bytes_to_read(step), 0.0, because={"takes": told, "memory": "its workload does not say"}
    )
