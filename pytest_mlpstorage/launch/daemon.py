"""The launcher's daemon on a host that is cut off: nobody but the guard of a rank there can end it.

Open MPI's daemon would wait for its launcher for ever, and Hydra's for the end of a connection. Standard library only.
"""

# ruff: noqa: PTH116, PTH123
from __future__ import annotations

import os
import signal
import time

from pytest_mlpstorage.launch.processes import parent_of

__all__ = ["end_daemon"]

_SECONDS_EACH = 3.0
_POLL_SECONDS = 0.05


def end_daemon(daemon: int, keeper: int) -> None:
    """End the parent of ``keeper``, where that is ``daemon`` still; it first has 3 s to end by itself, then 3 s after SIGTERM.

    Other guards below the same daemon end their ranks undisturbed: they have sessions of their own. Nothing is done to the first process
    of the host, to a daemon of another user, nor to Slurm's, which looks after itself.
    """
    for number in (0, signal.SIGTERM, signal.SIGKILL):
        try:
            if daemon <= 1 or parent_of(keeper) != daemon or os.stat(f"/proc/{daemon}").st_uid != os.geteuid() or _is_slurms(daemon):
                return
            os.kill(daemon, number)
        except OSError:
            return
        limit = time.monotonic() + _SECONDS_EACH
        while parent_of(keeper) == daemon and time.monotonic() < limit:
            time.sleep(_POLL_SECONDS)


def _is_slurms(daemon: int) -> bool:
    with open(f"/proc/{daemon}/comm", "rb") as file:
        return file.read() == b"slurmstepd\n"
