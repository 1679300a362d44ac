"""One line a second of what rank 0 is doing, for whoever watches the file that ``MLPS_PROGRESS`` names."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pytest_mlpstorage.ranks.progress_lines import INTERVAL_SECONDS, append_line

__all__ = ["Progress"]

_MIB = 1024**2


class Progress:
    """Writes JSON lines, at most one a second besides the first of a phase and the end of an epoch."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = 0.0
        self._began = time.monotonic()

    def write(self, *, due: bool = False, **fields: Any) -> None:
        """Append ``fields`` if a second has passed, or if ``due``."""
        now = time.monotonic()
        if self._path is None or (not due and now - self._last < INTERVAL_SECONDS):
            return
        self._last = now
        append_line(self._path, fields)

    def datagen(self, done: int, total: int, written_bytes: int | None = None) -> None:
        """Files of the whole data set made so far, as rank 0 sees it."""
        seconds = time.monotonic() - self._began
        rate = {} if written_bytes is None or seconds <= 0 else {"mib_per_second": round(written_bytes / _MIB / seconds, 1)}
        self.write(due=done >= total, phase="datagen", step=done, steps=total, **rate)

    def train(
        self, *, epoch: int, epochs: int, step: int, steps: int, au: float | None, epoch_bytes: float, seconds: float, due: bool
    ) -> None:
        """Tell of an epoch; ``epoch_bytes`` are those of all ranks in ``seconds`` of it, ``au`` that of the last whole one."""
        fields: dict[str, Any] = {"phase": "train", "epoch": epoch, "epochs": epochs, "step": step, "steps": steps}
        if au is not None:
            fields["au"] = round(au, 2)
        if seconds > 0:
            fields["mib_per_second"] = round(epoch_bytes / _MIB / seconds, 1)
        self.write(due=due, **fields)
