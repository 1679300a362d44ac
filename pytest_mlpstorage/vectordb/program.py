"""The program of one rank: MPI where there are several, the job file, and what happens when a rank fails or is told to end.

Exit codes: 0 done; 2 wrong use; 3 an exception that nobody expected; 4 refused, failed or interrupted, with one line that says why;
5 a phase that was stopped at its deadline; 128 and the number of the signal (139) where the engine crashed in a worker. On all but 0
the whole job is ended by ``MPI_Abort``: ranks that wait for one that failed would wait for ever.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from pytest_mlpstorage.errors import DependencyError, MLPStorageError, MPIError
from pytest_mlpstorage.vectordb.workers import CrashError, DeadlineError

__all__ = ["EXIT_DEADLINE", "EXIT_EXCEPTION", "EXIT_REFUSED", "EXIT_USAGE", "exit_code", "failure_line", "main"]

EXIT_USAGE: Final = 2
EXIT_EXCEPTION: Final = 3
EXIT_REFUSED: Final = 4
EXIT_DEADLINE: Final = 5

_FORWARDING_SECONDS: Final = 1.0
"""How long the line that says why may take through MPI's daemons: on a busy machine ``MPI_Abort`` overtakes it."""


class _EndedError(KeyboardInterrupt):
    """SIGTERM told this rank to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; ends the whole job itself on any failure."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) != 1:
        sys.stderr.write("mlpstorage: usage: python -m pytest_mlpstorage.vectordb JOB.json\n")
        return EXIT_USAGE
    _heed_signals()
    mpi, rank = None, None
    try:
        from pytest_mlpstorage.vectordb.job import VectorJob
        from pytest_mlpstorage.vectordb.rank import run_rank
        from pytest_mlpstorage.vectordb.world import Alone, MPIWorld, World, launched_ranks

        started = launched_ranks()
        if started is not None and started > 1:
            # Before the job is read: on a failure the others must be ended too.
            mpi = _start_mpi()
        file = Path(arguments[0])
        job = VectorJob.load(file)
        # The supervisor names the run in the environment of all that it starts.
        job = dataclasses.replace(job, run_id=job.run_id or os.environ.get("MLPS_RUN_ID", ""))
        if mpi is None and job.processes > 1:
            mpi = _start_mpi()
        world: World = Alone() if mpi is None else MPIWorld(mpi.COMM_WORLD)
        rank = world.rank
        if world.size != job.processes:
            raise MPIError(
                f"the job is for {job.processes} rank(s) and {world.size} run it",
                suggestion="start it with as many ranks as its field processes says",
            )
        run_rank(job, file, world)
    except BaseException as error:  # noqa: BLE001 - each one ends the job, by a line and a code
        code = exit_code(error)
        expected = code != EXIT_EXCEPTION
        # The trace first, so that the cause is the last thing on stderr; one write, so that lines of ranks do not mix.
        text = ("" if expected else traceback.format_exc()) + failure_line(rank, error, code)
        # MPI's daemons end a job by SIGTERM: who is told so has nothing to say, and must end in a second.
        ended_by_mpi = mpi is not None and isinstance(error, _EndedError)
        with contextlib.suppress(OSError):  # whoever listened may be gone already
            sys.stderr.write("" if ended_by_mpi else text)
            sys.stderr.flush()
        if ended_by_mpi:
            os._exit(code)
        if mpi is not None:
            time.sleep(_FORWARDING_SECONDS)
            mpi.COMM_WORLD.Abort(code)
        raise SystemExit(code) from None
    if mpi is not None:
        mpi.Finalize()
    return 0


def exit_code(error: BaseException) -> int:
    """The exit code that a failure has."""
    if isinstance(error, CrashError):
        return 128 + error.signal if error.signal else EXIT_REFUSED
    if isinstance(error, DeadlineError):
        return EXIT_DEADLINE
    return EXIT_REFUSED if isinstance(error, MLPStorageError | KeyboardInterrupt) else EXIT_EXCEPTION


def failure_line(rank: int | None, error: BaseException, code: int) -> str:
    """One line for stderr that says who ends the job, and why."""
    who = "the job" if rank is None else f"rank {rank}"
    if isinstance(error, MLPStorageError):
        more = [f"{key}: {value}" for key, value in error.details.items()] + ([error.suggestion] if error.suggestion else [])
        if error.cause is not None:
            more.insert(0, f"{type(error.cause).__name__}: {error.cause}")
        why = error.message + (f" ({'; '.join(more)})" if more else "")
    elif isinstance(error, KeyboardInterrupt):
        why = str(error) or "interrupted"
    else:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"mlpstorage: {who} on {socket.gethostname()} ends the job (exit {code}): {' '.join(why.split())}\n"


def _heed_signals() -> None:
    """End in good order at the first signal that asks for it, and not be disturbed in that by another."""

    def end(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        kind = _EndedError if number == signal.SIGTERM else KeyboardInterrupt
        raise kind(f"told to end by {signal.Signals(number).name}")

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)


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
    MPI.Init_thread(MPI.THREAD_FUNNELED)
    return MPI
