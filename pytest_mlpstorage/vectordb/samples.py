"""One record per search, written by each worker when its phases are over, and the figures that follow from those files alone.

Times are nanoseconds of the host's monotonic clock; ``read_workers`` finds everything again that ``phase_statistics`` needs.
"""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.atomic import file_system_error

__all__ = [
    "DRIFT_MOST",
    "OVERLAP_LEAST",
    "PHASES",
    "SAMPLE",
    "PhaseStatistics",
    "Samples",
    "Status",
    "WorkerSamples",
    "phase_statistics",
    "read_workers",
    "save_worker",
]

Samples = npt.NDArray[np.void]
"""Records of :data:`SAMPLE`."""

SAMPLE: Final = np.dtype([("seconds", "<f8"), ("query", "<i8"), ("status", "i1"), ("phase", "i1"), ("began_ns", "<i8")])
"""How long the call took, the query's number, what came of it, the phase it belongs to, and when it began."""

PHASES: Final = ("cold", "steady")
"""Names of the phases; their places are the numbers in the samples."""

OVERLAP_LEAST: Final = 0.9
"""Part of the longest window that the windows of all hosts must have in common, or their rates may not be added."""

DRIFT_MOST: Final = 0.10
"""The halves of a steady phase differ by no more."""

_PERCENTILES: Final = (("p50", 50.0, 1), ("p95", 95.0, 1), ("p99", 99.0, 1), ("p999", 99.9, 1000), ("p9999", 99.99, 10_000))
"""Name, percentile, and the fewest samples that have it."""

_FILE: Final = re.compile(r"^samples-r(?P<rank>\d+)-w(?P<worker>\d+)@(?P<host>[^/]+)\.npy$")
_NS: Final = 1e9


class Status(IntEnum):
    """What came of a search. All but ``OK`` are failures: in no rate, no percentile and no recall."""

    OK = 0
    RAISED = 1
    SHORT = 2
    REPEATED = 3
    UNKNOWN_ID = 4


@dataclasses.dataclass(frozen=True)
class WorkerSamples:
    """What one worker did, in order. ``host`` tells whose clock the times are of."""

    samples: Samples
    rank: int = 0
    worker: int = 0
    host: str = dataclasses.field(default_factory=socket.gethostname)

    @property
    def file_name(self) -> str:
        """Name of its file."""
        return f"samples-r{self.rank}-w{self.worker}@{self.host}.npy"

    def phase(self, name: str) -> Samples:
        """Its records of one phase."""
        return np.asarray(self.samples[self.samples["phase"] == PHASES.index(name)])


