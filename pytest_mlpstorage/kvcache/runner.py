"""The official work at run time: requests that come whether they are served or not, and threads that serve them (kvcache.md §5.2)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.backlog import Backlog, Taken
from pytest_mlpstorage.kvcache.documents import Document, RAGOptions
from pytest_mlpstorage.kvcache.events import LATE, NANOSECONDS_PER_SECOND, NEVER, EventLog, Reason
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.lookups import Lookups
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.official_view import statistics_time
from pytest_mlpstorage.kvcache.requests import DECODE_BATCH, Request, operations
from pytest_mlpstorage.kvcache.tiers import Asker, Load, PassOverError, Tiers
from pytest_mlpstorage.kvcache.work import FLAG_PREFIX, FLAG_RAG, PREFIX_WORDS, Schedule

__all__ = ["FloodOutcome", "FloodRunner", "Pace"]

_REASONS: Final = {reason.name.lower(): reason for reason in Reason}
_HEARTBEAT_SECONDS: Final = 1.0
_HUNG_SECONDS: Final = 120.0
"""What one chunk may take once the pass is over, before the storage is said not to answer."""

_PRELOADERS: Final = 16


@dataclass(frozen=True)
class Pace:
    """How requests are served. ``documents`` are what those that retrieve take their chunks of."""

    workers: int
    seconds_per_token: float = 0.0
    decode_batch: int = DECODE_BATCH
    max_conversations: int = 1000
    documents: Sequence[Document] = ()
    rag: RAGOptions = field(default_factory=RAGOptions)


@dataclass(frozen=True)
class FloodOutcome:
    """How a pass ended. Times are after the start of the window; ``abandoned`` requests were in service when it was over.

    ``ready_ns`` is when all threads were there: before the window, unless the host was overloaded.
    """

    window_ns: int
    ended_ns: int
    served: int
    abandoned: int
    load: Load
    ready_ns: int = 0


class FloodRunner:
    """Serves a schedule. Up to ``workers`` threads take the request of the highest class that came first, each one at a time.

    At the end of the window no further request is begun. The pass lasts until those in service are done, or until the official tool
    would have taken its statistics without them; then they are abandoned after the chunk that they are at. The first error of
    any thread ends the pass and is raised.
    """

    def __init__(
        self,
        schedule: Schedule,
        model: KVModel,
        tiers: Tiers,
        requests: EventLog,
        pace: Pace,
        *,
        stop: Stop,
        heartbeat: Callable[[float, int], None] | None = None,
        first_come: bool = False,
    ) -> None:
        self._schedule, self._model, self._tiers, self._log, self._pace = schedule, model, tiers, requests, pace
        self._stop, self._heartbeat = stop, heartbeat
        self._retrievals = {row["request"].item(): row for row in schedule.retrievals} if pace.documents else {}
        self._backlog = Backlog(schedule, pace.max_conversations, tiers.now, first_come=first_come)
        self._changed = threading.Condition()
        self._over = threading.Event()
        """Set when the pass is over, drain included: wakes those who pretend to generate."""
        self._failure: BaseException | None = None
        self._ends: list[int | None] = [None] * pace.workers
        self._loads = [Load() for _ in range(pace.workers)]
        self._served = self._abandoned = 0

    def preload(self) -> Load:
        """Store what is there before the pass begins (decode only); of no request, and not logged."""
        entries = range(self._schedule.preloaded_entries)
        size = self._model.entry_bytes(self._schedule.preloaded_tokens)
        threads = min(_PRELOADERS, self._pace.workers)
        numbers = iter(entries)
        lock, loads = threading.Lock(), [Load() for _ in range(threads)]

        def store(load: Load) -> None:
            while True:
                with lock:
                    entry = next(numbers, None)
                if entry is None or self._stop.now:
                    return
                self._tiers.write(Asker(load), entry, size, Reason.PREFILL)

        if entries:
            # Few passes need it, and it takes a while to load.
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(threads) as pool:
                try:
                    for done in [pool.submit(store, load) for load in loads]:
                        done.result()
                except BaseException:
                    self._stop.now = True
                    self._tiers.end()
                    raise
        return _sum(loads)

    def run(self, start_ns: int) -> FloodOutcome:
        """Run the pass from that time of ``perf_counter_ns`` on; all threads have ended when it returns or raises."""
        self._tiers.start_ns = start_ns
        workers = [
            threading.Thread(target=self._guarded, args=(self._work, number), name=f"mlps-worker-{number}", daemon=True)
            for number in range(self._pace.workers)
        ]
        feeder = threading.Thread(target=self._guarded, args=(self._feed,), name="mlps-arrivals", daemon=True)
        window = self._schedule.duration_ns
        started: list[threading.Thread] = []
        try:
            for thread in (*workers, feeder):
                thread.start()
                started.append(thread)
            ready = self._tiers.now()
            self._watch(lambda: window)
            self._after_window()
            ended = min(self._tiers.now(), max(window, self._drained()))
        finally:
            self._end(started)
        if self._failure is not None:
            raise self._failure
        return FloodOutcome(window, ended, self._served, self._abandoned, _sum(self._loads), ready)

    def _feed(self) -> None:
        self._backlog.feed()

    def _after_window(self) -> None:
        """Begin no further request, and wait for those in service."""
        self._backlog.close()
        self._watch(self._drained)

    def _drained(self) -> int:
        """When the pass may end: as soon as nobody is at work, at the latest when the official tool would have waited for all."""
        window, ends = self._schedule.duration_ns, [end for end in self._ends if end is not None]
        return max(window, *ends) if len(ends) == len(self._ends) else statistics_time(window, [window, *self._ends])

    def _intended(self, request: Request) -> int:
        """When the request was meant to come."""
        return request.t_arrival_ns

    def _watch(self, until: Callable[[], int]) -> None:
        """Wait until that time, which may change whenever something happens, or for a failure."""
        beat = time.monotonic() + _HEARTBEAT_SECONDS
        with self._changed:
            while self._failure is None and (left := until() - self._tiers.now()) > 0:
                # The whole wait must not be one: a heartbeat is due each second.
                self._changed.wait(min(left / NANOSECONDS_PER_SECOND, max(0.0, beat - time.monotonic())))
                if time.monotonic() >= beat:
                    beat += _HEARTBEAT_SECONDS
                    if self._heartbeat is not None:
                        self._heartbeat(self._tiers.now() / NANOSECONDS_PER_SECOND, self._served)

    def _end(self, threads: Iterable[threading.Thread]) -> None:
        self._stop.now = True
        self._over.set()
        self._backlog.close()
        self._tiers.end()
        limit = time.monotonic() + _HUNG_SECONDS
        for thread in threads:
            thread.join(max(0.0, limit - time.monotonic()))
            if thread.is_alive():
                raise BenchmarkExecutionError(
                    f"a call to the storage has not returned for {_HUNG_SECONDS:.0f} s after the pass was over",
                    suggestion="see whether the storage answers, and the kernel's log (dmesg)",
                    code="MLPS-E522",
                ) from self._failure

    def _guarded(self, do: Callable[..., None], *arguments: int) -> None:
        try:
            do(*arguments)
        except PassOverError:
            return
        except BaseException as error:  # noqa: BLE001 - the pass ends with it, and the thread that waits raises it
            with self._changed:
                self._failure = self._failure or error
                self._stop.now = True
                self._changed.notify_all()
            self._over.set()
            self._backlog.close()
            self._tiers.end()

    def _work(self, number: int) -> None:
        while (taken := self._backlog.take()) is not None:
            self._serve(number, taken)
        with self._changed:
            self._ends[number] = max(self._schedule.duration_ns, self._tiers.now())
            self._changed.notify_all()

    def _serve(self, worker: int, taken: Taken) -> None:
        place = taken.place
        request = Request.of(self._schedule, place)
        intended = self._intended(request)
        asker = Asker(self._loads[worker], place, request.qos, request.phase, intended)
        dequeued, done = self._tiers.now(), NEVER
        generation = 0
        try:
            self._operate(request, taken, asker)
            generation = self._generate(request)
            done = self._tiers.now()
        finally:
            with self._changed:
                self._served += done != NEVER
                self._abandoned += done == NEVER
            late = done == NEVER or done >= self._schedule.duration_ns
            self._log.append(
                request=place, user=request.user, worker=worker, qos=request.qos, phase=request.phase, flags=LATE if late else 0,
                prefix_tokens=PREFIX_WORDS[request.flags & FLAG_PREFIX], t_intended=intended, t_dequeue=dequeued, t_done=done,
                storage_ns=asker.storage_ns, generation_ns=generation, prefill_ns=asker.prefill_ns, decode_ns=asker.decode_ns,
                generated_tokens=request.generate, hits=asker.hits, misses=asker.misses,
                turn_hits=asker.turn_hits, turn_misses=asker.turn_misses,
            )  # fmt: skip

    def _operate(self, request: Request, taken: Taken, asker: Asker) -> None:
        """Do the operations of a request one by one."""
        tiers = self._tiers
        with Lookups(tiers) as lookups:
            for operation in operations(
                request,
                lookups.held_bytes,
                self._model.entry_bytes,
                remembered=taken.remembered,
                documents=self._documents(request, taken.place),
                decode_batch=self._pace.decode_batch,
            ):
                if self._stop.now:
                    raise PassOverError
                reason = _REASONS[operation.reason]
                if operation.kind == "write":
                    tiers.write(asker, operation.entry, operation.bytes, reason)
                elif (found := lookups.take()) is not None:
                    tiers.read(asker, found, reason)
                else:
                    tiers.miss(asker, operation.entry, reason)

    def _documents(self, request: Request, place: int) -> list[tuple[int, int]]:
        if not request.flags & FLAG_RAG or place not in self._retrievals:
            return []
        row, options = self._retrievals[place], self._pace.rag
        document = self._pace.documents[row["document"].item() % len(self._pace.documents)]
        chunks = document.retrieved(row["draw"].item(), options.top_k_chunks, options.retrieval_distribution)
        return [(chunk.entry, chunk.tokens) for chunk in chunks]

    def _generate(self, request: Request) -> int:
        """Pretend to compute the answer; nanoseconds that it took."""
        seconds = request.generate * self._pace.seconds_per_token
        if not seconds:
            return 0
        began = self._tiers.now()
        if self._over.wait(seconds):
            raise PassOverError
        return self._tiers.now() - began


def _sum(loads: Iterable[Load]) -> Load:
    names = ("content_ns", "calls_ns", "verified_bytes", "read", "written")
    parts = list(loads)
    return Load(**{name: sum(getattr(load, name) for load in parts) for name in names})
