"""From what the starter reported to what a person is told."""

from __future__ import annotations

import dataclasses
import re
import signal
from collections.abc import Mapping, Sequence

from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.guard import SILENT_SECONDS, UNREACHED
from pytest_mlpstorage.launch.job import Launcher
from pytest_mlpstorage.launch.keeper import KILLED
from pytest_mlpstorage.launch.slurm_words import before_the_end
from pytest_mlpstorage.units import format_seconds

__all__ = ["Conclusion", "Ending", "conclude"]

DEADLINE_CODE = 124
LOST_CODE = 125
_RANK = re.compile(r"^rank (\d+) ")
_ORPHAN = "the launcher's daemon on that host is gone"
_ENDS = re.compile(r"^mlpstorage: rank (\d+) on \S+ ends the job \(exit (\d+)\)")
_ABORT = re.compile(r"rank (\d+) called MPI_Abort with code (\d+)")
_UNREACHED = re.compile(UNREACHED % (r"\S+", r"\S+") + ".*")
_SLOTS = "give the hosts more slots (cluster.hosts: node1:4), or set launch.oversubscribe: true"
_PORTS = "let TCP connections of the hosts to this one through, on whatever port the kernel gives"
_REMEDIES = {
    "enough slots": _SLOTS,
    "the supervisor at": _PORTS,
    "ssh": "log in once by hand: ssh HOST true",
    "to run as root": "run as another user",
    "variable HOME": "set HOME",
}
_START_CODES = {
    "enough slots": "MLPS-E331",
    "the supervisor at": "MLPS-E320",
    "ssh": "MLPS-E320",
    "cannot be reached": "MLPS-E320",
    "cannot reach": "MLPS-E320",
}


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
    waits: list[str] = dataclasses.field(default_factory=list)

    @property
    def never_started(self) -> bool:
        """Whether the launcher failed before any rank was there."""
        return self.started == 0 and self.kind in ("launcher", "start", "missing")


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """Exit code, signal name, rank, host, cause and code of the error as ``Outcome`` has them."""

    returncode: int
    cause: str
    signal: str | None = None
    rank: int | None = None
    host: str | None = None
    code: str = ""

    def mpi_error(self, command: Sequence[str], lines: Sequence[str]) -> MPIError:
        """The error for a launcher that started nothing."""
        details = {"command": " ".join(command), "exit code": self.returncode}
        if lines:
            details["last lines of stderr"] = "".join(f"\n    {line}" for line in lines[-20:])
        remedy = next((text for word, text in _REMEDIES.items() if word in self.cause), "")
        code = next((code for word, code in _START_CODES.items() if word in self.cause), "MLPS-E340")
        return MPIError(f"no rank was started: {self.cause}", details=details, suggestion=remedy, code=code)


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
        return Conclusion(number, f"{who} ended with exit code {number}", None, rank, host, code="MLPS-E530")
    if launcher.name == "slurm" and kind in ("signal", "lost") and (rank_and_code := _aborted(launcher, before_the_end(lines))):
        # Slurm kills all ranks and their guards at once when one of them calls MPI_Abort; whoever was heard of first is not the cause.
        rank, number = rank_and_code
        host = hosts.get(rank, host)
        return Conclusion(number, f"rank {rank} on {host} ended the job with exit code {number}", None, rank, host, code="MLPS-E530")
    if kind == "signal" or (kind == "lost" and number):
        return Conclusion(128 + number, f"{who} ended by {_name(number)}", _name(number), rank, host, code="MLPS-E531")
    if kind == "lost":
        return Conclusion(LOST_CODE, f"{who} was lost: {_guards_end(rank, host, lines)}", None, rank, host, code="MLPS-E532")
    if kind == "silent":
        text = f"no word from {who} for {SILENT_SECONDS:.0f} s: the host or its network is down"
        return Conclusion(LOST_CODE, text, None, rank, host, code="MLPS-E532")
    if kind == "daemon":
        return Conclusion(LOST_CODE, f"{who} was ended: {_ORPHAN}", None, rank, host, code="MLPS-E532")
    if kind == "deadline":
        before = f", before which {_missing(ending, launcher)}" if ending.started < ending.asked else ""
        return Conclusion(DEADLINE_CODE, f"the deadline of {format_seconds(ending.deadline_seconds)} is over{before}", code="MLPS-E521")
    if kind == "launcher":
        return _of_launcher(ending, launcher, lines, hosts)
    if kind == "missing":
        text = f"only {number} of {ending.asked} ranks ended with exit code 0, though {launcher.executable.name} reported success"
        return Conclusion(LOST_CODE, text, code="MLPS-E533")
    if kind == "start":
        return Conclusion(LOST_CODE, f"{_missing(ending, launcher)} in time", code="MLPS-E533")
    if ending.stall:
        return Conclusion(LOST_CODE, f"stalled: {ending.stall}", code="MLPS-E522")
    if kind == "asked":
        return Conclusion(LOST_CODE, f"the starter was sent {_name(number)}" if number else "ended on request", code="MLPS-E534")
    return Conclusion(LOST_CODE, "the starter, which stands between pytest and the launcher, was killed", "SIGKILL", code="MLPS-E534")


