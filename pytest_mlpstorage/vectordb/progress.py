"""How far rank 0 is, a line a second, for whoever watches the file that ``MLPS_PROGRESS`` names (as ``dlio.progress``)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

__all__ = ["INTERVAL_SECONDS", "Progress"]

INTERVAL_SECONDS: Final = 1.0


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
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"phase": phase, **fields}) + "\n")
