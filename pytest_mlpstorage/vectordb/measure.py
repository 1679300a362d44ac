"""The closed loop of one worker: one search after the other, one sample each, and nothing of ours between the two clock readings.

The query is handed over as the float32 row that it is; what an engine needs to make of it (a list, say) is made within its own call
and is part of its latency.
"""

from __future__ import annotations

import dataclasses
import time
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, DependencyError, MLPStorageError
from pytest_mlpstorage.vectordb.queries import QueryStream
from pytest_mlpstorage.vectordb.samples import PHASES, SAMPLE, Samples, Status

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.engine import Searcher, Value
    from pytest_mlpstorage.vectordb.generator import Ids
    from pytest_mlpstorage.vectordb.heart import Cell

__all__ = ["PhasePlan", "PhaseRun", "WorkerLoop"]

_CHUNK: Final = 1 << 14
"""Searches whose records are allocated at a time: before the phase for as many as are expected, else between two searches."""

_FAILED_IN_A_ROW: Final = 100
_FAILED_SECONDS: Final = 10.0
"""A server that is gone fails each search, some at once and some after their deadline: after so many or so long the phase ends."""

_NS: Final = 10**9
_NO_ID: Final = -1
_TEXTS: Final = 20


@dataclasses.dataclass(frozen=True)
class PhasePlan:
    """One phase: it ends after ``queries`` searches (None: as many as fit) or ``seconds``, whichever comes first.

    A phase that may ``wrap`` begins its queries anew where they end; one that may not ends there.
    """

    name: Literal["cold", "steady"]
    seconds: float
    queries: int | None = None
    wrap: bool = False

    def __post_init__(self) -> None:
        if not self.seconds > 0 or (self.queries is not None and self.queries < 1):
            raise ConfigurationError(
                f"a {self.name} phase without time or queries measures nothing",
                details={"seconds": self.seconds, "queries": self.queries},
                code="MLPS-E115",
            )


@dataclasses.dataclass(frozen=True)
class PhaseRun:
    """What a worker did in a phase. ``answers`` holds the ids of each search (-1 where there are none), in the order of ``samples``.

    ``laps`` is how often the worker's queries were asked by the end of it, phases before it included: above 1 it ``wrapped``.
    """

    name: str
    samples: Samples
    answers: Ids
    wrapped: bool
    laps: float
    errors: Mapping[str, int]

    @property
    def succeeded(self) -> Ids:
        """Places of the searches that succeeded."""
        return np.nonzero(self.samples["status"] == Status.OK)[0]


