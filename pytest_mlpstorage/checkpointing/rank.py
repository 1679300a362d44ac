"""One rank's part of a checkpoint job: its files of every checkpoint written, then, from cold caches, read back."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.checkpointing.job import ALIGNMENT, CheckpointJob
from pytest_mlpstorage.checkpointing.progress import Progress
from pytest_mlpstorage.checkpointing.report import RankRecord, Timed, host_record, write_report
from pytest_mlpstorage.checkpointing.shards import rank_files
from pytest_mlpstorage.checkpointing.stream import Streamer
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, checkpoint_size
from pytest_mlpstorage.errors import FileSystemError, MPIError, code_of_os
from pytest_mlpstorage.page_cache import PageCacheRecord, counters_of_hosts, leads_host, on_each_host, start_counters, write_page_cache
from pytest_mlpstorage.results.atomic import sync_directory
from pytest_mlpstorage.results.checkpoint_metric import CheckpointPhase
from pytest_mlpstorage.units import KIB

__all__ = ["Rank"]

_WORDS: Final = {"save": "checkpoint write", "load": "checkpoint read"}


class Rank:
    """A rank of a job; ``communicator`` is one of mpi4py's, of exactly the job's ranks, and every one of them runs."""

    def __init__(self, job: CheckpointJob, communicator: Any) -> None:
        if communicator.size != job.processes:
            raise MPIError(f"the checkpoint job is for {job.processes} ranks, but {communicator.size} were started", code="MLPS-E330")
        shape = CheckpointShape.from_parameters(job.parameters)
        self._job = job
        self._ranks = communicator
        self._size = checkpoint_size(shape, processes=job.processes, data_parallel=job.data_parallel)
        self._files = rank_files(shape, communicator.rank, job.processes, job.data_parallel)
        self._own_bytes = sum(file.bytes for file in self._files)
        path = os.environ.get("MLPS_PROGRESS") if communicator.rank == 0 else None
        self._progress = Progress(Path(path) if path else None, own_bytes=self._own_bytes, total_bytes=self._size.total_bytes)
        self._timed: list[Timed] = []
        # The wall clock is read once: it may be set while the job runs.
        self._epoch = time.time() - time.perf_counter()

    def run(self) -> None:
        """Do all of it and leave the report. Raises MLPStorageError for what a user can understand."""
        job, start = self._job, self._now()
        self._check_output()
        # No rank begins before the one that looked has found that the report can be left.
        self._ranks.barrier()
        largest = max(file.bytes for file in self._files)
        chunk = min(job.chunk_bytes, max(1, -(-largest // ALIGNMENT)) * ALIGNMENT)
        with Streamer(chunk_bytes=chunk, direct=job.direct, fsync=job.fsync) as streamer:
            if job.writes:
                streamer.fill()
                _make_folder(Path(job.folder))
            self._each("save", job.writes, lambda folder: self._write(streamer, folder))
            if job.reads:
                self._read_cold(streamer)
        self._report(start)

    def _now(self) -> float:
        return self._epoch + time.perf_counter()

    def _each(self, phase: CheckpointPhase, steps: int, move: Callable[[Path], None]) -> None:
        """Time each checkpoint of a phase: all ranks begin together, and end as they do unless the job wants them in step."""
        job = self._job
        for step in range(1, steps + 1):
            self._progress.wait(_WORDS[phase], step, steps, job.seconds_between)
            time.sleep(job.seconds_between)
            self._ranks.barrier()
            start, began, cpu = self._now(), time.perf_counter(), time.process_time()
            self._progress.begin(_WORDS[phase], step, steps)
            move(job.step_folder(step))
            if job.rank_sync:
                self._ranks.barrier()
            seconds = time.perf_counter() - began
            self._timed.append(Timed(phase, step, start, seconds, time.process_time() - cpu))
            self._progress.end()

    def _write(self, streamer: Streamer, folder: Path) -> None:
        made = _make_folder(folder)
        for file in self._files:
            streamer.write(folder / file.name, file.bytes, self._progress.advance)
        if self._job.fsync:
            # A file is safe when its name is, and the name of its folder.
            for directory in (folder, folder.parent) if made else (folder,):
                try:
                    sync_directory(directory)
                except OSError as error:
                    raise FileSystemError(
                        f"cannot force {directory} to disk: {error.strerror}", cause=error, code=code_of_os(error)
                    ) from error

    def _read(self, streamer: Streamer, folder: Path) -> None:
        for file in self._files:
            streamer.read(folder / file.name, file.bytes, self._progress.advance)

    def _read_cold(self, streamer: Streamer) -> None:
        """Drop what will be read from memory, read it, and record both what was resident and what the storage delivered."""
        job, ranks = self._job, self._ranks
        paths = [job.step_folder(step) / file.name for step in range(1, job.reads + 1) for file in self._files]
        self._check_sizes()
        # Nobody drops what another rank still writes.
        ranks.barrier()
        hosts = on_each_host(ranks, paths, drop=job.drop_caches, budget_seconds=job.page_cache_budget_seconds)
        counters = start_counters(job.folder) if leads_host(ranks) else None
        before = _proc_io()
        self._each("load", job.reads, lambda folder: self._read(streamer, folder))
        after = _proc_io()
        delivered = counters_of_hosts(ranks, counters)
        moved = ranks.gather({name: after[name] - before[name] for name in after if name in before})
        if hosts is not None and delivered is not None and job.output_dir:
            record = PageCacheRecord(
                phase="read",
                drop=job.drop_caches,
                hosts=tuple(hosts),
                counters=tuple(delivered),
                asked_bytes=self._size.total_bytes * job.reads,
                rank_read_bytes=_sum(moved, "read_bytes"),
                rank_asked_bytes=_sum(moved, "rchar"),
            )
            write_page_cache(Path(job.output_dir), record)

    def _check_output(self) -> None:
        """See before any I/O that the report can be left; only rank 0 writes it."""
        folder = self._job.output_dir
        if folder and self._ranks.rank == 0 and not (Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)):
            raise FileSystemError(f"the report cannot be written to {folder}: it is no folder that can be written to", code="MLPS-E411")

    def _check_sizes(self) -> None:
        """Look at every file before any is read, so that a missing one is not found after hours."""
        for step in range(1, self._job.reads + 1):
            for file in self._files:
                path = self._job.step_folder(step) / file.name
                try:
                    found = path.stat().st_size
                except OSError as error:
                    raise FileSystemError(
                        f"cannot read {path}: {error.strerror}, expected {file.bytes} bytes", cause=error, code=code_of_os(error)
                    ) from error
                if found != file.bytes:
                    raise FileSystemError(f"{path} has {found} bytes, expected {file.bytes}", code="MLPS-E435")

    def _report(self, start: float) -> None:
        """Gather the times of all ranks; rank 0 writes the files of all, since no other need see the folder."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
        record = RankRecord(
            self._ranks.rank, leads_host(self._ranks), host_record(), start, self._now(), self._own_bytes, tuple(self._timed), peak
        )
        records = self._ranks.gather(record)
        if records is not None and self._job.output_dir:
            write_report(self._job, self._size, records)
        # No rank is done before the report is: the job ends well with it or not at all.
        self._ranks.barrier()


def _make_folder(folder: Path) -> bool:
    """Make a folder unless it is there; whether this rank made it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return True
        if not folder.is_dir():
            raise FileSystemError(f"cannot make {folder}: a file has its name", code="MLPS-E412")
    except OSError as error:
        raise FileSystemError(f"cannot make {folder}: {error.strerror}", cause=error, code=code_of_os(error)) from error
    return False


def _proc_io() -> dict[str, int]:
    """The kernel's counters of this process; empty where it shows none."""
    try:
        pairs = (line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
        return {name: int(value) for name, value in pairs}
    except OSError:
        return {}


def _sum(moved: list[dict[str, int]] | None, name: str) -> int | None:
    """Sum over all ranks; None where one of them has no counter, since a part proves nothing."""
    if moved is None or any(name not in rank for rank in moved):
        return None
    return sum(rank[name] for rank in moved)
