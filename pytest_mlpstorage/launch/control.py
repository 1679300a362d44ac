"""The starter's end of the line to pytest. Standard library only, and little of it: every launch waits for these imports."""

from __future__ import annotations

import contextlib
import socket

__all__ = ["ControlLine"]

_SAY_SECONDS = 5.0


class ControlLine:
    """A line of text, one message a line, words separated by tabs; ``open`` until somebody closes it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._buffer = b""
        self.open = True

    def fileno(self) -> int:
        """The descriptor, which cannot be told from a closed one once the line is closed."""
        return self._socket.fileno()

    def say(self, *words: object) -> None:
        """Send one message; a pytest that does not take it within 5 s does without."""
        if self.open:
            with contextlib.suppress(OSError):
                self._socket.settimeout(_SAY_SECONDS)
                self._socket.sendall(("\t".join(map(str, words)) + "\n").encode())
                self._socket.setblocking(False)

    def heard(self) -> list[bytes] | None:
        """Whole messages that have come, or None where pytest is gone."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return lines

    def close(self) -> None:
        """Say and hear nothing any more."""
        self.open = False
        self._socket.close()
