"""The last resort on other hosts: a short job of its own that ends what carries a run's id there.

A guard that could still do anything has ended its rank, and said so. Where guard and keeper were killed together, nobody on that host is
left who would: Slurm does so at an ``MPI_Abort``, and where it does not track processes by control groups their children live on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

from pytest_mlpstorage.launch.job import Host, HostLike, Job, Launcher
from pytest_mlpstorage.launch.line import helper_program

__all__ = ["sweep"]

_SECONDS = 15.0
_TOLD_SECONDS = 2.0


def sweep(launcher: Launcher, hosts: Sequence[HostLike], run_id: str, since: float) -> bool:
    """End what carries the run's id on each of the hosts, and remove the shared memory of its ranks.

    ``since`` is the start of the run (UTC epoch seconds). Whether it came to a good end, which is not waited for above 20 s.
    """
    job = Job(len(hosts), (*helper_program(), "sweeper", run_id, str(since)), hosts=tuple(Host(host.name, 1) for host in hosts))
    try:
        process = subprocess.Popen(
            launcher.command(job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        return process.wait(_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL) if process.poll() is None else ():
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(_TOLD_SECONDS)
