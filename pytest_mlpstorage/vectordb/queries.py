"""The queries of one worker: blocks that no other worker and no other run has, made before anything is timed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError, ValidationError
from pytest_mlpstorage.vectordb.generator import QUERY_BLOCK, Dataset, Ids, Vectors

__all__ = ["RUN_BLOCKS", "QueryStream", "blocks_of", "queries_of"]

RUN_BLOCKS: Final = 1 << 20
"""Blocks of queries that belong to one run."""

_MOST_RUNS: Final = 1 << 20


@dataclasses.dataclass(frozen=True)
class QueryStream:
    """Queries in the order in which a worker asks them, with the numbers by which they are found again."""

    vectors: Vectors
    numbers: Ids
    planted: Ids

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def prepare(
        cls,
        data: Dataset,
        count: int,
        *,
        run: int,
        worker: int,
        workers: int,
        tell: Callable[[float], None] = lambda _fraction: None,
    ) -> QueryStream:
        """The first ``count`` queries of worker ``worker`` of ``workers`` in run ``run``, all counted from 0."""
        if count < 1:
            raise ConfigurationError(
                "a worker without queries measures nothing", suggestion="ask for at least one query per worker", code="MLPS-E115"
            )
        wanted = blocks_of(run, worker, workers, -(-count // QUERY_BLOCK))
        vectors = np.empty((count, data.dim), dtype=np.float32)
        numbers, planted = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
        for place, block in enumerate(wanted):
            part = slice(place * QUERY_BLOCK, min((place + 1) * QUERY_BLOCK, count))
            rows, at = data.query_block(block)
            size = part.stop - part.start
            vectors[part], planted[part] = rows[:size], at[:size]
            numbers[part] = block * QUERY_BLOCK + np.arange(size)
            tell(part.stop / count)
        # An engine answers a query of NaN with rows, as if nothing were wrong.
        if not np.isfinite(vectors).all():
            raise ValidationError(
                "the generator made queries that hold no numbers",
                details={"generator": data.name},
                suggestion="check this host's numpy",
                code="MLPS-E610",
            )
        return cls(vectors, numbers, planted)


def blocks_of(run: int, worker: int, workers: int, count: int) -> range:
    """The numbers of the first ``count`` blocks of a worker in a run."""
    if not 0 <= run < _MOST_RUNS or not 0 <= worker < workers:
        raise ConfigurationError("there is no such worker", details={"run": run, "worker": worker, "workers": workers}, code="MLPS-E115")
    first, end = run * RUN_BLOCKS + worker, run * RUN_BLOCKS + worker + count * workers
    if end > (run + 1) * RUN_BLOCKS + workers - 1:
        raise ConfigurationError(
            f"{workers} workers cannot have {count} blocks of queries each in one run",
            details={"blocks of a run": RUN_BLOCKS, "queries of a block": QUERY_BLOCK},
            suggestion="prepare fewer queries per worker",
            code="MLPS-E115",
        )
    return range(first, end, workers)


def queries_of(data: Dataset, numbers: Ids) -> Vectors:
    """The queries that have these numbers, in their order."""
    vectors = np.empty((len(numbers), data.dim), dtype=np.float32)
    blocks, place = numbers // QUERY_BLOCK, numbers % QUERY_BLOCK
    for block in np.unique(blocks):
        here = blocks == block
        vectors[here] = data.query_block(int(block))[0][place[here]]
    return vectors
