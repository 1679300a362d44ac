"""Shared memory that ranks of an MPI leave in memory when they are killed. Standard library only.

On one host Open MPI is given a folder of the run's own for it; on many hosts that folder would have to be made first, and MPICH takes none.
"""

# ruff: noqa: PTH108, PTH115, PTH116, PTH118, PTH123, PTH208
from __future__ import annotations

import contextlib
import os

__all__ = ["remove_abandoned"]

_FOLDER = "/dev/shm"  # noqa: S108
_NAMES = ("mpich_shm_", "sm_segment.", "vader_segment.")
_CLOCK_SECONDS = 1.0


def remove_abandoned(since: float, folder: str = _FOLDER) -> None:
    """Remove what an MPI of this user has made there since then (UTC epoch seconds), and no process has mapped or open any more.

    Of several ranks on a host the last one to end finds nobody else, so each may ask.
    """
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_NAMES) and _is_ours(os.path.join(folder, name), since)]
    except OSError:
        return
    if names:
        used = _used(folder)
        for name in names:
            if name not in used:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(folder, name))


def _is_ours(path: str, since: float) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid == os.geteuid() and status.st_ctime >= since - _CLOCK_SECONDS


def _used(folder: str) -> set[str]:
    """Names of files of a folder that a process of this user has mapped or open."""
    prefix = folder + "/"
    found: set[str] = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            with open(f"/proc/{entry}/maps", encoding="utf-8", errors="surrogateescape") as file:
                found.update(line.split(prefix, 1)[1].strip() for line in file if prefix in line)
            for number in os.listdir(f"/proc/{entry}/fd"):
                with contextlib.suppress(OSError):  # it was closed meanwhile
                    target = os.readlink(f"/proc/{entry}/fd/{number}")
                    if target.startswith(prefix):
                        found.add(target[len(prefix) :])
    return found