def _missing(ending: Ending, launcher: Launcher) -> str:
    waits = f" ({launcher.executable.name} waits for: {', '.join(ending.waits)})" if ending.waits else ""
    return f"only {ending.started} of {ending.asked} ranks started{waits}"


def _guards_end(rank: int, host: str, lines: Sequence[str]) -> str:
    said = KILLED % (rank, host, "")
    by = next((line.partition(said)[2].split() for line in lines if said in line), [])
    return f"its guard was ended by {by[0]}" if by else "its guard ended without a word"


def _aborted(launcher: Launcher, lines: Sequence[str]) -> tuple[int, int] | None:
    """The rank that ended the job by ``MPI_Abort``, and its code, as it or the library says."""
    said = _ABORT.match(launcher.explain(lines))
    return _own_words(lines) or ((int(said[1]), int(said[2])) if said else None)


def _own_words(lines: Sequence[str]) -> tuple[int, int] | None:
    """The rank of ours that first said that it ends the job, and by which code: launchers sometimes lose the words of ``MPI_Abort``."""
    found = next(filter(None, map(_ENDS.search, lines)), None)
    return (int(found[1]), int(found[2])) if found else None


def _of_launcher(ending: Ending, launcher: Launcher, lines: Sequence[str], hosts: Mapping[int, str]) -> Conclusion:
    name = launcher.executable.name
    if ending.number < 0:
        return Conclusion(128 - ending.number, f"{name} ended by {_name(-ending.number)}", _name(-ending.number), code="MLPS-E534")
    unreached = next(filter(None, map(_UNREACHED.search, lines)), None)
    own = _own_words(lines)
    words = f"rank {own[0]} ended with exit code {own[1]}" if own and own[1] == ending.number else ""
    said = unreached[0] if unreached else launcher.explain(lines) or words
    match = _RANK.match(said)
    rank = int(match[1]) if match else None
    host = hosts.get(rank) if rank is not None else None
    if rank is None and ending.rank >= 0:
        rank, host = ending.rank, ending.host
        said = said or f"{name} ended with exit code {ending.number}"
        return Conclusion(ending.number, f"{said}: rank {rank} on {host} was ended, since {_ORPHAN}", None, rank, host, code="MLPS-E532")
    if said and rank is not None and host:
        said = said.replace(f"rank {rank} ", f"rank {rank} on {host} ", 1)
    cause, code = said or f"{name} ended with exit code {ending.number}", "MLPS-E534" if rank is None else "MLPS-E530"
    return Conclusion(ending.number, cause, None, rank if host else None, host, code)
