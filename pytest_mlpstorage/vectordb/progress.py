"""How far rank 0 is, a line a second, for whoever watches the file that ``MLPS_PROGRESS`` names (as ``dlio.progress``)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pytest_mlpstorage.ranks.progress_lines import INTERVAL_SECONDS, append_line

__all__ = ["Progress"]


class Progress:
    """Writes JSON lines; without a path it says nothing. The same words within a second are said once."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._last, self._at = path, "", 0.0

    def say(self, phase: str, **fields: Any) -> None:
        """Tell what is being done; ``step`` of ``steps`` is how far."""
        now = time.monotonic()
        if self._path is None or (phase == self._last and now - self._at < INTERVAL_SECONDS):
            return
        self._last, self._at = phase, now
        append_line(self._path, {"phase": phase, **fields})
