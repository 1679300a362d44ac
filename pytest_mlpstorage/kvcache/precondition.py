"""Preconditioning: each rank writes so many times the capacity that will be used, and removes it again (kvcache.md §1.6, §5.11).

``python -m pytest_mlpstorage.kvcache.precondition JOB.json``, one process a rank, without MPI: nobody waits for another.
"""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.probe import probe_target
from pytest_mlpstorage.kvcache.progress import Progress
from pytest_mlpstorage.kvcache.rank_directory import RankDirectory
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.ranks.job_file import fields_of, read_job
from pytest_mlpstorage.ranks.program import Start, run_program
from pytest_mlpstorage.ranks.world import this_rank
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.units import MIB

__all__ = ["Filler", "Precondition", "main"]

_WHAT: Final = "job of preconditioning"
_THREADS: Final = 8
_CALL_BYTES: Final = 2 * MIB
_OBJECT_BYTES: Final = 64 * MIB
_LEAST_OBJECT_BYTES: Final = 4096
_HEARTBEAT_SECONDS: Final = 1.0
_PASSES: Final = 256
"""As many as a stamp tells apart."""


@dataclasses.dataclass(frozen=True)
class Precondition:
    """What each rank writes: ``bytes_to_write`` in all, of which ``bytes_held`` lie on the storage at a time."""

    cache_dir: str
    output_dir: str
    bytes_to_write: int
    bytes_held: int
    io_path: str = "direct"

    def __post_init__(self) -> None:
        if min(self.bytes_to_write, self.bytes_held) < _THREADS * _LEAST_OBJECT_BYTES:
            raise ConfigurationError(
                f"{self.bytes_to_write} bytes, {self.bytes_held} at a time, precondition nothing",
                details={"allowed": f"{_THREADS * _LEAST_OBJECT_BYTES} and more"},
                code="MLPS-E115",
            )

    @classmethod
    def load(cls, path: Path) -> Precondition:
        """Read the job file; ConfigurationError where it is none."""
        return cls(**fields_of(cls, read_job(path, _WHAT), _WHAT))


class Filler:
    """Writes the objects of one rank, and removes the oldest as soon as as much lies there as shall."""

    def __init__(self, job: Precondition, rank: int, progress: Progress) -> None:
        self._job, self._rank, self._progress = job, rank, progress
        size = min(_OBJECT_BYTES, job.bytes_held // _THREADS)
        self._size = size - size % _LEAST_OBJECT_BYTES
        self._objects = -(-job.bytes_to_write // self._size)
        self._held = max(_THREADS, job.bytes_held // self._size)
        self._written = [0] * _THREADS
        self._stop = Stop()
        self._failure: BaseException | None = None

    def run(self) -> dict[str, Any]:
        """Do it; what it was. The first error of any thread is raised, and nothing of ours is left either way."""
        job = self._job
        with RankDirectory(job.cache_dir, self._rank) as directory:
            probe = probe_target(directory.path)
            direct = job.io_path == "direct" and probe.direct
            with Arena(_THREADS, _CALL_BYTES) as arena:
                content, layout = Content(_CALL_BYTES, rank=self._rank), ObjectLayout(directory.path)
                target = (
                    ObjectTarget(layout, arena, content, stop=self._stop, unit=probe.unit)
                    if direct
                    else BufferedTarget(layout, arena, content, stop=self._stop)
                )
                began = time.monotonic()
                self._write_all(target)
                seconds = time.monotonic() - began
        if self._failure is not None:
            raise self._failure
        return {
            "rank": self._rank, "bytes": self._objects * self._size, "seconds": round(seconds, 3), "direct": direct,
            "filesystem": probe.mount.fstype, "bytes_held": self._held * self._size,
        }  # fmt: skip

    def _write_all(self, target: ObjectTarget) -> None:
        threads = [threading.Thread(target=self._write, args=(target, number), daemon=True) for number in range(_THREADS)]
        began = time.monotonic()
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(_HEARTBEAT_SECONDS)
                    done, seconds = sum(self._written), time.monotonic() - began
                    rate = round(done * self._size / MIB / seconds, 1)
                    self._progress.say("fill", step=done, steps=self._objects, mib_per_second=rate)
        finally:
            self._stop.now = True
            for thread in threads:
                if thread.ident is not None:
                    thread.join()

    def _write(self, target: ObjectTarget, thread: int) -> None:
        own = range(thread, self._held, _THREADS)
        try:
            for number in range(-(-(self._objects - thread) // _THREADS)):
                if self._stop.now:
                    return
                # A thread goes round its own files, so that no more lies there than shall: each is written anew, with other bytes, or
                # storage that finds equal blocks would have nothing to write.
                round_no, place = divmod(number, len(own))
                target.write_object(own[place], self._size, pass_no=round_no % _PASSES)
                self._written[thread] += 1
        except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
            self._failure = self._failure or error
            self._stop.now = True


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; 0 done, 4 with one line that says why it was not."""
    return run_program("pytest_mlpstorage.kvcache.precondition", argv, _work, with_mpi=False)


def _work(file: Path, start: Start) -> None:
    start.rank = rank = this_rank()
    job = Precondition.load(file)
    path = os.environ.get("MLPS_PROGRESS") if rank == 0 else None
    done = Filler(job, rank, Progress(Path(path) if path else None, "precondition", 1)).run()
    write_json(Path(job.output_dir) / f"precondition_rank_{rank}.json", done)


if __name__ == "__main__":
    raise SystemExit(main())
