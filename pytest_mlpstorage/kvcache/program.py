"""The program of one rank of the native engine (see :mod:`pytest_mlpstorage.ranks.program` for how it begins and ends)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.ranks.program import Start, run_program

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; ends the whole job itself on any failure."""
    return run_program("pytest_mlpstorage.kvcache", argv, _work)


def _work(file: Path, start: Start) -> None:
    from pytest_mlpstorage.kvcache.buffers import arena_soon
    from pytest_mlpstorage.kvcache.job import KVCacheJob

    job = KVCacheJob.load(file)
    arena = arena_soon(*job.arena)  # while the rest is loaded

    from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
    from pytest_mlpstorage.kvcache.rank import Rank

    # The supervisor names the run in the environment of all that it starts.
    job = dataclasses.replace(job, run_id=job.run_id or os.environ.get("MLPS_RUN_ID", ""))
    # What ranks of this host left that were killed: they cannot remove it, and nobody else will before the next run.
    start.on_failure = lambda: remove_leftovers(job.cache_dir, job.processes)
    Rank(job, start.world(job.processes), arena).run()
