"""A line of text between two processes of a launch. Standard library only, and little of it: every launch waits for these imports."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["TextLine"]

_MOST_BYTES = 65536


class TextLine:
    """This process's end of it: one message a line, its words separated by tabs.

    Another side that does not take a message within ``patience_seconds`` does without.
    """

    def __init__(self, connection: socket.socket, *, patience_seconds: float = 0.0) -> None:
        self._patience_seconds = patience_seconds
        self._socket = connection
        self._socket.setblocking(False)
        self._buffer = b""

    def fileno(self) -> int:
        """The descriptor, or -1 once the line is closed."""
        return self._socket.fileno()

    @property
    def open(self) -> bool:
        """Whether this end was not closed."""
        return self.fileno() >= 0

    def say(self, *words: object) -> None:
        """Send one message; that the line is broken is noticed by ``heard``. What would end a word or the message is a blank in it."""
        if self.open:
            message = "\t".join(str(word).replace("\t", " ").replace("\n", " ") for word in words)
            self._socket.settimeout(self._patience_seconds)
            with contextlib.suppress(OSError):
                self._socket.sendall(f"{message}\n".encode(errors="backslashreplace"))
            self._socket.setblocking(False)

    def heard(self) -> list[list[str]] | None:
        """The words of each whole message that has come, or None where the other side is gone."""
        try:
            data = self._socket.recv(_MOST_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *messages, self._buffer = (self._buffer + data).split(b"\n")
        return [message.decode(errors="replace").split("\t") for message in messages]

    def close(self) -> None:
        """Say and hear nothing any more."""
        self._socket.close()
