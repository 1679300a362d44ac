"""The starter's end of the lines to the guards: who has called, what each rank has said, and orders to all."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable

from pytest_mlpstorage.launch.guard import ORPHANED
from pytest_mlpstorage.launch.text_line import TextLine

__all__ = ["GuardedRank", "Switchboard"]


class GuardedRank:
    """A rank whose guard has called. ``heard`` and ``lost_at`` are times of the monotonic clock."""

    # No dataclass: importing that module takes as long as all else in the starter together.
    def __init__(self, number: int, host: str) -> None:
        self.number, self.host = number, host
        self.heard = time.monotonic()
        self.code: int | None = None
        self.ended = False
        self.lost_at: float | None = None

    @property
    def over(self) -> bool:
        """Whether its guard has said that it ended: by itself, or from outside."""
        return self.ended or self.code is not None


class _Line(TextLine):
    """One accepted connection: a guard's, once it has shown the token."""

    rank: GuardedRank | None = None


class Switchboard:
    """All lines to guards.

    ``tell`` passes a report on to pytest; ``failed`` gets rank, host, exit code and signal of a rank that ended by itself
    and not well.
    """

    def __init__(
        self, listener: int, token: str, poll: select.poll, tell: Callable[..., None], failed: Callable[[int, str, int, int], None]
    ) -> None:
        self.ranks: dict[int, GuardedRank] = {}
        self._orphans: list[GuardedRank] = []
        self._listener = socket.socket(fileno=listener)
        self._listener.setblocking(False)
        self._lines: dict[int, _Line] = {}
        self._token, self._poll, self._tell, self._failed = token, poll, tell, failed
        poll.register(self._listener, select.POLLIN)

    @property
    def connected(self) -> bool:
        """Whether a guard's line is still open."""
        return any(line.rank is not None for line in self._lines.values())

    def lost(self) -> list[GuardedRank]:
        """Ranks whose line broke before they had said how they ended."""
        return [rank for rank in self.ranks.values() if rank.lost_at is not None]

    @property
    def orphan(self) -> GuardedRank | None:
        """The first rank that was ended because the launcher's process over it had.

        One of this host comes last: that process is the launcher itself, which ends soon after it has lost one of its daemons.
        """
        here = socket.gethostname()
        return next((rank for rank in self._orphans if rank.host != here), next(iter(self._orphans), None))

    def finished(self) -> int:
        """How many ranks ended with exit code 0."""
        return sum(rank.code == 0 for rank in self.ranks.values())

    def order(self, word: str) -> None:
        """Send an order to every guard; a line that is broken or stuck is noticed when it is silent."""
        for line in self._lines.values():
            if line.rank is not None:
                line.say(word)

    def take(self, descriptor: int) -> None:
        """Take in what has come on a descriptor, if it is one of ours."""
        if descriptor == self._listener.fileno():
            with contextlib.suppress(BlockingIOError):
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self._lines[connection.fileno()] = _Line(connection)
                self._poll.register(connection, select.POLLIN)
        elif descriptor in self._lines:
            self._hear(self._lines[descriptor])

    def _hear(self, line: _Line) -> None:
        messages = line.heard()
        if messages is None:
            self._hang_up(line)
        for word, *rest in messages or ():
            if line.rank is not None:
                self._report(line.rank, word, rest)
            elif word == "hello" and len(rest) == 4 and rest[0] == self._token:
                line.rank = GuardedRank(int(rest[1]), rest[2])
                self.ranks[line.rank.number] = line.rank
                self._tell("rank", *rest[1:])
            else:  # a stranger
                self._hang_up(line)
                return

    def _hang_up(self, line: _Line) -> None:
        self._poll.unregister(line)
        del self._lines[line.fileno()]
        line.close()
        if line.rank is not None and not line.rank.over:
            line.rank.lost_at = time.monotonic()

    def _report(self, rank: GuardedRank, word: str, rest: list[str]) -> None:
        rank.heard = time.monotonic()
        if word == "exit":
            code, number = int(rest[1]), int(rest[2])
            rank.code = 128 + number if number else code
            if rank.code:
                self._failed(rank.number, rank.host, code, number)
        elif word == "ended":
            rank.ended = True
            if rest[-1] == ORPHANED:
                self._orphans.append(rank)
        elif word == "bye":
            self._tell("io", *rest)
        elif word == "usage":
            self._tell("usage", *rest)
