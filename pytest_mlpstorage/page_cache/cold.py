"""One host's files: measured, dropped from memory, measured again."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.cluster.mounts import MEMORY_FILESYSTEMS, mount_of
from pytest_mlpstorage.page_cache.drop import DROP_CACHES, FileDrop, drop_all, flush
from pytest_mlpstorage.page_cache.residency import Probe
from pytest_mlpstorage.page_cache.sample import Sample, take
from pytest_mlpstorage.results.page_cache import COLD_FRACTION, UNAVAILABLE, HostPageCache

__all__ = ["make_cold"]

_MEASURING: Final = 0.25
"""Part of the budget for the first measurement; the second, of the same files, takes no longer, the rest is for dropping."""

_LEAST_DROP_SECONDS: Final = 1.0
"""Time that dropping may take however short the run: a run that reads from memory measures nothing.

280 MiB in 70 files took 0.02 s here, so only a run of seconds over thousands of files comes near it.
"""


def make_cold(
    files: Sequence[str | os.PathLike[str]],
    *,
    drop: bool,
    budget_seconds: float,
    seed: int | None = None,
    drop_caches: Path | None = DROP_CACHES,
) -> HostPageCache:
    """Measure how much of ``files`` lies in memory, ``drop`` them from it, and measure again.

    Files are dropped one by one first: that takes out what will be read and nothing else, in hundredths of the time. Where it
    leaves something, or would take longer than it may, root drops the machine's whole page cache (at ``drop_caches``, None: never),
    and a measurement decides whether that did anything. Nothing here raises for files that are gone or cannot be told of: the
    record says so.
    """
    began = time.monotonic()
    number = random.SystemRandom().getrandbits(32) if seed is None else seed
    filesystem = _filesystem(files)
    if not files or filesystem in MEMORY_FILESYSTEMS:
        why = f"{filesystem} keeps its files in memory and has no storage below it" if files else "no files"
        return _nothing(f"{UNAVAILABLE}: {why}", len(files), filesystem, number, time.monotonic() - began)
    sample = take(files, seed=number, seconds=budget_seconds * _MEASURING, probe=Probe.of(filesystem))
    method, done, after, note = "none", 0, sample.resident_bytes, ""
    if drop:
        limit = max(budget_seconds * (1 - 2 * _MEASURING), _LEAST_DROP_SECONDS)
        method, done, after, note = _drop(files, sample, limit, drop_caches)
    measured = sample.resident_bytes is not None and after is not None
    return HostPageCache(
        host=socket.gethostname(),
        method=sample.probe.method if measured else f"{UNAVAILABLE}: {sample.why or 'all files are empty'}",
        drop_method=method,
        files_total=len(files),
        files_sampled=len(sample.files) if measured else 0,
        bytes_sampled=sample.total_bytes if measured else 0,
        resident_bytes_before=sample.resident_bytes if measured else None,
        resident_bytes_after=after if measured else None,
        seconds=round(time.monotonic() - began, 6),
        filesystem=filesystem,
        files_dropped=done,
        seed=number,
        note=note,
    )


def _drop(files: Sequence[str | os.PathLike[str]], sample: Sample, limit: float, switch: Path | None) -> tuple[str, int, int | None, str]:
    """Method, files dropped one by one, resident bytes of the sample afterwards, and what did not work."""
    notes: list[str] = []
    all_at_once = switch if os.geteuid() == 0 else None
    if sample.dirty is not False or sample.resident_bytes is None:
        flush(files[0])
    one_by_one = FileDrop(files)
    began = time.monotonic()
    one_by_one.run(limit, give_up_early=all_at_once is not None)
    method, after = "fadvise", sample.measure_again()
    if all_at_once is not None and _is_warm(sample, after, complete=one_by_one.complete):
        flush(files[0])
        refused, before = drop_all(all_at_once), after
        after = sample.measure_again()
        if refused:
            notes.append(refused)
        elif before is not None and after is not None and after >= before:
            notes.append(f"{all_at_once} took the order and dropped nothing")
        else:
            method = "drop_caches"
    if _is_warm(sample, after, complete=one_by_one.complete or method == "drop_caches") and not one_by_one.complete:
        one_by_one.run(limit - (time.monotonic() - began))
        after = sample.measure_again()
    if not one_by_one.complete and method == "fadvise":
        notes.append(f"in {limit:.1f} s {one_by_one.done} of {len(files)} files could be dropped one by one")
    return method, one_by_one.done, after, "; ".join(notes)


def _is_warm(sample: Sample, after: int | None, *, complete: bool) -> bool:
    """Whether too much is left in memory; where that cannot be measured, whether files were left out."""
    return not complete if after is None else after > COLD_FRACTION * sample.total_bytes


def _filesystem(files: Sequence[str | os.PathLike[str]]) -> str:
    if not files:
        return ""
    try:
        return mount_of(Path(files[0])).fstype
    except OSError:
        return "unknown"


def _nothing(method: str, files: int, filesystem: str, seed: int, seconds: float) -> HostPageCache:
    return HostPageCache(socket.gethostname(), method, "none", files, 0, 0, None, None, round(seconds, 6), filesystem=filesystem, seed=seed)
