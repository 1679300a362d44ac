"""Profiles ``serving`` and ``replay`` at run time: what is present is loaded once, the rest is computed and stored (kvcache.md §5.4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final

from pytest_mlpstorage.kvcache.backlog import Taken
from pytest_mlpstorage.kvcache.events import Reason
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.requests import Request
from pytest_mlpstorage.kvcache.runner import FloodRunner
from pytest_mlpstorage.kvcache.serving_tiers import ListedTiers
from pytest_mlpstorage.kvcache.tiers import Asker, PassOverError
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.kvcache.work_list import WorkList

__all__ = ["BACKLOG_MOST", "ClosedRunner", "OpenRunner", "ServingOutcome"]

BACKLOG_MOST: Final = 0.05
"""Share of all arrivals that may wait at the end of the window; with more the load is none that the storage sustains. Requests in
service are no backlog: under any load there are some, and in a short window many of all that came."""

_NO_END: Final = 2**62


@dataclasses.dataclass(frozen=True)
class ServingOutcome:
    """What is known of a pass beside its logs. Times are after the start of the window.

    ``steady_ns`` is until when as many requests were outstanding as were to be (closed), or could be begun (open); ``finished``:
    every request was served. ``waiting`` and ``in_service`` are requests at the end of the window, both 0 in a closed loop.
    """

    arrivals: int
    steady_ns: int
    finished: bool
    waiting: int = 0
    in_service: int = 0

    @property
    def backlog_share(self) -> float:
        """Share of the arrivals that waited at the end of the window."""
        return self.waiting / self.arrivals


class OpenRunner(FloodRunner):
    """Requests that arrive when they do, first come, first served. All are served to the end, unless too many were left at the window's.

    ``promotion``: what was loaded goes to the fastest tier that makes room for it.
    """

    def __init__(self, *arguments: Any, chunk_bytes: int, promotion: bool = False, **more: Any) -> None:
        super().__init__(*arguments, first_come=True, **more)
        self._chunk_bytes, self._promotion = chunk_bytes, promotion
        self._left = (0, 0)

    @property
    def result(self) -> ServingOutcome:
        """How the load was met."""
        arrivals = len(self._schedule)
        return ServingOutcome(arrivals, self._schedule.duration_ns, self._served == arrivals, *self._left)

    def _feed(self) -> None:
        super()._feed()
        self._backlog.finish()

    def _after_window(self) -> None:
        with self._changed:
            waiting, done = len(self._backlog), self._served + self._abandoned
        arrivals = len(self._schedule)
        self._left = (waiting, max(0, arrivals - waiting - done))
        if self.result.backlog_share > BACKLOG_MOST:
            super()._after_window()
        else:
            self._watch(self._served_all)

    def _served_all(self) -> int:
        return _NO_END if any(end is None for end in self._ends) else self._drained()

    def _operate(self, request: Request, taken: Taken, asker: Asker) -> None:  # noqa: ARG002 - its chunks say all
        """Load from the first token on what is present; what comes after the first gap is computed, and stored where it is absent."""
        tiers, loading = self._tiers, True
        for chunk in self._schedule.chunks_of(taken.place).tolist():
            if self._stop.now:
                raise PassOverError
            found = tiers.find(chunk)
            loading = loading and found is not None
            if found is None:
                tiers.miss(asker, chunk, Reason.PREFIX)
                tiers.write(asker, chunk, self._chunk_bytes, Reason.PREFILL)
            elif not loading:
                tiers.pass_by(found)
            else:
                tiers.read(asker, found, Reason.PREFIX)
                if self._promotion:
                    tiers.promote(asker, chunk)


class ClosedRunner(FloodRunner):
    """A list of requests of which as many are outstanding as there are workers. The window ends at the latest with the last one begun.

    ``begun`` is called then: from there on fewer are outstanding.
    """

    def __init__(
        self, schedule: Schedule, model: KVModel, tiers: ListedTiers, *rest: Any, work: WorkList, begun: Callable[[], None], **more: Any
    ) -> None:
        super().__init__(schedule, model, tiers, *rest, first_come=True, **more)
        self._listed, self._rows, self._begun = tiers, work.rows_of(len(schedule)), begun
        self._steady_ns = schedule.duration_ns

    @property
    def result(self) -> ServingOutcome:
        """How far the list was done."""
        return ServingOutcome(len(self._schedule), self._steady_ns, self._served == len(self._schedule))

    def _intended(self, request: Request) -> int:  # noqa: ARG002 - whatever it is
        """Now: the next one comes when another has gone."""
        return self._tiers.now()

    def _operate(self, request: Request, taken: Taken, asker: Asker) -> None:  # noqa: ARG002 - the list has it
        if taken.place == len(self._rows) - 1:
            self._begun()
            self._steady_ns = min(self._steady_ns, self._tiers.now())
        self._listed.do(asker, self._rows[taken.place])
        asker.misses += len(self._schedule.chunks_of(taken.place)) - asker.hits

    def _feed(self) -> None:
        super()._feed()
        self._backlog.finish()

    def _watch(self, until: Callable[[], int]) -> None:
        """Wait as for any pass, but no longer than there is something to do."""
        super()._watch(lambda: -_NO_END if all(end is not None for end in self._ends) else until())
