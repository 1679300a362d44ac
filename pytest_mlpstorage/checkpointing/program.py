"""The program of one rank: MPI, the job file, and what happens when a rank fails.

Exit codes: 0 done; 2 wrong use; 3 an exception that nobody expected; 4 refused or failed, with one line that says why. On all
but 0 the whole job is ended by ``MPI_Abort``: ranks that wait for one that failed would wait for ever.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.errors import DependencyError, MLPStorageError

__all__ = ["EXIT_EXCEPTION", "EXIT_REFUSED", "EXIT_USAGE", "failure_line", "main"]

EXIT_USAGE: Final = 2
EXIT_EXCEPTION: Final = 3
EXIT_REFUSED: Final = 4

_FORWARDING_SECONDS: Final = 1.0
"""How long the line that says why may take through MPI's daemons: once on a busy machine ``MPI_Abort`` overtook it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; ends the whole job itself on any failure."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) != 1:
        sys.stderr.write("mlpstorage: usage: python -m pytest_mlpstorage.checkpointing JOB.json\n")
        return EXIT_USAGE
    try:
        mpi = _start_mpi()
    except DependencyError as error:
        sys.stderr.write(failure_line(None, error, EXIT_REFUSED))
        return EXIT_REFUSED
    world = mpi.COMM_WORLD
    try:
        from pytest_mlpstorage.checkpointing.rank import Rank

        job = CheckpointJob.load(Path(arguments[0]))
        # The supervisor names the run in the environment of all that it starts.
        Rank(dataclasses.replace(job, run_id=job.run_id or os.environ.get("MLPS_RUN_ID", "")), world).run()
    except BaseException as error:
        expected = isinstance(error, MLPStorageError | KeyboardInterrupt)
        code = EXIT_REFUSED if isinstance(error, MLPStorageError) else EXIT_EXCEPTION
        # The trace first, so that the cause is the last thing on stderr; one write, so that lines of ranks do not mix.
        sys.stderr.write(("" if expected else traceback.format_exc()) + failure_line(world.rank, error, code))
        sys.stderr.flush()
        time.sleep(_FORWARDING_SECONDS)
        world.Abort(code)
        raise
    mpi.Finalize()
    return 0


def failure_line(rank: int | None, error: BaseException, code: int) -> str:
    """One line for stderr that says who ends the job, and why."""
    who = "the job" if rank is None else f"rank {rank}"
    if isinstance(error, MLPStorageError):
        more = [f"{key}: {value}" for key, value in error.details.items()] + ([error.suggestion] if error.suggestion else [])
        why = error.message + (f" ({'; '.join(more)})" if more else "")
    else:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"mlpstorage: {who} on {socket.gethostname()} ends the job (exit {code}): {' '.join(why.split())}\n"


def _start_mpi() -> Any:
    """MPI, initialised, and not finalised at exit: a failed rank would wait there for the others."""
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise DependencyError(
            f"mpi4py or the MPI library that it needs cannot be loaded: {error}",
            suggestion="install mpi4py and an MPI, or put the MPI on the path",
            cause=error,
        ) from error
    # The threads that move pieces of files never call MPI.
    MPI.Init_thread(MPI.THREAD_FUNNELED)
    return MPI
