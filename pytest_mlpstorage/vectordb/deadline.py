"""Deadlines for calls to a server that has none of its own: at the moment the connection is cut, and the call fails."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

__all__ = ["Deadline"]

_LOOK_SECONDS: Final = 0.25


class Deadline:
    """Watches the socket of a connection from a thread. Setting a deadline is one assignment, cheap enough for a search that is timed."""

    def __init__(self, descriptor: int) -> None:
        # One of its own: the number of the other may long be another file's when the time has come.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._done = threading.Event()
        self.due = math.inf
        self.passed = False
        """Whether it cut the connection."""
        threading.Thread(target=self._watch, name="deadline of a connection", daemon=True).start()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is called inside may take so long."""
        self.due = time.monotonic() + seconds
        try:
            yield
        finally:
            self.due = math.inf

    def close(self) -> None:
        """Watch no more; the connection itself is not touched."""
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_SECONDS):
            if time.monotonic() > self.due:
                self.passed = True
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                break
        self._socket.close()