class WorkerLoop:
    """Runs phases of one worker on an open searcher; each goes on in the queries where the one before ended.

    ``rows`` is the size of the data set, beyond which there are no ids. ``searches_expected`` is how many records are allocated before
    a phase. ``heart`` is a cell that holds the number of searches begun, for whoever watches (shared memory, say).
    """

    def __init__(
        self,
        searcher: Searcher,
        stream: QueryStream,
        *,
        k: int,
        rows: int,
        params: Mapping[str, Value],
        searches_expected: int = _CHUNK,
        heart: Cell | None = None,
    ) -> None:
        if not 1 <= k <= rows:
            raise ConfigurationError(
                f"{k} neighbours of {rows} rows cannot be", suggestion="ask for fewer neighbours, at least 1", code="MLPS-E115"
            )
        self._searcher, self._stream, self._k, self._rows, self._params = searcher, stream, k, rows, params
        self._expected = searches_expected
        self._heart: Cell = array("q", [0]) if heart is None else heart
        self._next = 0
        # Views of rows cost more than a clock reading: made once.
        self._vectors = list(stream.vectors)

    @property
    def left(self) -> int:
        """Queries that were not asked yet."""
        return max(0, len(self._stream) - self._next)

    def run(self, plan: PhasePlan) -> PhaseRun:
        """Run a phase now. Raises what says that no search can succeed; ConfigurationError where a phase has no queries left."""
        if not plan.wrap and self.left < (plan.queries or 1):
            raise ConfigurationError(
                f"the {plan.name} phase wants {plan.queries or 1} queries of each worker, and {self.left} are prepared",
                suggestion="prepare more queries, or let the phase wrap",
                code="MLPS-E115",
            )
        record = _Record(self._k, plan.queries or self._expected)
        first = self._next
        self._loop(plan, record)
        count = record.count
        asked = (first + np.arange(count)) % len(self._stream)
        self._next = first + count
        samples = np.zeros(count, SAMPLE)
        began_at, spent, returned, answers = record.columns()
        samples["seconds"] = spent / _NS
        samples["began_ns"] = began_at
        samples["query"] = self._stream.numbers[asked]
        samples["phase"] = PHASES.index(plan.name)
        samples["status"] = _statuses(returned, answers, self._k, self._rows)
        errors = dict(record.errors.most_common(_TEXTS))
        return PhaseRun(plan.name, samples, answers, self._next > len(self._stream), self._next / len(self._stream), errors)

    def _loop(self, plan: PhasePlan, record: _Record) -> None:
        search, k, params, vectors = self._searcher.search, self._k, self._params, self._vectors
        heart, clock, total = self._heart, time.perf_counter_ns, len(vectors)
        most = plan.queries if plan.queries is not None else (1 << 62)
        if not plan.wrap:
            most = min(most, self.left)
        place, done = self._next % total, 0
        failed, failed_since = 0, 0
        end = clock() + round(plan.seconds * _NS)
        while True:
            began_at, spent, returned, ids_of = record.chunk()
            begun, size_of_chunk = self._next + done + 1, min(len(began_at), most - done)
            for at in range(size_of_chunk):
                vector = vectors[place]
                heart[0] = begun + at
                try:
                    began = clock()
                    ids, _ = search(vector, k, params)
                    ended = clock()
                except DependencyError:
                    raise
                except MLPStorageError as error:
                    ended = clock()
                    returned[at] = _NO_ID
                    record.errors[error.message] += 1
                    failed_since = failed_since if failed else began
                    failed += 1
                    if failed >= _FAILED_IN_A_ROW or (failed > 1 and ended - failed_since > _FAILED_SECONDS * _NS):
                        raise _all_failed(plan.name, failed, (ended - failed_since) / _NS, error) from error
                else:
                    failed = 0
                    size = len(ids)
                    returned[at] = size
                    if size == k:
                        ids_of[at] = ids
                    else:
                        ids_of[at, : min(size, k)] = ids[:k]
                began_at[at] = began
                spent[at] = ended - began
                place += 1
                if place == total:
                    place = 0
                if ended >= end:
                    record.count = done + at + 1
                    return
            done += size_of_chunk
            if done >= most:
                record.count = done
                return


class _Record:
    """Preallocated columns, a chunk after the other. ``returned`` is how many ids came back, -1 for an error."""

    def __init__(self, k: int, searches: int) -> None:
        self._k = k
        self._chunks = [self._new(min(_CHUNK, searches - first)) for first in range(0, searches, _CHUNK)]
        self._used = 0
        self.count = 0
        self.errors: Counter[str] = Counter()

    def columns(self) -> tuple[Ids, Ids, Ids, Ids]:
        """When each search began, how long it took in ns, how many ids it gave, and which."""
        used = self._chunks[: self._used]
        began, spent, returned = (np.concatenate([np.frombuffer(chunk[column], np.int64) for chunk in used]) for column in range(3))
        answers = np.concatenate([chunk[3] for chunk in used])
        return began[: self.count], spent[: self.count], returned[: self.count], answers[: self.count]

    def _new(self, searches: int) -> tuple[array[int], array[int], array[int], Ids]:
        zeros = bytes(8 * searches)
        # Item by item, arrays of Python are set in half the time of numpy's.
        return array("q", zeros), array("q", zeros), array("q", zeros), np.full((searches, self._k), _NO_ID, dtype=np.int64)

    def chunk(self) -> tuple[array[int], array[int], array[int], Ids]:
        """The next chunk; allocated now where more come than were expected."""
        if self._used == len(self._chunks):
            self._chunks.append(self._new(_CHUNK))
        self._used += 1
        return self._chunks[self._used - 1]


def _statuses(returned: Ids, answers: Ids, k: int, rows: int) -> Ids:
    """What came of each search. An answer with wrong ids is a failure, not a poor one."""
    ordered = np.sort(answers, axis=1)
    unknown = ((answers < 0) | (answers >= rows)).any(axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    choices = (Status.RAISED, Status.SHORT, Status.UNKNOWN_ID, Status.REPEATED)
    conditions = (returned == _NO_ID, returned < k, unknown, repeated)
    return np.select(conditions, [int(choice) for choice in choices], int(Status.OK))


def _all_failed(phase: str, failed: int, seconds: float, last: MLPStorageError) -> BenchmarkExecutionError:
    return BenchmarkExecutionError(
        f"{failed} searches in a row failed in the {phase} phase, within {seconds:.1f} s",
        details={"last one": last.message, **last.details},
        suggestion=last.suggestion or "look whether the vector database still answers, and at its log",
        cause=last,
        code="MLPS-E510",
    )
