"""The guard of one rank: starts the rank's program and sees to it that nothing of it outlives the run.

It is the parent of the program and takes in every orphan below it; over it is its keeper, and over that the launcher or its daemon. A TCP
line to the starter (``MLPS_GUARD`` = ``address,port,token``) says how the program ended and brings the order to end it. The guard also
ends everything when that line breaks, when its keeper dies and when it is sent SIGTERM, SIGINT or SIGHUP; so nothing is left on a host
that is cut off. The line is text, one message a line, words separated by tabs:

====================================  ==================================================================
guard → starter
``hello TOKEN RANK HOST PID``         first word; PID is the program's
``exit RANK CODE SIGNAL``             the program ended by itself: exit code, or the number of a signal
``ended RANK WHY``                    the program is being ended from outside, and why: ``ORPHANED`` where nobody told the guard to
``usage RANK`` + fields of Usage      answer to ``usage``
``pong RANK``                         answer to ``ping``
``bye RANK`` + four io counters       nothing of the rank is left; bytes as in Usage, over the rank's whole life
starter → guard
``ping``                              sent at an interval where ranks run on other hosts
``usage``                             how much has the rank used?
``die``                               end the rank
====================================  ==================================================================

Standard library only, and little of it: every launch waits for these imports.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

from pytest_mlpstorage.launch.daemon import end_daemon
from pytest_mlpstorage.launch.folder import remove_sessions
from pytest_mlpstorage.launch.processes import descendants, die_with_parent, end_all, is_alive, parent_of, reap, spawn, take_orphans
from pytest_mlpstorage.launch.sampler_child import SamplerChild
from pytest_mlpstorage.launch.segments import remove_abandoned
from pytest_mlpstorage.launch.text_line import TextLine
from pytest_mlpstorage.launch.usage import io_counters, tree_usage

__all__ = ["CANNOT_START", "GUARD_VARIABLE", "ORPHANED", "RANK_NAME_VARIABLE", "SILENT_SECONDS", "UNREACHED", "main", "rank_here"]

GUARD_VARIABLE = "MLPS_GUARD"
RANK_NAME_VARIABLE = "MLPS_RANK_NAME"
"""Names the variable that holds the rank's number, where others may have been inherited from a job that this one runs in."""

SILENT_SECONDS = 10.0
"""A guard of a job on other hosts that is not pinged for so long is cut off, and ends its rank."""

CANNOT_START = 75
"""Exit code of a guard that could not start its rank (EX_TEMPFAIL)."""

ORPHANED = "the launcher is gone"
"""Why a rank is ended whose launcher, or that launcher's daemon on the host, has ended without a word."""

UNREACHED = "the guard of rank %s on %s cannot reach the supervisor"
"""How a guard that could not start its rank begins its line on stderr: with the rank and the host."""

_CONNECT_SECONDS = 15.0
_GRACE_SECONDS = 1.0
_SAME_MOMENT_SECONDS = 0.03
_NO_WORD = "no word from the supervisor"
_LINE_BROKEN = "the supervisor is gone"
_CUT_OFF = (_NO_WORD, _LINE_BROKEN)
_RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")


def rank_here() -> str:
    """The number that the launcher gave this process, or ``-1``."""
    names = (os.environ.get(RANK_NAME_VARIABLE, ""), *_RANK_VARIABLES)
    return next((os.environ[name] for name in names if name in os.environ), "-1")


