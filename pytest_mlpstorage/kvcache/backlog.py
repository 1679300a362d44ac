"""Requests that have come and are not yet served: the highest class first, and the first come of it."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND
from pytest_mlpstorage.kvcache.population import QOS_PRIORITY
from pytest_mlpstorage.kvcache.requests import ConversationBook
from pytest_mlpstorage.kvcache.work import Schedule

__all__ = ["Backlog", "Taken"]

_PRIORITIES: Final = tuple(-priority for priority in QOS_PRIORITY)


class Taken(NamedTuple):
    """A request to be served: its place in the schedule, and whether the earlier turns of its conversation are still known."""

    place: int
    remembered: bool


class Backlog:
    """The queue between the arrivals of a schedule and those who serve them; it has no bound, and whatever is in it at the end stays.

    With ``first_come`` classes do not count.
    """

    def __init__(self, schedule: Schedule, most_conversations: int, now: Callable[[], int], *, first_come: bool = False) -> None:
        self._arrivals = schedule.requests["t_arrival_ns"].tolist()
        self._conversations = schedule.requests["conversation"].tolist()
        self._priorities = [0 if first_come else _PRIORITIES[qos] for qos in schedule.requests["qos"].tolist()]
        self._book = ConversationBook(most_conversations)
        self._now = now
        self._queue: list[tuple[int, int]] = []
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._whole = False

    def __len__(self) -> int:
        """Requests that wait."""
        with self._changed:
            return len(self._queue)

    def feed(self) -> None:
        """Queue each request when it arrives, until all have or the backlog is closed."""
        place, count = 0, len(self._arrivals)
        while place < count:
            if self._closed.wait(max(0.0, (self._arrivals[place] - self._now()) / NANOSECONDS_PER_SECOND)):
                return
            now, first = self._now(), place
            with self._changed:
                while place < count and self._arrivals[place] <= now:
                    self._book.arrived(self._conversations[place])
                    heapq.heappush(self._queue, (self._priorities[place], place))
                    place += 1
                self._changed.notify(place - first)

    def take(self) -> Taken | None:
        """The request to be served next, waiting for one; None when none is begun any more."""
        with self._changed:
            while not (self._queue or self._whole or self._closed.is_set()):
                self._changed.wait()
            if self._closed.is_set() or not self._queue:
                return None
            place = heapq.heappop(self._queue)[1]
            return Taken(place, self._book.remembers(self._conversations[place]))

    def finish(self) -> None:
        """Say that no further request will come: what waits is served still."""
        with self._changed:
            self._whole = True
            self._changed.notify_all()

    def close(self) -> None:
        """Begin no further request."""
        with self._changed:
            self._closed.set()
            self._changed.notify_all()
