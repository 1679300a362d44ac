"""The program of one rank: MPI where there are several, the job file, and what happens when a rank fails or is told to end.

Exit codes: 0 done; 2 wrong use; 3 an exception that nobody expected; 4 refused, failed or interrupted, with one line that says why. On
all but 0 the whole job is ended by ``MPI_Abort``: ranks that wait for one that failed would wait for ever.
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

__all__ = ["EXIT_EXCEPTION", "EXIT_REFUSED", "EXIT_USAGE", "clean_up", "ended_by_launcher", "failure_line", "heed_signals", "main"]

EXIT_USAGE: Final = 2
EXIT_EXCEPTION: Final = 3
EXIT_REFUSED: Final = 4

_FORWARDING_SECONDS: Final = 1.0
"""How long the line that says why may take through MPI's daemons: on a busy machine ``MPI_Abort`` overtakes it."""


class _EndedError(KeyboardInterrupt):
    """SIGTERM told this rank to end."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank of the job file that is the only argument; ends the whole job itself on any failure."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) != 1:
        sys.stderr.write("mlpstorage: usage: python -m pytest_mlpstorage.kvcache JOB.json\n")
        return EXIT_USAGE
    heed_signals()
    mpi, job, rank = None, None, None
    try:
        from pytest_mlpstorage.kvcache.job import KVCacheJob
        from pytest_mlpstorage.kvcache.rank import Rank
        from pytest_mlpstorage.kvcache.world import Alone, MPIWorld, World, launched_ranks

        started = launched_ranks()
        if started is not None and started > 1:
            # Before the job is read: on a failure the others must be ended too.
            mpi = _start_mpi()
        # The supervisor names the run in the environment of all that it starts.
        job = KVCacheJob.load(Path(arguments[0]))
        job = dataclasses.replace(job, run_id=job.run_id or os.environ.get("MLPS_RUN_ID", ""))
        if mpi is None and job.processes > 1:
            mpi = _start_mpi()
        world: World = Alone() if mpi is None else MPIWorld(mpi.COMM_WORLD)
        rank = world.rank
        Rank(job, world).run()
    except BaseException as error:  # noqa: BLE001 - each one ends the job, by a line and a code
        expected = isinstance(error, MLPStorageError | KeyboardInterrupt)
        code = EXIT_REFUSED if expected else EXIT_EXCEPTION
        # The trace first, so that the cause is the last thing on stderr; one write, so that lines of ranks do not mix.
        text = ("" if expected else traceback.format_exc()) + failure_line(rank, error, code)
        # MPI's daemons end a job by SIGTERM: who is told so has nothing to say, and must end in a second.
        ended_by_mpi = mpi is not None and ended_by_launcher(error)
        with contextlib.suppress(OSError):  # whoever listened may be gone already
            sys.stderr.write("" if ended_by_mpi else text)
            sys.stderr.flush()
        if job is not None:
            clean_up(job.cache_dir, job.processes)
        if ended_by_mpi:
            os._exit(code)
        if mpi is not None:
            time.sleep(_FORWARDING_SECONDS)
            mpi.COMM_WORLD.Abort(code)
        raise SystemExit(code) from None
    if mpi is not None:
        mpi.Finalize()
    return 0


def failure_line(rank: int | None, error: BaseException, code: int) -> str:
    """One line for stderr that says who ends the job, and why."""
    who = "the job" if rank is None else f"rank {rank}"
    if isinstance(error, MLPStorageError):
        more = [f"{key}: {value}" for key, value in error.details.items()] + ([error.suggestion] if error.suggestion else [])
        why = error.message + (f" ({'; '.join(more)})" if more else "")
    elif isinstance(error, KeyboardInterrupt):
        why = str(error) or "interrupted"
    else:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"mlpstorage: {who} on {socket.gethostname()} ends the job (exit {code}): {' '.join(why.split())}\n"


def heed_signals() -> None:
    """End in good order at the first signal that asks for it, and not be disturbed in that by another."""

    def end(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        kind = _EndedError if number == signal.SIGTERM else KeyboardInterrupt
        raise kind(f"told to end by {signal.Signals(number).name}")

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)


def ended_by_launcher(error: BaseException) -> bool:
    """Whether this process was told to end by the signal with which launchers end a job."""
    return isinstance(error, _EndedError)


def clean_up(cache: str, ranks: int) -> None:
    """Remove what ranks of this host left that were killed: they cannot, and nobody else will before the next run."""
    from pytest_mlpstorage.kvcache.leftovers import remove_leftovers

    remove_leftovers(cache, ranks)


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
    # The threads that move objects never call MPI.
    if MPI.Init_thread(MPI.THREAD_FUNNELED) < MPI.THREAD_FUNNELED:
        raise MPIError("this MPI does not allow a program with threads", suggestion="use an MPI that supports MPI_THREAD_FUNNELED")
    return MPI
