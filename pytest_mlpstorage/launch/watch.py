"""From the counters of all ranks to beats, and to the voice that says a rank does nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.launch.outcome import Beat
from pytest_mlpstorage.launch.usage import Usage
from pytest_mlpstorage.units import format_seconds

__all__ = ["RankWatch", "last_progress"]

_IDLE_CPU_SECONDS = 0.05
_IDLE_CPU_SHARE = 0.005
_PROGRESS_TAIL_BYTES = 8192
_STATES = {"T": "stopped", "t": "stopped by a debugger", "D": "waiting in the kernel, usually for storage", "Z": "ended", "X": "ended"}


def last_progress(file: Path) -> Mapping[str, Any] | None:
    """The last whole line of a progress file as an object; None when there is none yet."""
    try:
        with file.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - _PROGRESS_TAIL_BYTES))
            lines = stream.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    try:
        value = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None  # progress is for people's eyes; what a run has done is proven elsewhere
    return value if isinstance(value, dict) else None


@dataclasses.dataclass
class _Rank:
    host: str
    pid: int
    active_at: float
    active: Usage | None = None
    last: Usage | None = None
    seen_at: float = 0.0
    gone: bool = False


def _moved(usage: Usage) -> tuple[int, ...]:
    return usage.read_bytes, usage.write_bytes, usage.storage_read_bytes, usage.storage_write_bytes


class RankWatch:
    """What each rank has used so far, and since when it has used nothing. Times are seconds since the start.

    A rank is active when it moves bytes or uses CPU for more than timers and heartbeats do. Each rank counts by itself:
    the others of a stopped rank are busy, waiting for it. A progress line that changes makes all of them active, and one
    with ``wait_seconds`` declares that the job will be idle for so long.
    """

    def __init__(self, warning_seconds: float) -> None:
        self.warning_seconds = warning_seconds
        self.ranks: dict[int, _Rank] = {}
        self.progress: Mapping[str, Any] | None = None
        self._warned = False

    def started(self, rank: int, host: str, pid: int, now: float) -> None:
        """A rank has started."""
        self.ranks[rank] = _Rank(host, pid, now)

    def ended(self, rank: int) -> None:
        """A rank has ended: nothing more is expected of it, and its last counters stay in the sums."""
        self.ranks[rank].gone = True

    def used(self, rank: int, usage: Usage, now: float) -> None:
        """Take in the counters of a rank."""
        entry = self.ranks[rank]
        entry.last, entry.seen_at = usage, now
        before = entry.active
        timers = _IDLE_CPU_SECONDS + _IDLE_CPU_SHARE * (now - entry.active_at)
        if before is None or _moved(usage) != _moved(before) or usage.cpu_seconds - before.cpu_seconds > timers:
            entry.active, entry.active_at = usage, now

    def unseen(self, since: float) -> bool:
        """Whether a rank that has not ended was not heard of since then."""
        return any(not rank.gone and rank.seen_at < since for rank in self.ranks.values())

    def progressed(self, progress: Mapping[str, Any] | None, now: float) -> None:
        """Take in the progress line."""
        if progress == self.progress:
            return
        self.progress = progress
        wait = (progress or {}).get("wait_seconds", 0)
        for entry in self.ranks.values():
            entry.active_at = now + (float(wait) if isinstance(wait, int | float) else 0.0)

    def stalled(self, now: float) -> tuple[float, str]:
        """Seconds for which the quietest rank has done nothing, and what was seen of it."""
        quiet = [(now - rank.active_at, number) for number, rank in self.ranks.items() if not rank.gone]
        seconds = max((idle for idle, _ in quiet), default=0.0)
        if seconds <= 0.0:
            return 0.0, ""
        # Others may be as quiet because they wait for one that is stopped, or stuck in the kernel: that one is named.
        _, _, number = min((not self._stuck(number), -idle, number) for idle, number in quiet if idle > seconds / 2)
        rank = self.ranks[number]
        state = _STATES.get(rank.last.state, "") if rank.last else ""
        text = f"rank {number} on {rank.host} (pid {rank.pid}) has used no CPU and moved no bytes for {format_seconds(seconds)}"
        return seconds, text + (f"; it is {state}" if state else "")

    def _stuck(self, number: int) -> bool:
        last = self.ranks[number].last
        return last is not None and last.state in _STATES

    def ranks_on(self) -> dict[int, str]:
        """The host of each rank that has started."""
        return {number: rank.host for number, rank in self.ranks.items()}

    def beat(self, now: float) -> Beat:
        """Sums over all ranks, and the warning when it is due."""
        last = [rank.last for rank in self.ranks.values() if rank.last is not None]
        seconds, text = self.stalled(now)
        late = seconds >= self.warning_seconds
        warning = text if late and not self._warned else ""
        self._warned = late
        return Beat(
            elapsed_seconds=now,
            ranks_started=len(self.ranks),
            cpu_seconds=sum(usage.cpu_seconds for usage in last),
            rss_bytes=sum(usage.rss_bytes for usage in last),
            read_bytes=sum(usage.read_bytes for usage in last),
            write_bytes=sum(usage.write_bytes for usage in last),
            storage_read_bytes=sum(usage.storage_read_bytes for usage in last),
            storage_write_bytes=sum(usage.storage_write_bytes for usage in last),
            processes=sum(usage.processes for usage in last),
            progress=self.progress,
            stalled_seconds=seconds,
            warning=warning,
        )
