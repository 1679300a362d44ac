"""The program of one rank (see :mod:`pytest_mlpstorage.ranks.program` for how it begins and ends).

Two exit codes are its own: 5 a phase that was stopped at its deadline; 128 and the number of the signal (139) where the engine crashed in
a worker.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.ranks import program
from pytest_mlpstorage.ranks.program import EXIT_REFUSED, Start, run_program
from pytest_mlpstorage.vectordb.workers import CrashError, DeadlineError

__all__ = ["EXIT_DEADLINE", "exit_code", "main"]

EXIT_DEADLINE: Final = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; ends the whole job itself on any failure."""
    return run_program("pytest_mlpstorage.vectordb", argv, _work, code_of=exit_code)


def exit_code(error: BaseException) -> int:
    """The exit code that a failure has."""
    if isinstance(error, CrashError):
        return 128 + error.signal if error.signal else EXIT_REFUSED
    if isinstance(error, DeadlineError):
        return EXIT_DEADLINE
    return program.exit_code(error)


def _work(file: Path, start: Start) -> None:
    from pytest_mlpstorage.vectordb.job import VectorJob
    from pytest_mlpstorage.vectordb.rank import run_rank

    job = VectorJob.load(file)
    # The supervisor names the run in the environment of all that it starts.
    job = dataclasses.replace(job, run_id=job.run_id or os.environ.get("MLPS_RUN_ID", ""))
    run_rank(job, file, start.world(job.processes))
