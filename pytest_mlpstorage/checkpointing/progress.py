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
    """Writes JSON lines: one where something begins or ends, and at most one a second between.

    Rates are those of all ranks as this one sees them: of ``own_bytes`` of each checkpoint it knows how many are done, and takes
    the other ranks for as far, to ``total_bytes``.
    """

    def __init__(self, path: Path | None, *, own_bytes: int, total_bytes: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._share = total_bytes / own_bytes if own_bytes else 0.0
        self._now = monotonic
        self._fields: dict[str, Any] = {}
        self._done = 0
        self._began = self._last = monotonic()

    def wait(self, phase: str, step: int, steps: int, seconds: float) -> None:
        """Say that every rank will be idle for so long before a checkpoint."""
        if seconds > 0:
            self._append({"phase": phase, "step": step, "steps": steps, "wait_seconds": seconds})

    def begin(self, phase: str, step: int, steps: int) -> None:
        """Say that a checkpoint begins; ``advance`` and ``end`` are of this one."""
        self._fields = {"phase": phase, "step": step, "steps": steps}
        self._done, self._began = 0, self._now()
        self._append(self._fields)

    def advance(self, moved: int) -> None:
        """Count bytes that this rank has moved."""
        self._done += moved
        if self._now() - self._last >= INTERVAL_SECONDS:
            self._append(self._fields | self._rate())

    def end(self) -> None:
        """Say that the checkpoint is done."""
        self._append(self._fields | self._rate())

    def _rate(self) -> dict[str, float]:
        seconds = self._now() - self._began
        return {"mib_per_second": round(self._done * self._share / MIB / seconds, 1)} if seconds > 0 else {}

    def _append(self, fields: dict[str, Any]) -> None:
        self._last = self._now()
        append_line(self._path, fields)
