"""The program of one rank (see :mod:`pytest_mlpstorage.ranks.program` for how it begins and ends)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.ranks.program import Start, run_program

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; ends the whole job itself on any failure."""
    return run_program("pytest_mlpstorage.checkpointing", argv, _work, heeding=False)


def _work(file: Path, start: Start) -> None:
    from pytest_mlpstorage.checkpointing.job import CheckpointJob
    from pytest_mlpstorage.checkpointing.rank import Rank

    world = start.mpi.COMM_WORLD
    job = CheckpointJob.load(file)
    # The supervisor names the run in the environment of all that it starts.
    Rank(dataclasses.replace(job, run_id=job.run_id or os.environ.get("MLPS_RUN_ID", "")), world).run()
