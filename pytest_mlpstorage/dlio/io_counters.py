"""Bytes that a rank and its read workers really read, from the kernel's own counters (/proc/<pid>/io)."""

from __future__ import annotations

import importlib
import json
import multiprocessing.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["ENVIRONMENT", "RankCounters", "proc_io", "spawned", "watch_workers"]

ENVIRONMENT = "MLPS_DLIO_WORKER_LOG"
_FIELDS = ("rchar", "read_bytes", "wchar", "write_bytes")


def proc_io(pid: int | str = "self") -> dict[str, int]:
    """``rchar`` (bytes asked of any file or pipe), ``read_bytes`` (bytes from storage) and the same for writing.

    Raises OSError for a process that is gone or another user's.
    """
    pairs = (line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return {name: int(value) for name, value in pairs if name in _FIELDS}


def _less(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: now[name] - before.get(name, 0) for name in now}


def _note(log: str, event: str, extra: Mapping[str, Any]) -> None:
    # One short write to a file opened for appending: lines of several workers do not mix.
    line = json.dumps({"pid": os.getpid(), "event": event, **proc_io(), **extra}) + "\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


class _Watch:
    """Something for multiprocessing to hold on to: it calls us in every worker that it starts, however it starts it."""

    def __init__(self) -> None:
        multiprocessing.util.register_after_fork(self, _Watch.worker_started)

    def worker_started(self) -> None:
        log = os.environ.get(ENVIRONMENT)
        if log:
            _note(log, "start", {})
            multiprocessing.util.Finalize(None, _note, args=(log, "end", {}), exitpriority=-100)


_watch: list[_Watch] = []


def spawned() -> None:
    """Note the start of a worker that was spawned: multiprocessing calls no hook there (Python 3.11 on).

    What it will import to unpickle DLIO's objects is imported first, so that it is not taken for data. The server of the
    forkserver method comes by here too, and is no worker.
    """
    log = os.environ.get(ENVIRONMENT)
    if log is None or "multiprocessing.forkserver" in sys.modules:
        return
    importlib.import_module("dlio_benchmark.data_loader.torch_data_loader")
    _note(log, "start", {})
    multiprocessing.util.Finalize(None, _note, args=(log, "end", {}), exitpriority=-100)


def watch_workers() -> None:
    """From now on every multiprocessing child of this program notes its counters at start and end.

    A spawned worker notes its start by :func:`spawned`.
    """
    if not _watch:
        _watch.append(_Watch())


class RankCounters:
    """Counters of one rank and its workers since DLIO was imported, with a mark at the end of each epoch."""

    def __init__(self, log: Path) -> None:
        self._log = log
        log.unlink(missing_ok=True)
        os.environ[ENVIRONMENT] = str(log)
        self._base = proc_io()
        self._marks: dict[str, dict[str, int]] = {}

    def _workers(self) -> tuple[dict[int, dict[str, int]], dict[int, dict[str, int]]]:
        starts: dict[int, dict[str, int]] = {}
        ends: dict[int, dict[str, int]] = {}
        if self._log.is_file():
            for line in self._log.read_text().splitlines():
                entry = json.loads(line)
                (starts if entry["event"] == "start" else ends)[entry["pid"]] = {name: entry[name] for name in _FIELDS}
        return starts, ends

    def read(self) -> tuple[dict[str, int], list[dict[str, Any]]]:
        """Read the rank's own counts and one record a worker, each since import or start.

        The kernel adds a reaped child's counters to its parent's; they are taken out again here.
        """
        starts, ends = self._workers()
        own = _less(proc_io(), self._base)
        workers: list[dict[str, Any]] = []
        for pid, start in starts.items():
            try:
                now, alive = proc_io(pid), True
            except OSError:
                now, alive = ends.get(pid, start), False
                own = _less(own, now)
            workers.append({"pid": pid, **_less(now, start), "ended": pid in ends, "alive": alive})
        return own, workers

    def mark(self, epoch: int | str) -> None:
        """Remember the sums up to the end of an epoch."""
        own, workers = self.read()
        self._marks[str(epoch)] = _sum([own, *workers])

    def record(self) -> dict[str, Any]:
        """``rank``, ``workers``, ``total`` and per ``epochs`` the counts, as written to ``<rank>_io.json``."""
        own, workers = self.read()
        epochs, before = {}, dict.fromkeys(_FIELDS, 0)
        for epoch, now in self._marks.items():
            epochs[epoch] = _less(now, before)
            before = now
        return {"rank": own, "workers": workers, "total": _sum([own, *workers]), "epochs": epochs, "baseline": self._base}


def _sum(counts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    kept = list(counts)
    return {name: sum(int(c.get(name, 0)) for c in kept) for name in _FIELDS}
