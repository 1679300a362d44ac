"""The sampler of one host: reads the kernel's counters at an interval while a job runs there, and sends the rows to pytest.

It is a process of its own, started by the first guard of the run on its host and ended with it; no rank, no guard and not the
starter ever waits for it. Its TCP line goes to pytest itself (``MLPS_SAMPLER`` = ``address,port,token``).
What cannot be sent yet is kept, up to an hour of rows at an interval of one second, and the oldest goes first. The line is text,
one JSON value a line:

======================================  ==================================================================
sampler → pytest
``{"token", "host", "pid"}``            first word
``{"columns", "disks", "without"}``     names of the values of a row; disks below the paths, and what else is below them
``[cpu, time, seconds, values…]``       CPU seconds the sampler has used; end of the interval (UTC epoch seconds by the clock
                                        of the host, corrected by nothing); its length; values, null where unknown
``{"bye", "samples", "lost", "cpu"}``   last word, when its guard ends it
pytest → sampler
``{"interval_seconds", "paths"}``       answer to the first word
======================================  ==================================================================
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections import deque

from pytest_mlpstorage.launch.counters import Counters, columns_of
from pytest_mlpstorage.launch.devices import disks_below, interfaces

__all__ = ["main"]

_CONNECT_SECONDS = 15.0
_ANSWER_SECONDS = 60.0
_MOST_WAITING = 3600
_LAST_WORDS_SECONDS = 0.3
_LEAST_SHARE = 0.25
"""An interval that was cut shorter than this share of a whole one tells more of the clock's grain than of the host."""


class _PytestGoneError(Exception):
    """Nobody reads the line any more."""


class _Line:
    """The line to pytest: nothing here waits for the other side but ``flush``, and that not longer than it is told."""

    def __init__(self, address: str, port: int) -> None:
        self.socket = socket.create_connection((address, port), timeout=_CONNECT_SECONDS)
        self.socket.settimeout(_ANSWER_SECONDS)
        self.waiting: deque[bytes] = deque()
        self.rest = b""
        self.lost = 0

    def configuration(self, token: str) -> tuple[float, list[str]]:
        """Say who calls, and wait for what is wanted: the interval in seconds and the paths under test."""
        self.socket.sendall(_line({"token": token, "host": socket.gethostname(), "pid": os.getpid()}))
        answer = b""
        while not answer.endswith(b"\n"):
            part = self.socket.recv(65536)
            if not part:
                raise _PytestGoneError
            answer += part
        told = json.loads(answer)
        self.socket.setblocking(False)
        return float(told["interval_seconds"]), [str(path) for path in told["paths"]]

    def say(self, value: object) -> None:
        """Send a value as soon as the line takes it."""
        if len(self.waiting) >= _MOST_WAITING:
            self.waiting.popleft()
            self.lost += 1
        self.waiting.append(_line(value))
        self.send()

    def send(self) -> None:
        """Send what the line takes now; raises _PytestGoneError where it is broken."""
        try:
            while self.rest or self.waiting:
                self.rest = self.rest or self.waiting.popleft()
                self.rest = self.rest[self.socket.send(self.rest) :]
        except BlockingIOError:
            return
        except OSError as error:
            raise _PytestGoneError from error

    @property
    def full(self) -> bool:
        return bool(self.rest or self.waiting)

    def flush(self, seconds: float) -> None:
        """Send what is waiting, and give up after so many seconds."""
        limit = time.monotonic() + seconds
        while self.full and (rest := limit - time.monotonic()) > 0:
            select.select([], [self.socket], [], rest)
            self.send()


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


class _Sampler:
    def __init__(self, where: str, wake: int) -> None:
        address, port, token = where.split(",")
        self.wake = wake
        self.line = _Line(address, int(port))
        self.interval, paths = self.line.configuration(token)
        disks, without = disks_below(paths)
        nets = interfaces()
        self.line.say({"columns": columns_of(disks, nets), "disks": disks, "without": without})
        self.counters = Counters(disks, nets)
        self.samples = 0
        self.looked = time.monotonic()
        self.counters.row(0.0)

    def run(self) -> None:
        """Take samples until the guard ends this process or pytest is gone."""
        due = self.looked + self.interval
        while not self._told_to_end(due):
            if time.monotonic() >= due:
                self._sample()
                # Where the host was too busy for several intervals there is one longer row, and not many that are empty.
                due = max(due + self.interval, self.looked + self.interval / 2)
        if time.monotonic() - self.looked >= _LEAST_SHARE * self.interval:
            self._sample()
        self.line.say({"bye": True, "samples": self.samples, "lost": self.line.lost, "cpu": _cpu_seconds()})
        self.line.flush(_LAST_WORDS_SECONDS)

    def _sample(self) -> None:
        now = time.monotonic()
        seconds, self.looked = now - self.looked, now
        row = self.counters.row(seconds)
        self.samples += 1
        self.line.say([_cpu_seconds(), round(time.time(), 3), round(seconds, 3), *row])

    def _told_to_end(self, due: float) -> bool:
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        poll.register(self.line.socket, select.POLLIN | (select.POLLOUT if self.line.full else 0))
        for descriptor, event in poll.poll(max(0.0, due - time.monotonic()) * 1000):
            if descriptor == self.wake:
                return True
            if event & select.POLLOUT:
                self.line.send()
            if event & ~select.POLLOUT and not self.line.socket.recv(4096):
                raise _PytestGoneError
        return False


def _cpu_seconds() -> float:
    return round(time.process_time(), 4)


def main(argv: list[str]) -> int:
    """Sample this host; ``argv`` names the variable that says where pytest waits.

    A sampler that cannot reach pytest, or loses it, ends without a word: nothing of the run depends on it.
    """
    wake, wake_end = os.pipe()
    os.set_blocking(wake_end, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    try:
        _Sampler(os.environ[argv[0]], wake).run()
    except (_PytestGoneError, OSError, ValueError):
        os._exit(1)
    os._exit(0)  # without the interpreter's own end, for which the guard would wait
