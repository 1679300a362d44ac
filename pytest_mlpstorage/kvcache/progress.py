"""One line a second of how far rank 0 is, for whoever watches the file that ``MLPS_PROGRESS`` names (as ``dlio.progress``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_mlpstorage.ranks.progress_lines import INTERVAL_SECONDS, append_line
from pytest_mlpstorage.units import MIB

__all__ = ["Progress"]


class Progress:
    """Writes JSON lines. Rates are those of all ``ranks``, each taken for as fast as this one."""

    def __init__(self, path: Path | None, phase: str, ranks: int) -> None:
        self._path, self._phase, self._ranks = path, phase, ranks

    def say(self, what: str, **fields: Any) -> None:
        """Tell what is being done."""
        append_line(self._path, {"phase": f"{self._phase} {what}", **fields})

    def wait(self, what: str, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        """Wait, and count down."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.say(what, wait_seconds=round(left, 1))
            sleep(min(INTERVAL_SECONDS, left))

    def run(self, seconds: float, window_seconds: float, moved_bytes: int, requests: int) -> None:
        """Tell of the pass that is under way: bytes to and from storage, and requests served, since it began."""
        if seconds > 0:
            rate = round(moved_bytes * self._ranks / MIB / seconds, 1)
            what = "run" if seconds < window_seconds else "drain"
            self.say(what, step=int(min(seconds, window_seconds)), steps=int(window_seconds), mib_per_second=rate, requests=requests)