def save_worker(folder: Path, worker: WorkerSamples) -> Path:
    """Write a worker's file, whole or not at all."""
    path = folder / worker.file_name
    staged = path.with_name(f".{path.name}.part")
    try:
        with staged.open("wb") as file:
            np.save(file, worker.samples, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise file_system_error("cannot write the samples of a worker", path, error) from error
    return path


def read_workers(folder: Path) -> list[WorkerSamples]:
    """All workers' files of a folder, by rank and worker. Raises ValidationError for one that is damaged."""
    found = []
    for path in folder.iterdir():
        match = _FILE.match(path.name)
        if match is None:
            continue
        try:
            samples = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValidationError(
                "the samples of a worker cannot be read", details={"file": path}, cause=error, code="MLPS-E610"
            ) from error
        if samples.dtype != SAMPLE or samples.ndim != 1:
            raise ValidationError(
                "this file holds no samples of a worker", details={"file": path, "holds": str(samples.dtype)}, code="MLPS-E610"
            )
        found.append(WorkerSamples(samples, int(match["rank"]), int(match["worker"]), match["host"]))
    return sorted(found, key=lambda worker: (worker.rank, worker.worker))


@dataclasses.dataclass(frozen=True)
class PhaseStatistics:
    """The figures of one phase over all workers. ``queries`` counts those that succeeded; None stands for what nobody can say.

    ``halves`` are the rates of both halves of the window, ``overlap`` the part of it that all hosts have in common (1 on one host).
    """

    name: str
    queries: int
    failed: int
    failures: Mapping[str, int]
    seconds: float | None
    qps: float | None
    latency_ms: Mapping[str, float | None]
    halves: tuple[float, float] | None
    overlap: float | None
    hosts: int
    workers: int

    @property
    def drifting(self) -> bool | None:
        """Whether the second half went at another rate than the first."""
        if self.halves is None:
            return None
        return abs(self.halves[0] - self.halves[1]) > DRIFT_MOST * max(self.halves)

    def to_json(self) -> dict[str, Any]:
        """As in ``mlps.phases``, as far as samples tell it."""
        return {
            "name": self.name,
            "seconds": self.seconds,
            "queries": self.queries,
            "failed": self.failed,
            "failures": dict(self.failures),
            "qps": self.qps,
            "latency_ms": dict(self.latency_ms),
            "latency_missing": {
                name: f"{self.queries} samples, and it needs {fewest}" for name, _, fewest in _PERCENTILES if self.queries < fewest
            },
            "latency_kind": "service time, closed loop",
            "drifting": self.drifting,
            "qps_halves": list(self.halves) if self.halves else None,
            "window_overlap": self.overlap,
            "hosts": self.hosts,
            "workers": self.workers,
        }


@dataclasses.dataclass(frozen=True)
class _Window:
    """First begin and last end of a host's searches, and how many of them succeeded."""

    began: int
    ended: int
    queries: int

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / _NS


def phase_statistics(workers: Sequence[WorkerSamples], name: str, *, offsets_ns: Mapping[str, int] | None = None) -> PhaseStatistics:
    """Figures of the phase ``name`` over all workers; ``offsets_ns`` is how far each host's clock is ahead of a common one."""
    phases = [(worker.host, worker.phase(name)) for worker in workers]
    phases = [(host, samples) for host, samples in phases if len(samples)]
    offsets = offsets_ns or {}
    together = np.concatenate([samples for _, samples in phases]) if phases else np.empty(0, SAMPLE)
    good = together[together["status"] == Status.OK]
    failures = Counter(Status(int(code)).name.lower() for code in together["status"] if code != Status.OK)
    hosts = sorted({host for host, _ in phases})
    windows = [_window([samples for owner, samples in phases if owner == host], offsets.get(host, 0)) for host in hosts]
    return PhaseStatistics(
        name=name,
        queries=len(good),
        failed=len(together) - len(good),
        failures=dict(failures),
        seconds=(max(window.ended for window in windows) - min(window.began for window in windows)) / _NS if windows else None,
        qps=sum(window.queries / window.seconds for window in windows) if windows and all(w.seconds > 0 for w in windows) else None,
        latency_ms=_latency(good["seconds"] * 1e3),
        halves=_halves(phases, windows, offsets),
        overlap=_overlap(windows),
        hosts=len(hosts),
        workers=len(phases),
    )


def _window(samples: Iterable[Samples], offset: int) -> _Window:
    every = np.concatenate(list(samples))
    began = every["began_ns"]
    ended = int((began + _nanoseconds(every)).max())
    return _Window(int(began.min()) - offset, ended - offset, int((every["status"] == Status.OK).sum()))


def _nanoseconds(samples: Samples) -> npt.NDArray[np.int64]:
    return np.asarray(np.rint(samples["seconds"] * _NS).astype(np.int64))


def _overlap(windows: Sequence[_Window]) -> float | None:
    if not windows:
        return None
    common = min(window.ended for window in windows) - max(window.began for window in windows)
    longest = max(window.ended - window.began for window in windows)
    return max(0.0, common / longest) if longest else None


def _halves(phases: Sequence[tuple[str, Samples]], windows: Sequence[_Window], offsets: Mapping[str, int]) -> tuple[float, float] | None:
    if not windows:
        return None
    began, ended = min(window.began for window in windows), max(window.ended for window in windows)
    half = (ended - began) / 2
    if half <= 0:
        return None
    ends = [
        (samples["began_ns"] + _nanoseconds(samples) - offsets.get(host, 0))[samples["status"] == Status.OK] for host, samples in phases
    ]
    first = sum(int((end <= began + half).sum()) for end in ends)
    second = sum(len(end) for end in ends) - first
    return first / (half / _NS), second / (half / _NS)


def _latency(milliseconds: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """Percentiles that are samples themselves (the next higher one); None where there are too few samples for one."""
    figures: dict[str, float | None] = {"mean": float(milliseconds.mean()) if len(milliseconds) else None}
    for name, percentile, fewest in _PERCENTILES:
        enough = len(milliseconds) >= fewest
        figures[name] = float(np.percentile(milliseconds, percentile, method="higher")) if enough else None
    figures["max"] = float(milliseconds.max()) if len(milliseconds) else None
    return figures
