"""Before each epoch: the data set is dropped from the memory of every host, and what lay there before and after is noted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_mlpstorage.page_cache import HostIoCounters, HostPageCache, counters_of_hosts, leads_host, on_each_host, start_counters
from pytest_mlpstorage.results.page_cache import LaterDrop, PageCacheRecord

__all__ = ["LOADS", "PHASE", "ColdReads", "checkpoint_files"]

PHASE = "run"
LOADS = "read"
"""The phase in which checkpoints are read back: one epoch of its own, whose files are there only when it begins."""


def checkpoint_files(folder: Path, count: int) -> list[str]:
    """The files of the first ``count`` checkpoints, as far as this host has them."""
    steps = [folder / f"global_epoch1_step{number}" for number in range(1, count + 1)]
    return [entry.path for step in steps if step.is_dir() for entry in sorted(os.scandir(step), key=lambda e: e.name) if entry.is_file()]


class ColdReads:
    """One rank's part in keeping a run cold; every rank of the job makes the same calls, rank 0 has the record.

    A rank reads the same files in each epoch (training.md, section 4), so all but the first would come from memory wherever the
    data set fits there. The MLCommons fork drops the caches before each epoch itself where it can; so it is done here too,
    outside of what DLIO times. ``budget_seconds`` is for all epochs together.
    """

    def __init__(self, comm: Any, files: Sequence[str], *, drop: bool, budget_seconds: float, epochs: int, phase: str = PHASE) -> None:
        self._comm = comm
        self._phase = phase
        self._files = files
        self._drop = drop
        self._share_seconds = budget_seconds / max(epochs, 1)
        self._began = False
        self._start: HostIoCounters | None = None
        self._hosts: list[HostPageCache] = []
        self._later: list[LaterDrop] = []

    def before_epoch(self, epoch: int) -> None:
        """Drop and measure; without a drop only before the first epoch, since later ones find there what DLIO itself read."""
        if self._began and not self._drop:
            return
        # All of a large machine's cache takes longer to drop than the run has for it, and a data set of five times the memory does
        # not need it: only what an epoch of a small one left is dropped, file by file.
        found = on_each_host(self._comm, self._files, drop=self._drop, budget_seconds=self._share_seconds, whole_machine=not self._began)
        if self._began:
            self._later += [LaterDrop.of(f"epoch {epoch}", found)] if found else []
            return
        self._began = True
        self._hosts = found or []
        if leads_host(self._comm) and self._files:
            self._start = start_counters(self._files[0])

    def end(self) -> dict[str, Any] | None:
        """What rank 0 writes down when all epochs are over; None on the other ranks, and where no epoch began."""
        if not self._began:
            return None
        counters = counters_of_hosts(self._comm, self._start)
        if counters is None:
            return None
        return PageCacheRecord(self._phase, self._drop, tuple(self._hosts), tuple(counters), tuple(self._later)).to_json()
