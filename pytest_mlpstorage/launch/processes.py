"""Processes as /proc shows them: who descends from whom, who carries a run's id, and how to end them.

Only the standard library, and os instead of pathlib: the guards import this file at every launch.
"""
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable

__all__ = ["RUN_ID_VARIABLE", "carriers", "descendants", "die_with_parent", "end_all", "name_of", "reap", "spawn", "take_orphans"]

RUN_ID_VARIABLE = "MLPS_RUN_ID"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)
_POLL_SECONDS = 0.01
_AFTER_KILL_SECONDS = 2.0


def take_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux: child subreaper)."""
    if _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent(number: int) -> None:
    """Ask the kernel for signal ``number`` at the end of the parent; kept across exec, not by children."""
    if _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def spawn(argv: list[str], *, death_signal: int, own_group: bool = False) -> int:
    """Fork and exec a program that is sent ``death_signal`` when this process ends; returns its pid.

    It gets the signals of a fresh process and every open descriptor that is inheritable. Exit code 127: no such program.
    """
    me = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        if own_group:
            os.setpgid(0, 0)
        die_with_parent(death_signal)
        if os.getppid() == me:
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these; a program must not inherit that
                signal.signal(number, signal.SIG_DFL)
            os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _parents() -> dict[int, int]:
    """Parent of every living process of this pid namespace; zombies are not counted."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue  # it ended meanwhile
            if state not in (b"Z", b"X"):
                found[int(entry)] = int(parent)
    return found


def descendants(pid: int) -> list[int]:
    """Living descendants of ``pid``, itself not among them."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents().items():
        children.setdefault(parent, []).append(child)
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            found.append(child)
            todo.append(child)
    return found


def carriers(run_id: str) -> list[int]:
    """Living processes, this one not among them, whose environment at their start named run ``run_id``.

    Processes of other users cannot be read and are passed over: they are not of this run.
    """
    wanted = f"{RUN_ID_VARIABLE}={run_id}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    environment = file.read()
            except OSError:
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(entry))
    return found


def name_of(pid: int) -> str:
    """Command line of a process, shortened, for people; an empty text when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()[:120]
    except OSError:
        return ""


def reap() -> bool:
    """Collect every child that has ended; whether any child is left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def send(pids: list[int], number: int) -> None:
    """Send a signal to each process that is still there and may be sent one."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def end_all(find: Callable[[], list[int]], *, grace_seconds: float, collect: bool = False) -> list[int]:
    """End every process that ``find`` returns, again and again until it returns none.

    SIGTERM once to each, after ``grace_seconds`` SIGKILL. ``collect`` waits for all children of this process too, which
    only a process may ask for whose children are all of one job. Returns those that SIGKILL did not end within 2 s: they
    hang in the kernel, and nothing in user space can end them.
    """
    start = time.monotonic()
    asked: set[int] = set()
    while True:
        if collect:
            reap()
        pids = find()
        if not pids:
            return []
        late = time.monotonic() - start
        if late > grace_seconds:
            send(pids, signal.SIGKILL)
        else:
            send([pid for pid in pids if pid not in asked], signal.SIGTERM)
            asked.update(pids)
        if late > grace_seconds + _AFTER_KILL_SECONDS:
            return pids
        time.sleep(_POLL_SECONDS)
