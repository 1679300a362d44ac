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

__all__ = [
    "RUN_ID_VARIABLE",
    "carriers",
    "childless",
    "descendants",
    "die_with_parent",
    "end_all",
    "end_descriptor",
    "is_alive",
    "name_me",
    "name_of",
    "parent_of",
    "reap",
    "spawn",
    "take_orphans",
]

RUN_ID_VARIABLE = "MLPS_RUN_ID"

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
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


def name_me(name: str) -> None:
    """Give this process a name of at most 15 bytes, as ``ps`` and ``top`` show it; its command line stays."""
    _LIBC.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def spawn(argv: list[str], *, death_signal: int, own_group: bool = False, silent: bool = False) -> int:
    """Fork and exec a program that is sent ``death_signal`` when this process ends; returns its pid.

    It gets the signals of a fresh process and every open descriptor that is inheritable, or with ``silent`` none but the null device.
    Exit code 127: no such program.
    """
    me = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        if own_group:
            os.setpgid(0, 0)
        die_with_parent(death_signal)
        if silent:
            _hold_nothing()
        if os.getppid() == me:
            for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these; a program must not inherit that
                signal.signal(number, signal.SIG_DFL)
            os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _hold_nothing() -> None:
    """Close what a launcher gave this process for itself, such as the pipe of a rank's output or the descriptor of its PMI."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:
                continue  # that of the listing


def _state_and_parent(pid: int | str) -> tuple[bytes, int]:
    with open(f"/proc/{pid}/stat", "rb") as file:
        state, parent = file.read().rpartition(b")")[2].split()[:2]
    return state, int(parent)


def parent_of(pid: int) -> int:
    """The parent of a process; 0 where that process is gone, or where its parent lives in another pid namespace."""
    try:
        return _state_and_parent(pid)[1]
    except OSError:
        return 0


def is_alive(pid: int) -> bool:
    """Whether a process is there and has not ended; of one with threads, whether the first of them has not.

    Where /proc hides the processes of other users (``hidepid``), whether it is there.
    """
    try:
        return _state_and_parent(pid)[0] not in (b"Z", b"X")
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _parents() -> dict[int, tuple[int, bool]]:
    """Parent of every process of this pid namespace, and whether it is alive."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                state, parent = _state_and_parent(entry)
            except OSError:
                continue  # it ended meanwhile
            found[int(entry)] = (parent, state not in (b"Z", b"X"))
    return found


def descendants(pid: int) -> list[int]:
    """Living descendants of ``pid``, itself not among them.

    Those below a dead one count too: a program whose first thread has ended before its others looks dead, and keeps its children until
    the last one has.
    """
    parents = _parents()
    children: dict[int, list[int]] = {}
    for child, (parent, _) in parents.items():
        children.setdefault(parent, []).append(child)
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), ()):
            todo.append(child)
            if parents[child][1]:
                found.append(child)
    return found


def childless(pid: int) -> list[int]:
    """Those of the living descendants of ``pid`` that have no children themselves."""
    below = descendants(pid)
    parents = {parent_of(one) for one in below}
    return [one for one in below if one not in parents]


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


def end_descriptor(pid: int) -> int:
    """A descriptor that becomes readable at the end of a process, or -1 where the kernel or Python has none or the process is gone."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


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
