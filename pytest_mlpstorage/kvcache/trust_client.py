"""Whether the client, and not the storage, set the figures: waiting for the interpreter, busy processors, time for content."""

from __future__ import annotations

import dataclasses
import os
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final

from pytest_mlpstorage.kvcache.trust import Note

__all__ = [
    "CONTENT_MOST",
    "CPU_MOST",
    "SWITCH_INTERVAL",
    "ClientLoad",
    "SwitchInterval",
    "WakeProbe",
    "client_notes",
    "core_notes",
    "start_notes",
    "usable_cores",
]

SWITCH_INTERVAL: Final = 0.0005
"""Seconds after which a thread must let go of the interpreter."""

CPU_MOST: Final = 0.85
"""Share of its cores that a client may use; one that uses more was the limit itself."""

CONTENT_MOST: Final = 0.25
"""Share of the time that objects are under way which stamps and checks may take."""

_SLEEP: Final = 0.001
_STEPS: Final = 8
"""Bins a factor of two: each is 9 % wide."""

_BINS: Final = 40 * _STEPS
_WAKE_MOST = 0.10


class SwitchInterval:
    """While it lasts, threads of this process change over after :data:`SWITCH_INTERVAL`; recorded with each result."""

    def __init__(self, seconds: float = SWITCH_INTERVAL) -> None:
        self._seconds, self._before = seconds, seconds

    def __enter__(self) -> SwitchInterval:
        self._before = sys.getswitchinterval()
        sys.setswitchinterval(self._seconds)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.setswitchinterval(self._before)


class WakeProbe:
    """A thread that sleeps 1 ms again and again and notes how much later it goes on: what any I/O call of ours waits as well.

    A call gives the interpreter away and takes it back before it returns, so its latency holds that wait. The probe sees a busy
    Python thread, and processors that are busy with anything.
    """

    def __init__(self) -> None:
        self._counts = [0] * _BINS
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlps-wake-probe", daemon=True)

    def __enter__(self) -> WakeProbe:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        clock, wanted = time.perf_counter_ns, int(_SLEEP * 1e9)
        while not self._over.is_set():
            began = clock()
            time.sleep(_SLEEP)
            late = clock() - began - wanted
            self._counts[_bin(max(late, 1))] += 1

    @property
    def samples(self) -> int:
        """How often it slept."""
        return sum(self._counts)

    def percentile_ns(self, share: float) -> float | None:
        """What ``share`` of the waits are below, exact to 9 %; None without a sample."""
        total, passed = self.samples, 0
        if not total:
            return None
        for index, count in enumerate(self._counts):
            passed += count
            if passed >= share * total:
                return _upper(index)
        raise AssertionError("all samples are in bins")

    def to_json(self) -> dict[str, Any]:
        """Percentiles, and the histogram as ``[upper bound in ns, count]``."""
        percentiles = {f"p{name}_ms": _ms(self.percentile_ns(share)) for name, share in (("50", 0.5), ("95", 0.95), ("99", 0.99))}
        bins = [[round(_upper(index)), count] for index, count in enumerate(self._counts) if count]
        return {"samples": self.samples, "sleep_ms": _SLEEP * 1e3, **percentiles, "bins": bins}


@dataclasses.dataclass(frozen=True)
class ClientLoad:
    """What one rank spent in a window. ``content_ns`` went to stamps and checks, ``device_ns`` to calls, summed over threads."""

    wall_s: float
    cpu_s: float
    cores: int
    content_ns: int
    device_ns: int
    wake_p99_ns: float | None
    chunk_p50_ns: float | None

    @property
    def cpu_share(self) -> float:
        """Processor time over that of all cores that the rank may use."""
        return self.cpu_s / (self.wall_s * self.cores)

    @property
    def content_share(self) -> float:
        """Time for content over all time that objects were under way: what a client without checks would save at most."""
        busy = self.content_ns + self.device_ns
        return self.content_ns / busy if busy else 0.0

    @property
    def wake_share(self) -> float | None:
        """The probe's p99 over the median chunk; None where one of them was not measured."""
        return self.wake_p99_ns / self.chunk_p50_ns if self.wake_p99_ns is not None and self.chunk_p50_ns else None

    @property
    def percentiles_are_client_side(self) -> bool:
        """Whether latencies hold so much waiting for the interpreter that they say little of the storage."""
        return (self.wake_share or 0.0) > _WAKE_MOST

    @property
    def bound(self) -> bool:
        """``client_bound``: it set figures. Of the rate it was the limit by its processors or its checks only; its waits set latencies."""
        return self.cpu_share > CPU_MOST or self.content_share > CONTENT_MOST or self.percentiles_are_client_side


def client_notes(load: ClientLoad) -> Sequence[Note]:
    """Say which limits the client exceeded, with figures."""
    notes = []
    if load.cpu_share > CPU_MOST:
        notes.append(f"this rank used {load.cpu_share:.0%} of its {load.cores} cores ({CPU_MOST:.0%} at most): start more ranks or hosts")
    if load.content_share > CONTENT_MOST:
        notes.append(
            f"stamping and checking took {load.content_share:.0%} of the time objects were under way ({CONTENT_MOST:.0%} at most): "
            "set kvcache.io.verify: sample"
        )
    if load.percentiles_are_client_side:
        wake, chunk = (f"{(ns or 0) / 1e6:.2f} ms" for ns in (load.wake_p99_ns, load.chunk_p50_ns))
        notes.append(
            f"a thread waited {wake} (p99) to go on where half of all chunks took no more than {chunk}: "
            "latencies are the client's as much as the storage's"
        )
    return [Note("client_bound", "warning", text) for text in notes]


def core_notes(usable: int, ranks_here: int, online: int | None = None) -> Sequence[Note]:
    """A rank that is kept from its share of its host's cores: by how its launcher bound it, or by a limit on its container."""
    share = (online or os.cpu_count() or usable) // ranks_here
    if usable >= share:
        return []
    text = f"this rank may run on {usable} cores, where its share of the host is {share}: start it unbound"
    return [Note("affinity", "warning", text)]


def start_notes(ready_ns: int, window_ns: int) -> Sequence[Note]:
    """A rank that was not there when the window began: requests of that time were served late, by a client that was not ready."""
    if ready_ns <= 0:
        return []
    return [
        Note(
            "start",
            "warning",
            f"this rank began {ready_ns / 1e6:.1f} ms late, {ready_ns / window_ns:.1%} of the window: its host is overloaded",
        )
    ]


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def _bin(late_ns: int) -> int:
    whole = late_ns.bit_length() - 1
    return min(whole * _STEPS + (late_ns * _STEPS >> whole) - _STEPS, _BINS - 1)


def _upper(index: int) -> float:
    whole, part = divmod(index, _STEPS)
    return float(2**whole * (1 + (part + 1) / _STEPS))


def _ms(ns: float | None) -> float | None:
    return None if ns is None else ns / 1e6
