"""From what the starter reported to what a person is told."""

from __future__ import annotations

import dataclasses
import re
import signal
from collections.abc import Mapping, Sequence

from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.guard import SILENT_SECONDS
from pytest_mlpstorage.launch.job import Launcher
from pytest_mlpstorage.units import format_seconds

__all__ = ["Conclusion", "Ending", "conclude"]

DEADLINE_CODE = 124
LOST_CODE = 125
_RANK = re.compile(r"^rank (\d+) ")
_SLOTS = "give the hosts more slots (cluster.hosts: node1:4), or set launch.oversubscribe: true"
_REMEDIES = {"slots": _SLOTS, "ssh": "log in once by hand: ssh HOST true", "root": "run as another user", "HOME": "set HOME"}


@dataclasses.dataclass
class Ending:
    """The reports about a job's end, as they come in; ``kind`` is one of ``starter.KINDS`` or empty: the starter was killed."""

    asked: int
    deadline_seconds: float
    kind: str = ""
    rank: int = -1
    host: str = ""
    number: int = 0
    launcher_code: int = -1
    launcher_signal: int = -1
    started: int = 0
    stall: str = ""

    @property
    def never_started(self) -> bool:
        """Whether the launcher failed before any rank was there."""
        return self.started == 0 and self.kind in ("launcher", "start", "missing")


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """Exit code, signal name, rank, host and cause as ``Outcome`` has them."""

    returncode: int
    cause: str
    signal: str | None = None
    rank: int | None = None
    host: str | None = None

    def mpi_error(self, command: Sequence[str], lines: Sequence[str]) -> MPIError:
        """The error for a launcher that started nothing."""
        details = {"command": " ".join(command), "exit code": self.returncode}
        if lines:
            details["last lines of stderr"] = "".join(f"\n    {line}" for line in lines[-20:])
        remedy = next((text for word, text in _REMEDIES.items() if word in self.cause), "")
        return MPIError(f"no rank was started: {self.cause}", details=details, suggestion=remedy)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def conclude(ending: Ending, launcher: Launcher, lines: Sequence[str], hosts: Mapping[int, str]) -> Conclusion:
    """What happened. ``lines`` is the end of stderr, ``hosts`` where each rank ran."""
    kind, rank, host, number = ending.kind, ending.rank, ending.host, ending.number
    who = f"rank {rank} on {host}"
    if kind == "ok":
        return Conclusion(0, "")
    if kind == "exit":
        return Conclusion(number, f"{who} ended with exit code {number}", None, rank, host)
    if kind == "signal" or (kind == "lost" and number):
        return Conclusion(128 + number, f"{who} ended by {_name(number)}", _name(number), rank, host)
    if kind == "lost":
        return Conclusion(LOST_CODE, f"{who} was lost: its guard ended without a word", None, rank, host)
    if kind == "silent":
        text = f"no word from {who} for {SILENT_SECONDS:.0f} s: the host or its network is down"
        return Conclusion(LOST_CODE, text, None, rank, host)
    if kind == "deadline":
        return Conclusion(DEADLINE_CODE, f"deadline of {format_seconds(ending.deadline_seconds)}")
    if kind == "launcher":
        return _of_launcher(ending, launcher, lines, hosts)
    if kind == "missing":
        text = f"only {number} of {ending.asked} ranks ended with exit code 0, though {launcher.executable.name} reported success"
        return Conclusion(LOST_CODE, text)
    if kind == "start":
        return Conclusion(LOST_CODE, f"only {ending.started} of {ending.asked} ranks started in time")
    if ending.stall:
        return Conclusion(LOST_CODE, f"stalled: {ending.stall}")
    if kind == "asked":
        return Conclusion(LOST_CODE, f"the starter was sent {_name(number)}" if number else "ended on request")
    return Conclusion(LOST_CODE, "the starter, which stands between pytest and the launcher, was killed", "SIGKILL")


def _of_launcher(ending: Ending, launcher: Launcher, lines: Sequence[str], hosts: Mapping[int, str]) -> Conclusion:
    name = launcher.executable.name
    if ending.number < 0:
        return Conclusion(128 - ending.number, f"{name} ended by {_name(-ending.number)}", _name(-ending.number))
    said = launcher.explain(lines)
    match = _RANK.match(said)
    rank = int(match[1]) if match else None
    host = hosts.get(rank) if rank is not None else None
    if said and rank is not None and host:
        said = said.replace(f"rank {rank} ", f"rank {rank} on {host} ", 1)
    return Conclusion(ending.number, said or f"{name} ended with exit code {ending.number}", None, rank if host else None, host)
