"""The starter: stands between pytest and the launcher, and ends the whole job whatever happens to pytest.

It lives in a session of its own, so that neither Ctrl-C nor Ctrl-Z of the terminal reaches it; it takes in every orphan
of the job on this host; and it watches pytest (a broken control line, or its end by whatever signal), the launcher, the
guards of all ranks, and the deadline. The first thing to go wrong is the verdict, and ends the job: guards are told,
then the launcher is sent SIGTERM, then everything left is killed. The control line is text, tab separated:

======================================  =====================================================================
starter → pytest
``rank RANK HOST PID``                  a rank has started
``usage RANK`` + fields of Usage        answer to ``usage``
``io RANK`` + four counters             a rank is gone: bytes over its whole life
``verdict KIND RANK HOST NUMBER``       why the job ended, see ``KINDS``; NUMBER is an exit code or a signal
``waits NAME``                          what the launcher had started and not seen the end of, where ranks were missing
``launcher CODE SIGNAL``                how the launcher itself ended (-1 -1: it did not)
``left PID NAME``                       what could not be ended
``bye STARTED FINISHED``                the last word: ranks that started, and that ended with exit code 0
pytest → starter
``usage``                               ask all guards
``end`` / ``kill``                      end the job, gently or at once
======================================  =====================================================================
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable

from pytest_mlpstorage.launch.folder import memory_folder, remove_folder, remove_sessions
from pytest_mlpstorage.launch.guard import GUARD_VARIABLE, SILENT_SECONDS
from pytest_mlpstorage.launch.processes import (
    RUN_ID_VARIABLE,
    carriers,
    childless,
    descendants,
    end_all,
    end_descriptor,
    name_of,
    send,
    spawn,
    take_orphans,
)
from pytest_mlpstorage.launch.segments import remove_abandoned
from pytest_mlpstorage.launch.switchboard import GuardedRank, Switchboard
from pytest_mlpstorage.launch.text_line import TextLine

__all__ = ["KINDS", "main"]

KINDS = ("ok", "exit", "signal", "lost", "silent", "daemon", "missing", "start", "deadline", "launcher", "asked", "orphan")
"""ok; a rank's exit code; a rank's signal; a guard that vanished; a guard that is silent; the launcher's daemon over a rank ended; fewer
ranks than asked ended well; ranks did not start in time; the deadline; the launcher failed; pytest asked; pytest is gone."""

_PING_SECONDS = 2.0
_SAY_SECONDS = 5.0
_START_SECONDS = 60.0
_START_SECONDS_PER_RANK = 0.5
_GUARDS_SECONDS = 2.5
_LAUNCHER_SECONDS = 2.0
_KILLED_SECONDS = 0.5
_AFTER_RANKS_SECONDS = 10.0
_AFTER_ORPHAN_SECONDS = 4.0
_AFTER_LOSS_SECONDS = 1.0
_SWEEP_SECONDS = 1.0
_LONGEST_POLL_SECONDS = 3600.0
_MOST_NAMED = 8


class _Starter:
    def __init__(self, control: int, listener: int, ranks: int, deadline_seconds: float, ping: bool, argv: list[str]) -> None:
        self.control = TextLine(socket.socket(fileno=control), patience_seconds=_SAY_SECONDS)
        self.asked, self.ping, self.hurry = ranks, ping, False
        self.run_id = os.environ[RUN_ID_VARIABLE]
        self.verdict: tuple[str, int, str, int] | None = None
        self.stops: list[int] = []
        self.launcher_status: int | None = None
        self.waits: list[str] = []
        self.orphan: GuardedRank | None = None
        self.poll = select.poll()
        self._catch_signals()
        self.board = Switchboard(listener, os.environ[GUARD_VARIABLE].rpartition(",")[2], self.poll, self.control.say, self._failed)
        self.poll.register(self.control, select.POLLIN)
        self.pytest = os.getppid()
        # The control line alone does not tell pytest's end where a child that pytest forked still holds the other end.
        self.parent = end_descriptor(self.pytest)
        if self.parent >= 0:
            self.poll.register(self.parent, select.POLLIN)
        take_orphans()
        self.began, self.started = time.time(), time.monotonic()
        self.deadline = self.started + deadline_seconds
        self.start_limit = self.started + _START_SECONDS + _START_SECONDS_PER_RANK * ranks
        self.launcher = spawn(argv, death_signal=signal.SIGTERM, own_group=True)
        # Each guard's line is an open file here. What has been started keeps the limit that it was given.
        resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)

    def _catch_signals(self) -> None:
        self.wake, wake_end = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self.stops.append(number))
        self.poll.register(self.wake, select.POLLIN)

    # ------------------------------------------------------------------------------------------------ what comes in
    def _pump(self, until: float) -> None:
        """Wait for something to happen, at most until then, and take it in."""
        wait = min(max(0.0, until - time.monotonic()), _LONGEST_POLL_SECONDS)
        ready = self.poll.poll(wait * 1000)
        self._collect()
        for descriptor, _ in ready:
            if descriptor == self.wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self.wake, 4096)
            elif descriptor == self.parent:
                self._orphaned()
            elif descriptor == self.control.fileno():
                self._hear_pytest()
            else:
                self.board.take(descriptor)
        if self.launcher_status is None:  # what a guard says after that tells of the launcher's own end
            self.orphan = self.board.orphan

    def _collect(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.launcher:
                self.launcher_status = status

    def _orphaned(self) -> None:
        if self.parent >= 0:
            self.poll.unregister(self.parent)
            os.close(self.parent)
            self.parent = -1
        if self.control.open:
            self.poll.unregister(self.control)
            self.control.close()
        self._judge("orphan")

    def _hear_pytest(self) -> None:
        said = self.control.heard()
        if said is None:
            self._orphaned()
        for word, *_ in said or ():
            if word == "usage":
                self.board.order("usage")
            else:
                self.hurry = self.hurry or word == "kill"
                self._judge("asked")

    # -------------------------------------------------------------------------------------------------- the verdict
    def _failed(self, rank: int, host: str, code: int, number: int) -> None:
        self._judge("signal" if number else "exit", rank, host, number or code)

    def _judge(self, kind: str, rank: int = -1, host: str = "", number: int = 0) -> None:
        if self.verdict is None:
            self.verdict = (kind, rank, host, number)

    # ------------------------------------------------------------------------------------------------------- the job
    def run(self) -> int:
        """Watch the job until there is a verdict, end what is left of it, and report."""
        pinged = 0.0
        idle_since: float | None = None
        while self.verdict is None:
            now = time.monotonic()
            if self.ping and now - pinged >= _PING_SECONDS:
                pinged = now
                self.board.order("ping")
            next_look = self.deadline
            if self.ping:
                next_look = min(next_look, pinged + _PING_SECONDS)
            if len(self.board.ranks) < self.asked:
                next_look = min(next_look, self.start_limit)
            if self._nothing_to_wait_for():
                idle_since = idle_since or now
                next_look = min(next_look, idle_since + self._patience_seconds)
            next_look = min([next_look, *((rank.lost_at or 0) + _AFTER_LOSS_SECONDS for rank in self.board.lost())])
            self._pump(next_look)
            self._look(time.monotonic(), idle_since)
        self._end()
        self._report()
        return 0

    @property
    def _patience_seconds(self) -> float:
        """How long the launcher may take to end after its ranks."""
        return _AFTER_ORPHAN_SECONDS if self.orphan else _AFTER_RANKS_SECONDS

    def _nothing_to_wait_for(self) -> bool:
        """Whether only the launcher's own end is missing: all ranks have ended, or the launcher is ending them."""
        ranks = self.board.ranks.values()
        return any(rank.ended for rank in ranks) or (len(ranks) == self.asked and all(rank.over for rank in ranks))

    def _look(self, now: float, idle_since: float | None) -> None:
        """Judge by what is known now."""
        lost = next((rank for rank in self.board.lost() if now >= (rank.lost_at or 0) + _AFTER_LOSS_SECONDS), None)
        if self.stops:
            self._judge("asked", number=self.stops[0])
        elif lost is not None:
            self._judge("lost", lost.number, lost.host)
        elif self.launcher_status is not None:
            self._last_words()
            self._judge_launcher()
        elif now >= self.deadline:
            self._judge("deadline")
        elif len(self.board.ranks) < self.asked and now >= self.start_limit:
            self._judge("start")
        elif idle_since is not None and now - idle_since >= self._patience_seconds:
            # Open MPI 5 sometimes does not end after its ranks; they have said how they ended, so that is the verdict.
            self._judge_ranks()
        elif self.ping:
            for rank in self.board.ranks.values():
                if not rank.over and now - rank.heard > SILENT_SECONDS:
                    self._judge("silent", rank.number, rank.host)

    def _last_words(self) -> None:
        """What the guards said before the launcher ended may still be on its way."""
        self._until(lambda: not self.board.connected or self.verdict is not None, 1.0)

    def _judge_launcher(self) -> None:
        assert self.launcher_status is not None
        code = os.waitstatus_to_exitcode(self.launcher_status)
        if code < 0:  # Slurm kills the guards of a dead srun along with their ranks
            self._judge("launcher", number=code)
        for rank in self.board.lost():  # its guard was killed; a launcher's exit code above 128 tells by which signal
            self._judge("lost", rank.number, rank.host, code - 128 if 128 < code < 128 + signal.NSIG else 0)
        if code == 0:
            self._judge_ranks()
        self._judge("launcher", *((self.orphan.number, self.orphan.host) if self.orphan else (-1, "")), code)

    def _judge_ranks(self) -> None:
        """Exit code 0 of a launcher is no proof: every rank asked for must have said that it ended with 0."""
        good, orphan = self.board.finished(), self.orphan or self.board.orphan
        if good < self.asked and orphan is not None:
            self._judge("daemon", orphan.number, orphan.host, good)
        self._judge("ok" if good == self.asked else "missing", number=good)

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        limit = time.monotonic() + seconds
        while not condition() and time.monotonic() < limit:
            self._pump(limit)

    # ----------------------------------------------------------------------------------------------------- its ending
    def _end(self) -> None:
        def ended() -> bool:
            return self.launcher_status is not None

        if len(self.board.ranks) < self.asked:
            self.waits = [name_of(pid) for pid in childless(self.launcher)[:_MOST_NAMED]]
        self.board.order("die")
        if not self.hurry:
            # Guards first, so that the launcher passes on the ranks' last words and ends by itself.
            self._until(lambda: ended() or self.hurry, _GUARDS_SECONDS)
        if not ended():
            send([self.launcher], signal.SIGTERM)
            self._until(lambda: ended() or self.hurry, 0.2 if self.hurry else _LAUNCHER_SECONDS)
        if not ended():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.launcher, signal.SIGKILL)
            self._until(ended, _KILLED_SECONDS)
        self._until(lambda: not self.board.connected, _KILLED_SECONDS)

    def _report(self) -> None:
        me = os.getpid()
        left = end_all(
            lambda: sorted({*descendants(me), *(pid for pid in carriers(self.run_id) if pid != self.pytest)}),
            grace_seconds=0 if self.hurry else _SWEEP_SECONDS,
            collect=True,
        )
        remove_abandoned(self.began)  # guards that were killed in haste did not
        remove_sessions(self.launcher)
        assert self.verdict is not None
        self.control.say("verdict", *self.verdict)
        for name in self.waits:
            self.control.say("waits", name)
        code = os.waitstatus_to_exitcode(self.launcher_status) if self.launcher_status is not None else None
        self.control.say("launcher", *((-1, -1) if code is None else (max(code, 0), max(-code, 0))))
        for pid in left:
            self.control.say("left", pid, name_of(pid))
        self.control.say("bye", len(self.board.ranks), self.board.finished())
        if not self.control.open:
            remove_folder(os.environ.get("TMPDIR", ""), self.run_id)
            remove_folder(memory_folder(self.run_id), self.run_id)


def main(argv: list[str]) -> int:
    """Run a job: control descriptor, listener descriptor, ranks, deadline in seconds, 1 to ping, then the command."""
    control, listener, ranks, deadline, ping, *command = argv
    return _Starter(int(control), int(listener), int(ranks), float(deadline), ping == "1", command).run()
