"""What a rank knows of how it measured: the facts of its block, and the evidence beside them (kvcache.md §5.9, §5.13)."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.histogram import LogHistogram
from pytest_mlpstorage.kvcache.io_buffered import Residency
from pytest_mlpstorage.kvcache.job import ENGINE, KVCacheJob
from pytest_mlpstorage.kvcache.probe import TargetProbe
from pytest_mlpstorage.kvcache.rank_block import NOTHING_READ
from pytest_mlpstorage.kvcache.runner import FloodOutcome
from pytest_mlpstorage.kvcache.trust import DirectProof, KernelBytes, Moved, Note, prove_direct, residency_notes
from pytest_mlpstorage.kvcache.trust_client import (
    SWITCH_INTERVAL,
    ClientLoad,
    WakeProbe,
    client_notes,
    core_notes,
    start_notes,
    usable_cores,
)
from pytest_mlpstorage.kvcache.trust_interposers import interposer_notes, interposers, preloaded
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
from pytest_mlpstorage.ranks.world import Clock
from pytest_mlpstorage.units import GIB, MIB

if TYPE_CHECKING:
    from pytest_mlpstorage.kvcache.serving_runner import ServingOutcome

__all__ = ["Measured", "comparable_reasons", "evidence", "facts"]

_MEDIAN, _P99 = 50, 0.99


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a pass left in memory. ``asked`` are all bytes asked of storage between the two readings of the kernel's counter.

    ``starts_ns`` are the starts of the windows of all ranks on the clock of rank 0; ``ranks_here`` those on this host.
    """

    probe: TargetProbe
    direct: bool
    capacity_bytes: int
    chunk_bytes: int
    account: WindowAccount
    outcome: FloodOutcome
    asked: Moved
    before: KernelBytes
    after: KernelBytes
    cpu_s: float
    wake: WakeProbe
    clocks: tuple[Clock, ...]
    starts_ns: tuple[int, ...]
    overlap: float
    residency: Residency | None
    ranks_here: int
    served: ServingOutcome | None = None
    warmup_s: float = 0.0

    @property
    def proof(self) -> DirectProof:
        """What the kernel's counters say."""
        return prove_direct(self.probe.mount, self.asked, self.before, self.after, direct=self.direct)

    @property
    def client(self) -> ClientLoad:
        """What the client spent."""
        chunks = LogHistogram.merged([self.account.read_latency, self.account.write_latency])
        return ClientLoad(
            wall_s=self.outcome.ended_ns / 1e9 + self.warmup_s,
            cpu_s=self.cpu_s,
            cores=max(1, usable_cores() // self.ranks_here),
            content_ns=self.outcome.load.content_ns,
            device_ns=self.outcome.load.calls_ns,
            wake_p99_ns=self.wake.percentile_ns(_P99),
            chunk_p50_ns=chunks.percentile(_MEDIAN) if chunks.count else None,
        )


def comparable_reasons(job: KVCacheJob, *, direct: bool) -> list[str]:
    """Why the figures do not compare with those of the official tool; nothing where they do."""
    plain = WorkloadConfig()
    found = ["direct path"] if direct else []
    changed = {
        "io.durability": job.durability != "fsync",
        "io.compressible_fraction": job.compressible_fraction > 0,
        "mode": job.mode != "both",
        "multi_turn": not job.multi_turn,
        "rag": job.rag,
        # What the file names without effect changes no work.
        "workload_config": dataclasses.replace(job.workload, honoured=(), without_effect=()) != plain,
    }
    own = ["profile"] if job.serving is not None else []
    return list(dict.fromkeys([*found, *own, *(key for key, differs in changed.items() if differs), *job.changed]))


def facts(job: KVCacheJob, schedule: Schedule, measured: Measured, peak_rss_bytes: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of ``FACTS``, and why those that are None are."""
    probe, proof, residency = measured.probe, measured.proof, measured.residency
    reasons = comparable_reasons(job, direct=measured.direct)
    moved = (measured.asked.read + measured.asked.written) / GIB
    known: dict[str, Any] = {
        "engine": ENGINE,
        "profile": job.profile,
        "comparable": not reasons,
        "comparable_reasons": reasons,
        "kernel_read_gib": None if proof.kernel_read is None else proof.kernel_read / GIB,
        "kernel_write_gib": None if proof.kernel_written is None else proof.kernel_written / GIB,
        "resident_fraction_before_read": residency.fraction if residency is not None else None,
        "direct": proof.direct,
        "dio_align": probe.alignment.offset if probe.alignment is not None else None,
        "filesystem": probe.mount.fstype,
        "storage": "memory" if probe.memory else "storage",
        "durability": job.durability,
        "chunk_bytes": measured.chunk_bytes,
        "queue_depth": 1,
        "backend": "psync" if measured.direct else "buffered",
        "client_cpu_seconds_per_gib": measured.cpu_s / moved if moved else None,
        "client_bound": measured.client.bound,
        "peak_rss_mib": peak_rss_bytes / MIB,
        "verified_bytes": measured.outcome.load.verified_bytes,
        "verify_level": job.verify,
        # The first one ends the job.
        "verify_errors": 0,
        "schedule_sha256": schedule.sha256,
    }
    return known, {
        "kernel_read_gib": proof.reason,
        "kernel_write_gib": proof.reason,
        "resident_fraction_before_read": NOTHING_READ if residency is None else residency.reason,
        "dio_align": "the kernel does not report it for this filesystem",
        "client_cpu_seconds_per_gib": "nothing was moved",
    }


def evidence(job: KVCacheJob, schedule: Schedule, measured: Measured, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """All that proves the result, for the leaf. ``notes`` are what its reader must know, each with its level."""
    probe, proof, client, residency = measured.probe, measured.proof, measured.client, measured.residency
    notes = [*proof.notes, *client_notes(client), *interposer_notes(interposers(), preloaded())]
    notes += [*start_notes(measured.outcome.ready_ns, measured.outcome.window_ns), *core_notes(usable_cores(), measured.ranks_here)]
    if job.serving is not None and measured.served is not None:
        from pytest_mlpstorage.kvcache.serving_block import serving_notes

        notes += serving_notes(job.serving, schedule, measured.served)
    if residency is not None:
        notes += residency_notes(residency.fraction, residency.reason)
    if probe.memory:
        notes.append(Note("memory", "warning", f"{probe.mount.target} is {probe.mount.fstype}: nothing here was measured of storage"))
    if job.io_path == "direct" and not measured.direct:
        notes.append(Note("direct", "warning", f"the filesystem takes no direct I/O ({probe.reason}): the page cache was used"))
    return {
        "run_id": job.run_id or None,
        "host": socket.gethostname(),
        "ranks_on_host": measured.ranks_here,
        "affinity": sorted(os.sched_getaffinity(0)),
        "target": probe.to_json(),
        "capacity_bytes": measured.capacity_bytes,
        "outcome": dict(outcome),
        "asked_bytes": dataclasses.asdict(measured.asked),
        "direct": {key: value for key, value in dataclasses.asdict(proof).items() if key != "notes"},
        "client": {
            **dataclasses.asdict(client), "cpu_share": client.cpu_share, "content_share": client.content_share,
            "wake_share": client.wake_share, "switch_interval_s": SWITCH_INTERVAL,
            "percentiles_are_client_side": client.percentiles_are_client_side,
        },
        "wake_probe": measured.wake.to_json(),
        "clocks": [dataclasses.asdict(clock) for clock in measured.clocks],
        "starts_ns": list(measured.starts_ns),
        # What to add to a time of this host for nanoseconds since 1970; the starts are by the clock of rank 0.
        "clock_epoch_ns": time.time_ns() - time.perf_counter_ns(),
        "window_overlap": measured.overlap,
        "late_start_ms": max(0, measured.outcome.ready_ns) / 1e6,
        "notes": [note.to_json() for note in notes],
    }  # fmt: skip
