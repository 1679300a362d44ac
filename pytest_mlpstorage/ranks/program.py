"""The frame of a rank's program: its job file, MPI where there are several ranks, and what happens when one fails or is told to end.

Exit codes: 0 done; 2 wrong use; 3 an exception that nobody expected; 4 refused, failed or interrupted, with one line that says why; an
engine may have more. On all but 0 the whole job is ended by ``MPI_Abort``: ranks that wait for one that failed would wait for ever.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

from pytest_mlpstorage.errors import DependencyError, MLPStorageError, MPIError
from pytest_mlpstorage.ranks.world import Alone, MPIWorld, World, launched_ranks

__all__ = ["EXIT_EXCEPTION", "EXIT_REFUSED", "EXIT_USAGE", "Start", "exit_code", "failure_line", "run_program"]

EXIT_USAGE: Final = 2
EXIT_EXCEPTION: Final = 3
EXIT_REFUSED: Final = 4

_FORWARDING_SECONDS: Final = 1.0
"""How long the line that says why may take through MPI's daemons: on a busy machine ``MPI_Abort`` overtakes it."""


class _EndedError(KeyboardInterrupt):
    """SIGTERM told this rank to end."""


class Start:
    """What a rank has of its job from its first moment on. ``rank`` is what a failure is told by; ``on_failure`` is done before the end."""

    def __init__(self) -> None:
        self.rank: int | None = None
        self.on_failure: Callable[[], object] | None = None
        self._mpi: Any = None

    @property
    def mpi(self) -> Any:
        """MPI, initialised once; DependencyError where it cannot be loaded."""
        if self._mpi is None:
            self._mpi = _start_mpi()
            self.rank = int(self._mpi.COMM_WORLD.rank)
        return self._mpi

    @property
    def has_mpi(self) -> bool:
        """Whether MPI was started, so that others may wait for this rank."""
        return self._mpi is not None

    def world(self, processes: int) -> World:
        """The ranks of a job for so many; MPIError where another number was started."""
        world: World = MPIWorld(self.mpi.COMM_WORLD) if self.has_mpi or processes > 1 else Alone()
        self.rank = world.rank
        if world.size != processes:
            raise MPIError(
                f"the job is for {processes} rank(s), but {world.size} were started",
                suggestion="start it with as many ranks as its field processes says",
                code="MLPS-E330",
            )
        return world


def exit_code(error: BaseException) -> int:
    """The exit code of a failure: whether somebody expected that it may come about."""
    return EXIT_REFUSED if isinstance(error, MLPStorageError | KeyboardInterrupt) else EXIT_EXCEPTION


def run_program(
    module: str,
    argv: Sequence[str] | None,
    work: Callable[[Path, Start], object],
    *,
    code_of: Callable[[BaseException], int] = exit_code,
    with_mpi: bool = True,
    heeding: bool = True,
) -> int:
    """Do ``work`` on the job file that is the only argument; returns 0, and ends the whole job itself on any failure.

    ``with_mpi`` false is for ranks that do not wait for each other: the launcher ends the others. ``heeding`` false is for those that
    wait within MPI, where no handler of Python runs: a signal then ends them as it ends any program.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if len(arguments) != 1:
        sys.stderr.write(f"mlpstorage: usage: python -m {module} JOB.json\n")
        return EXIT_USAGE
    if heeding:
        _heed_signals()
    start = Start()
    try:
        if with_mpi and (launched_ranks() or 1) > 1:
            _ = start.mpi  # before the job is read: on a failure the others must be ended too
        work(Path(arguments[0]), start)
    except BaseException as error:  # noqa: BLE001 - each one ends the job, by a line and a code
        if heeding:
            _ignore_signals()
        raise SystemExit(_end(start, error, code_of(error), told=with_mpi)) from None
    if start.has_mpi:
        start.mpi.Finalize()
    return 0


def _end(start: Start, error: BaseException, code: int, *, told: bool) -> int:
    # MPI's daemons end a job by SIGTERM: who is told so has nothing to say, and must end in a second.
    by_launcher = isinstance(error, _EndedError) and (start.has_mpi or not told)
    if not by_launcher:
        # The trace first, so that the cause is the last thing on stderr; one write, so that lines of ranks do not mix.
        text = (traceback.format_exc() if code == EXIT_EXCEPTION else "") + failure_line(start.rank, error, code)
        with contextlib.suppress(OSError):  # whoever listened may be gone already
            sys.stderr.write(text)
            sys.stderr.flush()
    if start.on_failure is not None:
        start.on_failure()
    if start.has_mpi and by_launcher:
        os._exit(code)
    if start.has_mpi:
        time.sleep(_FORWARDING_SECONDS)
        start.mpi.COMM_WORLD.Abort(code)
    return code


def failure_line(rank: int | None, error: BaseException, code: int) -> str:
    """One line for stderr that says who ends the job, and why."""
    who = "the job" if rank is None else f"rank {rank}"
    if isinstance(error, MLPStorageError):
        more = [f"{key}: {value}" for key, value in error.details.items()] + ([error.suggestion] if error.suggestion else [])
        if error.cause is not None and not isinstance(error.cause, OSError):  # the message has the words of those
            more.insert(0, f"{type(error.cause).__name__}: {error.cause}")
        why = f"[{error.code}] {error.message}" + (f" ({'; '.join(more)})" if more else "")
    elif isinstance(error, KeyboardInterrupt):
        why = str(error) or "interrupted"
    else:
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"mlpstorage: {who} on {socket.gethostname()} ends the job (exit {code}): {' '.join(why.split())}\n"


def _heed_signals() -> None:
    """End in good order at the first signal that asks for it, and not be disturbed in that by another."""

    def end(number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        kind = _EndedError if number == signal.SIGTERM else KeyboardInterrupt
        raise kind(f"told to end by {signal.Signals(number).name}")

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, end)


def _ignore_signals() -> None:
    """Whoever is ending need not be told to: several ranks may fail at once, and each one that does has the others ended."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


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
            suggestion="python -m pip install 'pytest-mlpstorage[mpi]', or put the MPI of the cluster on the path",
            cause=error,
            code="MLPS-E230",
        ) from error
    # The threads that move bytes never call MPI.
    if MPI.Init_thread(MPI.THREAD_FUNNELED) < MPI.THREAD_FUNNELED:
        raise MPIError(
            "this MPI does not allow a program with threads", suggestion="use an MPI that supports MPI_THREAD_FUNNELED", code="MLPS-E340"
        )
    return MPI
