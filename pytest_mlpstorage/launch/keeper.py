"""The keeper of a guard: what the launcher starts for each rank, so that a guard that is killed leaves nothing behind either.

It starts the guard in a session of its own. What the launcher does to the process group of its child then reaches the keeper alone, which
passes it on; a SIGKILL of that group ends the keeper, which the guard takes as an order to end its rank. Nobody but the kernel's
out-of-memory killer or a person can end the guard itself before its time; then the keeper ends all that was below it.

Standard library only, and little of it: every launch waits for these imports.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from pytest_mlpstorage.launch import guard
from pytest_mlpstorage.launch.processes import descendants, die_with_parent, end_all, name_me, reap, take_orphans
from pytest_mlpstorage.launch.segments import remove_abandoned

__all__ = ["KILLED", "main"]

KILLED = "the guard of rank %s on %s was ended by %s"
"""What is said on stderr of a guard that was killed: its rank, its host, and the name of the signal."""

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_GRACE_SECONDS = 1.0


def main(argv: list[str]) -> int:
    """Run ``argv`` as the program of this rank, below a guard; returns the exit code for the launcher."""
    launcher, started = os.getppid(), time.time()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_PASSED_ON, signal.SIGCHLD))
    take_orphans()
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        name_me("mlps-guard")
        return guard.main(argv, keeper=me)
    name_me("mlps-keeper")
    die_with_parent(signal.SIGTERM)
    if os.getppid() != launcher:  # it ended before the kernel was asked to tell
        os.kill(pid, signal.SIGTERM)
    status = _wait(pid)
    if reap():
        end_all(lambda: descendants(me), grace_seconds=_GRACE_SECONDS, collect=True)
    if not os.WIFSIGNALED(status):
        return os.waitstatus_to_exitcode(status)
    remove_abandoned(started)
    name = signal.Signals(os.WTERMSIG(status)).name
    sys.stderr.write(KILLED % (guard.rank_here(), socket.gethostname(), name) + "\n")
    return guard.CANNOT_START


def _wait(guard_pid: int) -> int:
    """Pass on what the launcher sends until the guard has ended; its wait status."""
    while True:
        number = signal.sigwait((*_PASSED_ON, signal.SIGCHLD))
        if number != signal.SIGCHLD:
            os.kill(guard_pid, number)
            os.kill(guard_pid, signal.SIGCONT)  # one that somebody has stopped could not take its order
            continue
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == guard_pid:
                return status
            if pid == 0:
                break
