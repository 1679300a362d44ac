"""Exact nearest neighbours, computed outside the engine under test, and the recall of answers against them (vectordb.md §7.2).

One pass over the rows serves all queries. A product in float32 says which rows may be among the nearest; only those are scored in
float64, from the same float32 numbers. The bar that a row must reach lies below the k-th score by more than the product can be wrong, so
nothing is lost by the faster arithmetic, also where many rows are equal.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError
from pytest_mlpstorage.vectordb.engine import Metric
from pytest_mlpstorage.vectordb.generator import BLOCK_ROWS, Dataset, Ids, Vectors

__all__ = ["TIE", "Answers", "Recall", "SelfCheck", "exact_answers", "recall", "recall_by_query", "self_check"]

Scores = npt.NDArray[np.float64]

TIE: Final = 1e-6
"""A row this much below the k-th score is as good an answer; scores are cosine, inner product, or minus the squared distance."""

_ROUNDING: Final = 2.0**-24
_QUERIES_AT_ONCE: Final = 1024
"""With 4096 rows the product takes 16 MiB."""

_PAIRS_AT_ONCE: Final = 1 << 13
_MOST_TIES: Final = 4096
"""Ties kept of a query beyond k: with more of them the data set has no neighbours to speak of."""

_NONE: Final = -1
_ROWS_IN_CACHE: Final = 64
_OF_NO_RUN: Final = 1 << 60
"""A block of queries far beyond those of any run."""


@dataclasses.dataclass(frozen=True)
class Answers:
    """For each query the ids of its ``k`` nearest rows, best first (equal scores by id), and their float64 scores, higher is better.

    Rows that are not among the k but no worse than the k-th by more than :data:`TIE` are ``tie_ids[tie_starts[i]:tie_starts[i + 1]]``.
    """

    ids: Ids
    scores: Scores
    tie_ids: Ids
    tie_starts: Ids

    @property
    def k(self) -> int:
        """Neighbours of each query."""
        return int(self.ids.shape[1])

    @property
    def kth(self) -> Scores:
        """The score of the last neighbour of each query."""
        return np.asarray(self.scores[:, -1])

    def ties(self, query: int) -> Ids:
        """Rows that are as good as the last neighbour and not among the k."""
        return self.tie_ids[self.tie_starts[query] : self.tie_starts[query + 1]]

    def take(self, queries: Sequence[int] | Ids) -> Answers:
        """The answers of some of the queries, in that order."""
        chosen = [self.ties(int(query)) for query in queries]
        starts = np.cumsum([0, *(len(ties) for ties in chosen)], dtype=np.int64)
        picked = np.asarray(queries, dtype=np.int64)
        return Answers(self.ids[picked], self.scores[picked], np.concatenate([*chosen, np.empty(0, np.int64)]), starts)


class Recall(NamedTuple):
    """Part of the true neighbours that were found: mean over the queries, and the same where ties count as found."""

    exact: float
    with_ties: float


def exact_answers(
    data: Dataset, queries: Vectors, k: int, metric: Metric, *, tell: Callable[[float], None] = lambda _fraction: None
) -> Answers:
    """The ``k`` nearest rows of each query. ``tell`` is called after each block with the finished part.

    Raises ConfigurationError for a metric that is not known, for more neighbours than rows and for queries that are no such vectors.
    """
    if metric not in ("COSINE", "L2", "IP"):
        raise ConfigurationError(f"no metric is called {metric!r}", details={"known": "COSINE, L2, IP"}, code="MLPS-E114")
    if not 1 <= k <= data.rows:
        raise ConfigurationError(
            f"{k} neighbours of {data.rows} rows cannot be", suggestion="ask for fewer neighbours, at least 1", code="MLPS-E115"
        )
    if queries.ndim != 2 or queries.shape[1] != data.dim or not np.isfinite(queries).all():
        shape = "×".join(map(str, queries.shape))
        raise ConfigurationError("these are no queries of this data set", details={"shape": shape, "dimension": data.dim}, code="MLPS-E115")
    parts = [_Pass(queries[first : first + _QUERIES_AT_ONCE], k, metric) for first in range(0, len(queries), _QUERIES_AT_ONCE)]
    for number in range(data.blocks):
        rows = data.block(number)
        for part in parts:
            part.see(number * BLOCK_ROWS, rows)
        tell((number + 1) / data.blocks)
    found = [part.answers() for part in parts]
    starts = np.cumsum([0, *(len(ties) for one in found for ties in one[2])], dtype=np.int64)
    return Answers(
        np.concatenate([one[0] for one in found]) if found else np.empty((0, k), np.int64),
        np.concatenate([one[1] for one in found]) if found else np.empty((0, k)),
        np.concatenate([np.empty(0, np.int64), *(ties for one in found for ties in one[2])]),
        starts,
    )


class _Pass:
    """Some queries on their way through the blocks: the rows that are among the nearest so far, or tie with the k-th."""

    def __init__(self, queries: Vectors, k: int, metric: Metric) -> None:
        self._k, self._metric = k, metric
        self._queries = np.ascontiguousarray(queries, dtype=np.float32)
        self._wide = self._queries.astype(np.float64)
        self._length = _lengths(self._wide)
        self._owner = np.empty(0, np.int64)
        self._ids = np.empty(0, np.int64)
        self._scores = np.empty(0)
        self._kth = np.full(len(queries), -np.inf)

    def see(self, first: int, rows: Vectors) -> None:
        """Take in a block whose rows are ``first`` and on."""
        wide_lengths = _lengths(rows.astype(np.float64))
        rough, error = self._rough(rows, wide_lengths)
        bar = self._kth.copy()
        fresh = np.isneginf(bar)
        if fresh.any() and len(rows) > self._k:
            # No bar yet: this block's own k-th rough score less twice the error is below its k-th true score.
            place = len(rows) - self._k
            bar[fresh] = np.partition(rough[fresh], place, axis=1)[:, place] - error[fresh]
        # Rounding the bar itself to float32 stays within the error, which is bounded from far above.
        reached = rough >= (bar - error - TIE)[:, None].astype(np.float32)
        owner, row = np.nonzero(reached)
        scores = np.empty(len(owner))
        for start in range(0, len(owner), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            scores[part] = self._exact(owner[part], rows[row[part]], wide_lengths[row[part]])
        self._owner = np.concatenate([self._owner, owner])
        self._ids = np.concatenate([self._ids, first + row])
        self._scores = np.concatenate([self._scores, scores])
        self._thin_out()

    def answers(self) -> tuple[Ids, Scores, list[Ids]]:
        """Ids, scores and ties once all blocks were seen."""
        starts = np.searchsorted(self._owner, np.arange(len(self._queries) + 1))
        best = starts[:-1, None] + np.arange(self._k)
        ties = [self._ids[start + self._k : end] for start, end in itertools.pairwise(starts)]
        return self._ids[best], self._scores[best], ties

    def _rough(self, rows: Vectors, lengths: Scores) -> tuple[Vectors, Scores]:
        """Scores in float32, and how wrong those of each query can be."""
        product = self._queries @ rows.T
        steps = (rows.shape[1] + 8) * _ROUNDING
        if self._metric == "COSINE":
            product *= (1.0 / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
            product *= (1.0 / np.where(self._length > 0, self._length, 1.0)).astype(np.float32)[:, None]
            return product, np.full(len(self._queries), 2 * steps)
        longest = float(lengths.max(initial=0.0))
        if self._metric == "L2":
            product *= np.float32(2.0)
            product -= (lengths**2).astype(np.float32)
            product -= (self._length**2).astype(np.float32)[:, None]
            return product, 2 * steps * (self._length + longest) ** 2
        return product, 2 * steps * self._length * longest

    def _exact(self, owner: Ids, rows: Vectors, lengths: Scores) -> Scores:
        wide, queries = rows.astype(np.float64), self._wide[owner]
        if self._metric == "L2":
            gap = queries - wide
            return -_dots(gap, gap)
        product = _dots(queries, wide)
        if self._metric == "IP":
            return product
        both = self._length[owner] * lengths
        return np.divide(product, both, out=np.zeros_like(product), where=both > 0)

    def _thin_out(self) -> None:
        """Sort by query, score and id, and keep what can still be an answer or a tie."""
        order = np.lexsort((self._ids, -self._scores, self._owner))
        owner, ids, scores = self._owner[order], self._ids[order], self._scores[order]
        starts = np.searchsorted(owner, np.arange(len(self._queries)))
        place = np.arange(len(owner)) - starts[owner]
        last = place == self._k - 1
        self._kth[owner[last]] = scores[last]
        kept = (place < self._k) | ((scores >= self._kth[owner] - TIE) & (place < self._k + _MOST_TIES))
        self._owner, self._ids, self._scores = owner[kept], ids[kept], scores[kept]


def recall_by_query(answers: Answers, returned: Ids, *, ties: bool = False) -> Scores:
    """For each query the part of its k neighbours that was returned (ids missing: -1); an id that is repeated counts once."""
    if returned.shape[0] != answers.ids.shape[0] or returned.ndim != 2:
        raise ValueError(f"{returned.shape[0]} answers to {answers.ids.shape[0]} queries")
    cut = np.sort(returned[:, : answers.k], axis=1)
    cut[:, 1:][cut[:, 1:] == cut[:, :-1]] = _NONE
    found = np.zeros(len(cut), dtype=np.int64)
    for column in range(cut.shape[1]):
        found += (answers.ids == cut[:, column, None]).any(axis=1)
    if ties:
        for query in np.nonzero(np.diff(answers.tie_starts))[0]:
            found[query] += int(np.isin(cut[query], answers.ties(int(query))).sum())
    return found / answers.k


def recall(answers: Answers, returned: Ids) -> Recall:
    """Recall of what an engine returned for the queries of ``answers``, in their order. Raises ValueError where there is no query."""
    if not len(returned):
        raise ValueError("no query, no recall")
    return Recall(float(recall_by_query(answers, returned).mean()), float(recall_by_query(answers, returned, ties=True).mean()))


@dataclasses.dataclass(frozen=True)
class SelfCheck:
    """What a comparison with the plainest computation found: queries, and the largest difference of scores."""

    queries: int
    largest_difference: float

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return dataclasses.asdict(self)


def self_check(
    data: Dataset,
    k: int,
    metric: Metric,
    *,
    count: int = 32,
    answer: Callable[[Dataset, Vectors, int, Metric], Answers] = exact_answers,
    tell: Callable[[float], None] = lambda _fraction: None,
) -> SelfCheck:
    """Compare the answers to ``count`` queries that no run asks with a float64 product of each row, without any shortcut.

    Raises BenchmarkExecutionError where an answer is worse than the nearest by more than :data:`TIE`, or its score is wrong by as much.
    """
    queries = data.query_block(_OF_NO_RUN)[0][:count]
    answers = answer(data, queries, k, metric)
    best = np.full((len(queries), k), -np.inf)
    of_answers = np.full(answers.ids.shape, np.nan)
    for number in range(data.blocks):
        first, rows = number * BLOCK_ROWS, data.block(number)
        scores = _plain(queries.astype(np.float64), rows.astype(np.float64), metric)
        best = -np.sort(-np.concatenate([best, scores], axis=1), axis=1)[:, :k]
        query, place = np.nonzero((answers.ids >= first) & (answers.ids < first + len(rows)))
        of_answers[query, place] = scores[query, answers.ids[query, place] - first]
        tell((number + 1) / data.blocks)
    differences = np.maximum(np.abs(answers.scores - best), np.abs(answers.scores - of_answers))
    unique = all(len(set(row)) == k for row in answers.ids.tolist())
    if not unique or not (differences <= TIE).all():
        worst = int(np.argmax(np.nan_to_num(differences, nan=np.inf).max(axis=1)))
        raise BenchmarkExecutionError(
            "the exact answers to this data set are wrong: a plain computation finds others",
            details={"query": worst, "difference": f"{differences[worst].max():.3g}", "allowed": TIE, "metric": metric},
            suggestion="check this host's memory and its numpy: python -c 'import numpy; numpy.show_config()'",
            code="MLPS-E543",
        )
    return SelfCheck(len(queries), float(differences.max(initial=0.0)))


def _plain(queries: Scores, rows: Scores, metric: Metric) -> Scores:
    return np.concatenate(
        [_plain_few(queries, rows[at : at + _ROWS_IN_CACHE], metric) for at in range(0, len(rows), _ROWS_IN_CACHE)], axis=1
    )


def _plain_few(queries: Scores, rows: Scores, metric: Metric) -> Scores:
    if metric == "L2":
        return np.asarray([-((rows - query) ** 2).sum(axis=1) for query in queries])
    product: Scores = np.einsum("qj,ij->qi", queries, rows)
    if metric == "IP":
        return product
    both = np.sqrt((queries**2).sum(axis=1))[:, None] * np.sqrt((rows**2).sum(axis=1))
    cosine: Scores = np.divide(product, both, out=np.zeros_like(product), where=both > 0)
    return cosine


def _dots(left: Scores, right: Scores) -> Scores:
    # Pair by pair in one order of summation, so that equal rows have equal scores.
    return np.asarray(np.einsum("ij,ij->i", left, right))


def _lengths(vectors: Scores) -> Scores:
    return np.sqrt(_dots(vectors, vectors))
