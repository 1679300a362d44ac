"""Who holds a lock or stages a leaf: a process by host, pid and start, so that a pid used again is not taken for it."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.coerce import JSONObject, integer

__all__ = ["Holder", "start_ticks_of"]


def start_ticks_of(pid: int) -> int | None:
    """Start of a process in clock ticks since boot, or None when it is not there (or is a zombie, which writes no more)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold blanks and parentheses itself.
    fields = status.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


@dataclasses.dataclass(frozen=True)
class Holder:
    """One process; ``start_ticks`` is None where the system does not tell."""

    pid: int | None
    host: str
    start_ticks: int | None
    command: str
    since: str

    @classmethod
    def this_process(cls, since: str) -> Holder:
        """Describe the process that runs this; ``since`` is the time to show."""
        return cls(os.getpid(), socket.gethostname(), start_ticks_of(os.getpid()), " ".join(sys.argv)[:1000], since)

    @classmethod
    def from_json(cls, raw: JSONObject) -> Holder:
        """From what ``to_json`` wrote; what cannot be read is unknown."""
        return cls(
            pid=integer(raw.get("pid")),
            host=str(raw.get("host") or "unknown host"),
            start_ticks=integer(raw.get("start_ticks")),
            command=str(raw.get("command") or "unknown command"),
            since=str(raw.get("since") or "unknown time"),
        )

    def to_json(self) -> dict[str, Any]:
        """Write as a flat JSON object."""
        return dataclasses.asdict(self)

    @property
    def on_this_host(self) -> bool:
        """Whether it runs (or ran) on this host."""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool:
        """Whether it still runs; only to be asked on its own host."""
        if self.pid is None or self.pid <= 0:
            return False
        ticks = start_ticks_of(self.pid)
        return ticks is not None and self.start_ticks in {None, ticks}

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host} since {self.since}: {self.command}"