class _Guard:
    def __init__(self, argv: list[str], keeper: int) -> None:
        address, port, self.token = os.environ[GUARD_VARIABLE].split(",")
        self.rank, self.started = rank_here(), time.time()
        self.here = address.startswith("127.")
        self.keeper, self.daemon = keeper, parent_of(keeper)
        self.stops: list[int] = []
        self.wake, wake_end = os.pipe()
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self.stops.append(number))
        die_with_parent(signal.SIGTERM)
        take_orphans()
        connection = socket.create_connection((address, int(port)), timeout=_CONNECT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.line = TextLine(connection)  # a few hundred bytes at a time: the kernel always has room for them
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)  # Open MPI gives rank 0 a pipe that never ends
        os.close(null)
        self.pid = spawn(argv, death_signal=signal.SIGKILL)
        self.line.say("hello", self.token, self.rank, socket.gethostname(), self.pid)
        self.sampler = SamplerChild()

    def run(self) -> int:
        """Watch the program to its end; returns the exit code for the launcher."""
        status, why = self._watch()
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            self.line.say("exit", self.rank, max(code, 0), max(-code, 0))
            code = 128 - code if code < 0 else code
        else:
            self.line.say("ended", self.rank, why)
            code = CANNOT_START
        me = os.getpid()
        if reap() and not self.sampler.alone():
            end_all(lambda: self.sampler.others(descendants(me)), grace_seconds=_GRACE_SECONDS, collect=True)
            reap()
        moved = io_counters(me)  # those of every child that was waited for are in our own, so the sampler's are not yet
        self.sampler.end()
        if code:
            remove_abandoned(self.started)
        self.line.say("bye", self.rank, *moved)
        if why in _CUT_OFF:
            end_daemon(self.daemon, self.keeper)
        if code:
            remove_sessions(self.daemon)
        return code

    def _watch(self) -> tuple[int | None, str]:
        """The status of the program that ended by itself, or None and why it must be ended."""
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        poll.register(self.line, select.POLLIN)
        # Loopback is the address of a job whose ranks all run on this host, and who need no pings; a host may be cut off before its first.
        pinged = None if self.here else time.monotonic()
        while True:
            status = self._status()
            if status is not None and not self._ended_from_outside(status):
                return status, ""
            if self.stops or self._is_orphan():
                time.sleep(_SAME_MOMENT_SECONDS)  # a daemon of several threads is dead only when the last one is
                return None, ORPHANED if self._is_orphan() else f"signal {self.stops[0]}"
            if pinged is not None and time.monotonic() - pinged > SILENT_SECONDS:
                return None, _NO_WORD
            poll.poll(None if pinged is None else SILENT_SECONDS * 1000)
            self._drain()
            orders = self.line.heard()
            if orders is None:
                return None, _LINE_BROKEN
            for order, *_ in orders:
                if order == "die":
                    return None, "told to end"
                if order == "ping":
                    pinged = time.monotonic()
                    self.line.say("pong", self.rank)
                elif order == "usage":
                    self.line.say("usage", self.rank, *tree_usage(self.pid).words())

    def _is_orphan(self) -> bool:
        return os.getppid() != self.keeper or parent_of(self.keeper) != self.daemon or not is_alive(self.daemon)

    def _status(self) -> int | None:
        """Collect what has ended; the wait status of the program once it is among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid in (0, self.pid):
                return status if pid else None

    def _ended_from_outside(self, status: int) -> bool:
        """Whether a death by signal is the launcher's doing: it signals the whole group, this guard included."""
        if not os.WIFSIGNALED(status) or self.stops:
            return bool(self.stops)
        select.select([self.wake], [], [], 0)
        self._drain()
        deadline = time.monotonic() + _SAME_MOMENT_SECONDS
        while not self.stops and (rest := deadline - time.monotonic()) > 0:
            if select.select([self.wake], [], [], rest)[0]:
                self._drain()
        return bool(self.stops)

    def _drain(self) -> None:
        while select.select([self.wake], [], [], 0)[0]:
            os.read(self.wake, 4096)


def main(argv: list[str], *, keeper: int) -> int:
    """Run ``argv`` as the program of this rank; ``keeper`` is the process id of the parent."""
    try:
        guard = _Guard(argv, keeper)
    except (KeyError, ValueError, OSError) as error:
        where = ":".join(os.environ.get(GUARD_VARIABLE, "").split(",")[:2])
        who = UNREACHED % (rank_here(), socket.gethostname())
        sys.stderr.write(f"{who} at {where or 'nowhere'}: {type(error).__name__}: {error}\n")
        return CANNOT_START
    return guard.run()
