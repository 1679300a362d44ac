"""Starts the DLIO that is installed, unmodified, as one rank; safe to be imported again by a read worker.

Exit codes: 0 done; 2 wrong use of the options; 3 an exception anywhere; 4 refused by one of our checks; n from
``SystemExit(n)``. On all but 0 the whole job is ended by ``MPI_Abort``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.dlio import io_counters, standins
from pytest_mlpstorage.dlio.failure import dead_workers, describe, write_failure
from pytest_mlpstorage.errors import ConfigurationError, DependencyError

if TYPE_CHECKING:
    from pytest_mlpstorage.dlio.arguments import Arguments
    from pytest_mlpstorage.dlio.session import Session

__all__ = ["main"]

EXIT_USAGE = 2

# At module level because spawned and forkserver workers import this module, and nothing else of ours, before they
# unpickle DLIO's objects. Neither import starts MPI, and a worker must never start it.
STAND_INS = standins.install()
io_counters.watch_workers()
if __name__ == "__mp_main__":
    io_counters.spawned()
# Hydra would print a stripped trace and turn every exception into exit 1.
os.environ.setdefault("HYDRA_FULL_ERROR", "1")


def _start_mpi() -> Any:
    """MPI, initialised, and not finalised at exit: a failed rank would wait there for the others (training.md §0.2)."""
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = False
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise DependencyError(
            "mpi4py or the MPI library that it needs cannot be loaded",
            suggestion="python -m pip install 'pytest-mlpstorage[mpi]', or put the MPI of the cluster on the path",
            cause=error,
            code="MLPS-E230",
        ) from error
    if not MPI.Is_initialized():
        MPI.Init()
    return MPI


def main(argv: Sequence[str] | None = None) -> int:
    """Run one rank; ends the whole job itself on any failure."""
    from pytest_mlpstorage.dlio.arguments import parse

    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
    except ConfigurationError as error:
        sys.stderr.write(f"mlpstorage: {error}\n")
        return EXIT_USAGE
    try:
        mpi = _start_mpi()
    except DependencyError as error:
        failure = describe(-1, error)
        write_failure(failure, None)
        return failure.code
    rank, size = mpi.COMM_WORLD.rank, mpi.COMM_WORLD.size
    try:
        session = _run(arguments, rank, size)
    except BaseException as error:
        failure = describe(rank, error, dead_workers())
        write_failure(failure, arguments.evidence)
        sys.stdout.flush()
        if not mpi.Is_finalized():
            mpi.COMM_WORLD.Abort(failure.code)
        raise
    # DLIO finalises MPI itself; a version that does not leaves it to us, since the automatic way is off.
    if not mpi.Is_finalized():
        mpi.Finalize()
    session.write("end", session.identity() | session.end)
    return 0


def _run(arguments: Arguments, rank: int, size: int) -> Session:
    """DLIO's own main with our observers around it."""
    from pytest_mlpstorage.dlio import hooks
    from pytest_mlpstorage.dlio.checks import check_size
    from pytest_mlpstorage.dlio.flavour import require_dlio
    from pytest_mlpstorage.dlio.search_path import prefer_configs
    from pytest_mlpstorage.dlio.session import Session

    check_size(size, arguments.ranks)
    session = Session(arguments, rank=rank, size=size, kind=require_dlio(), stand_ins=STAND_INS)
    dlio_main = hooks.attach(session)
    session.begin_counting()
    if arguments.config_dir is not None:
        prefer_configs(arguments.config_dir)
    # Hydra takes its command line from here.
    sys.argv = ["pytest_mlpstorage.dlio", *arguments.hydra]
    dlio_main()
    if not session.end:
        raise DependencyError(
            "DLIO ended without passing the steps that every known version passes", suggestion="report this version", code="MLPS-E220"
        )
    return session
