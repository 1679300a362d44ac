"""The control line from pytest to a starter: how it is started, told, heard and seen to its end.

What goes over it stands in ``starter``. Only this side may break it: the starter then ends the whole job.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from pytest_mlpstorage.launch.text_line import TextLine

__all__ = ["StarterLine", "guard_command", "helper_program"]

_PROGRAM = ("-I", "-S", str(Path(__file__).with_name("__main__.py")))
_HELPER = (sys.executable, *_PROGRAM)
_END_SECONDS = 10.0
_HURRY_SECONDS = 3.0
_SAY_SECONDS = 1.0


def guard_command() -> tuple[str, ...]:
    """What stands before the interpreter in every rank's command."""
    return (*_HELPER, "guard")


def helper_program() -> tuple[str, ...]:
    """What stands between the interpreter and the role of a helper process."""
    return _PROGRAM


class StarterLine:
    """The line to the starter of one job. ``over``: its last word has come, or it is gone.

    ``take`` gets each report, as its first word and the rest.
    """

    def __init__(self, take: Callable[[str, list[str]], None]) -> None:
        self.over = False
        self._take = take
        self._line: TextLine | None = None
        self._starter: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        listener: socket.socket,
        *,
        ranks: int,
        deadline_seconds: float,
        ping: bool,
        out: IO[bytes],
        err: IO[bytes],
        cwd: Path | None,
        env: Mapping[str, str],
    ) -> None:
        """Start the starter, which starts ``command``; guards of ranks call on ``listener``. Raises OSError."""
        ours, theirs = socket.socketpair()
        self._line = TextLine(ours, patience_seconds=_SAY_SECONDS)
        with theirs:
            fixed = (theirs.fileno(), listener.fileno(), ranks, deadline_seconds, int(ping))
            self._starter = subprocess.Popen(
                [*_HELPER, "starter", *map(str, fixed), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=(theirs.fileno(), listener.fileno()),
                start_new_session=True,
                cwd=cwd,
                env=env,
            )

    def say(self, word: str) -> None:
        """Tell the starter something; that it is gone is noticed by ``listen``."""
        assert self._line is not None
        self._line.say(word)

    def listen(self, seconds: float) -> None:
        """Wait for reports, at most so long, and take them in."""
        assert self._line is not None
        poll = select.poll()  # not select: a large session may have more than 1024 descriptors
        poll.register(self._line, select.POLLIN)
        if not poll.poll(max(0.0, seconds) * 1000):
            return
        reports = self._line.heard()
        if reports is None:
            self.over = True
        for word, *rest in reports or ():
            self._take(word, rest)
            self.over = self.over or word == "bye"

    def end(self) -> bool:
        """See to it that the starter has ended the job and itself; whether there was anything to end.

        Does nothing but tidy up when it has. Ctrl-C only hastens it.
        """
        if self._line is None:
            return False  # it never came to a start
        limit = time.monotonic() + _END_SECONDS
        word = "end"
        while self._starter is not None and not self.over and time.monotonic() < limit:
            try:
                if word:
                    self.say(word)
                    word = ""
                self.listen(limit - time.monotonic())
            except KeyboardInterrupt:
                word, limit = "kill", min(limit, time.monotonic() + _HURRY_SECONDS)
        self._line.close()  # this alone ends a starter that was interrupted before it was known here
        if self._starter is not None:
            try:
                self._starter.wait(1.0)
            except subprocess.TimeoutExpired:
                self._starter.kill()
                self._starter.wait()
        return True
