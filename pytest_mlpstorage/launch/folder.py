"""The two temporary folders of a run: what a launcher that is killed leaves behind lies there, and goes with them.

Standard library only, and os instead of pathlib: the starter imports this file at every launch.
"""

# ruff: noqa: PTH106, PTH108, PTH110, PTH112, PTH114, PTH118, PTH119
from __future__ import annotations

import contextlib
import os

__all__ = ["make_folder", "memory_folder", "remove_folder", "remove_sessions"]

_LONGEST_BASE = 45
_SESSIONS = ("ompi", "prte", "prterun", "prted")


def memory_folder(run_id: str) -> str:
    """Path of the folder for shared memory of a run on one host."""
    return f"/dev/shm/mlps-{run_id}"  # noqa: S108


def make_folder(run_id: str) -> str:
    """Make a folder for this user alone, and return its path.

    The path is kept short because sockets are put below it, whose paths may have 107 bytes. Raises OSError.
    """
    import tempfile  # pytest's process alone makes one, and the starter need not wait for this import

    base = tempfile.gettempdir()
    if len(base) > _LONGEST_BASE and os.path.isdir("/tmp"):  # noqa: S108
        base = "/tmp"  # noqa: S108
    return tempfile.mkdtemp(prefix=f"mlps-{run_id}-", dir=base)


def remove_sessions(pid: int) -> None:
    """Remove what Open MPI's launcher or daemon of that process id has left, once it has ended, where it had no folder of the run's own."""
    if os.path.exists(f"/proc/{pid}"):
        return
    for name in _SESSIONS:
        folder = os.path.join("/tmp", f"{name}.{pid}")  # noqa: S108
        with contextlib.suppress(OSError):
            if os.lstat(folder).st_uid == os.geteuid():
                remove_folder(folder, f".{pid}")


def remove_folder(folder: str, run_id: str) -> None:
    """Remove the folder as far as it can be; nothing is done to one that does not bear the run's id."""
    if run_id not in os.path.basename(folder):
        return
    for path, folders, files in os.walk(folder, topdown=False):
        for name in [*files, *folders]:
            full = os.path.join(path, name)
            with contextlib.suppress(OSError):
                if os.path.isdir(full) and not os.path.islink(full):
                    os.rmdir(full)
                else:
                    os.unlink(full)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
