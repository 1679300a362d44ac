"""What can be known of a pass of the official program from outside: its rank's ``mlps`` block, and the evidence (kvcache.md §5.12)."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.cluster.mounts import Mount
from pytest_mlpstorage.kvcache.official_job import ENGINE, OfficialJob
from pytest_mlpstorage.kvcache.official_view import late_lower_bound
from pytest_mlpstorage.kvcache.official_watch import Watched
from pytest_mlpstorage.kvcache.rank_block import FACTS, LATENCIES, Block
from pytest_mlpstorage.kvcache.trust import DirectProof, KernelBytes, Moved, Note, prove_direct
from pytest_mlpstorage.kvcache.trust_client import CPU_MOST, usable_cores
from pytest_mlpstorage.kvcache.trust_interposers import interposer_notes
from pytest_mlpstorage.results.coerce import Reading
from pytest_mlpstorage.units import GIB, MIB

__all__ = ["Outside", "asked_bytes", "block", "evidence", "with_block"]

_READ_LEAST: Final = 0.9
_NO_LOG: Final = "the official program keeps no log of its operations, only sums over a longer time"
_NOT_TOLD: Final = "the official program does not tell"

_UNKNOWN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("storage_read_bandwidth_window_gibps", "storage_write_bandwidth_window_gibps"), _NO_LOG),
    **dict.fromkeys(("official_over_window_read", "official_over_window_write"), "there is no rate in the window"),
    **dict.fromkeys(("tokens_in_window_per_s", "requests_in_window", "arrivals_in_window", "overload_factor"), _NO_LOG),
    **dict.fromkeys(LATENCIES.values(), _NO_LOG),
    **dict.fromkeys(("write_not_durable_bytes", "late_operations", "late_bytes", "reuse_distance_histogram", "executed_sha256"), _NO_LOG),
    **dict.fromkeys(("eviction_read_gib", "eviction_write_gib", "series_1s", "cv_percent", "half_drift_percent"), _NO_LOG),
}


@dataclasses.dataclass(frozen=True)
class Outside:
    """What was seen of one rank's pass; ``more`` are notes of what went otherwise than asked.

    ``replacing``: calls of its interpreter that another object answers, by that object; ``preloaded``: libraries loaded before all others;
    ``removed``: what LD_PRELOAD had said to us.
    """

    watched: Watched
    mount: Mount
    before: KernelBytes
    after: KernelBytes
    ranks_here: int
    replacing: Mapping[str, list[str]]
    preloaded: Sequence[str]
    removed: str = ""
    more: tuple[Note, ...] = ()


def asked_bytes(raw: Mapping[str, Any]) -> Moved:
    """What the program says that it asked of storage, evictions included; a read counts when it begins."""
    cache = Reading(Reading(Reading(raw).mapping("summary") or {}).mapping("cache_stats") or {})
    read, written = (cache.number(f"tier_storage_kv_bytes_{word}_gb") or 0.0 for word in ("read", "written"))
    return Moved(int(read * GIB), int(written * GIB))


def _proof(job: OfficialJob, raw: Mapping[str, Any], seen: Outside) -> tuple[DirectProof, list[Note]]:
    """The kernel's count beside the program's. Reads that it had begun and never ended excuse a read that was not counted."""
    asked = asked_bytes(raw)
    proof = prove_direct(seen.mount, asked, seen.before, seen.after, direct=False)
    begun = job.workers * job.largest_entry_bytes
    excused = proof.kernel_read is not None and proof.kernel_read >= _READ_LEAST * (asked.read - begun)
    notes = []
    for note in proof.notes:
        if note.level == "error" and excused:
            text = f"{note.message}; reads that had begun at the end, and that nobody can tell apart, may explain it"
            notes.append(dataclasses.replace(note, level="warning", message=text))
        else:
            notes.append(note)
    return proof, notes


def block(job: OfficialJob, rank: int, raw: Mapping[str, Any], seen: Outside) -> dict[str, Any]:
    """The ``mlps`` block: every key of a native rank, null where nobody outside can know it, and what only this engine has."""
    found, watched = Block(), seen.watched
    asked, (proof, _notes) = asked_bytes(raw), _proof(job, raw, seen)
    moved = (asked.read + asked.written) / GIB
    cores = max(1, usable_cores() // seen.ranks_here)
    share = watched.cpu_s / (watched.wall_s * cores) if watched.wall_s > 0 else 0.0
    known: dict[str, tuple[object, str]] = {
        "engine": (ENGINE, ""),
        "profile": ("mlc-v3", ""),
        "comparable": (not job.changed, ""),
        "comparable_reasons": (list(job.changed), ""),
        "kernel_read_gib": (None if proof.kernel_read is None else proof.kernel_read / GIB, proof.reason),
        "kernel_write_gib": (None if proof.kernel_written is None else proof.kernel_written / GIB, proof.reason),
        "resident_fraction_before_read": (None, "the program drops an entry right before it reads it, and nobody outside can look between"),
        "direct": (None, "the official program reads and writes through the page cache"),
        "filesystem": (seen.mount.fstype, ""),
        "storage": ("memory" if seen.mount.is_memory_fs else "storage", ""),
        "durability": ("fsync", ""),
        "backend": ("official", ""),
        "client_cpu_seconds_per_gib": (watched.cpu_s / moved if moved else None, "nothing was moved"),
        "client_bound": (True if share > CPU_MOST else None, "only its processor time is known from outside, and it was not at its limit"),
        "peak_rss_mib": (watched.peak_rss_bytes / MIB or None, "it ended before anybody looked"),
        "verify_level": ("none", ""),
        "read_gib": (asked.read / GIB or None, "no byte was read from storage in the pass"),
        "write_gib": (asked.written / GIB or None, "no byte was written to storage in the pass"),
    }
    for key in FACTS:
        found.put(key, *known.pop(key, (None, _NOT_TOLD)))
    for key, (value, why) in known.items():
        found.put(key, value, why)
    for key, why in _UNKNOWN.items():
        found.put(key, None, why)
    summary = Reading(Reading(raw).mapping("summary") or {})
    found.put("served_by_class", _served(summary.mapping("qos_metrics")), _NOT_TOLD)
    found.put("window_s", summary.number("elapsed_time"), _NOT_TOLD)
    found.put("late_requests_lower_bound", late_lower_bound(raw), "the file lacks the latencies of requests, or how long it ran")
    found.put("resident_fraction_of_sample", watched.residency.fraction, watched.residency.reason)
    found.values |= {
        "wall_s": watched.wall_s,
        "client_cpu_seconds": watched.cpu_s,
        "client_cpu_share": share,
        "official": {"md5_tree_v2": job.digest, "form": job.form, "command": job.command(rank), "preload": job.preload},
        "histograms": {},
    }
    return found.to_json()


def _served(classes: Mapping[str, Any] | None) -> dict[str, int] | None:
    """Requests by class, of those that the program names."""
    counts = {name: Reading(each).integer("total_requests") for name, each in (classes or {}).items() if isinstance(each, Mapping)}
    known = {name: count for name, count in counts.items() if count is not None}
    return known or None


def evidence(job: OfficialJob, rank: int, raw: Mapping[str, Any], seen: Outside) -> dict[str, Any]:
    """All that proves the result, for the leaf. ``notes`` are what its reader must know, each with its level."""
    proof, notes = _proof(job, raw, seen)
    watched = seen.watched
    notes += interposer_notes(seen.replacing, list(seen.preloaded), official=job.closed)
    if seen.removed and not job.preload:
        notes.append(Note("preload", "info", f"LD_PRELOAD={seen.removed} was not handed to the official program"))
    if seen.mount.is_memory_fs:
        notes.append(Note("memory", "warning", f"{seen.mount.target} is {seen.mount.fstype}: nothing here was measured of storage"))
    notes += seen.more
    return {
        "run_id": job.run_id or None,
        "host": socket.gethostname(),
        "rank": rank,
        "ranks_on_host": seen.ranks_here,
        "affinity": sorted(os.sched_getaffinity(0)),
        "target": {
            "filesystem": seen.mount.fstype,
            "mount_point": seen.mount.target,
            "mount_source": seen.mount.source,
            "storage": "memory" if seen.mount.is_memory_fs else "storage",
        },
        "command": job.command(rank),
        "code": {"folder": job.folder, "md5_tree_v2": job.digest},
        "outcome": {"exit_code": watched.code, "wall_s": watched.wall_s, "cpu_s": watched.cpu_s, "peak_rss_bytes": watched.peak_rss_bytes},
        "asked_bytes": dataclasses.asdict(asked_bytes(raw)),
        "direct": {key: value for key, value in dataclasses.asdict(proof).items() if key != "notes"},
        "residency_of_sample": {
            "fraction": watched.residency.fraction, "sampled_bytes": watched.residency.sampled_bytes, "method": watched.residency.method,
        },
        "notes": [note.to_json() for note in notes],
    }  # fmt: skip


def with_block(text: str, key: str, content: Mapping[str, Any]) -> str:
    """The text of a JSON object with one key more at its end; every other byte stays as the program wrote it."""
    head = text.rstrip()
    assert head.endswith("}")
    inner = head[:-1].rstrip()
    return f"{inner}{'' if inner.endswith('{') else ','}\n  {json.dumps(key)}: {json.dumps(content)}\n}}\n"
