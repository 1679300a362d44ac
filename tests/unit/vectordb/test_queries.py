"""Each worker of each run has queries of its own, and a query is found again by its number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError, ValidationError
from pytest_mlpstorage.vectordb.generator import QUERY_BLOCK, ClusteredV1, Uniform
from pytest_mlpstorage.vectordb.queries import RUN_BLOCKS, QueryStream, blocks_of, queries_of

DATA = ClusteredV1(42, 5_000, 8, queries="heldout")


def stream(count, run=0, worker=0, workers=1, data=DATA, **more):
    return QueryStream.prepare(data, count, run=run, worker=worker, workers=workers, **more)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_query_is_asked_twice_by_any_worker_of_any_run(workers):
    numbers = np.concatenate([stream(2_500, run, worker, workers).numbers for run in range(3) for worker in range(workers)])
    assert len(numbers) == len(set(numbers.tolist())) == 3 * workers * 2_500


def test_the_workers_of_a_run_have_its_blocks_in_turn():
    assert list(blocks_of(0, 1, 3, 4)) == [1, 4, 7, 10]
    assert list(blocks_of(2, 0, 3, 2)) == [2 * RUN_BLOCKS, 2 * RUN_BLOCKS + 3]
    assert stream(1_025, 2, 1, 3).numbers[[0, 1023, 1024]].tolist() == [
        (2 * RUN_BLOCKS + 1) * QUERY_BLOCK,
        (2 * RUN_BLOCKS + 1) * QUERY_BLOCK + 1023,
        (2 * RUN_BLOCKS + 4) * QUERY_BLOCK,
    ]


def test_queries_are_those_of_the_generator_in_order():
    data, told = ClusteredV1(42, 5_000, 8), []
    made = stream(1_500, 1, 1, 2, data=data, tell=told.append)
    first, planted = data.query_block(RUN_BLOCKS + 1)
    second, _ = data.query_block(RUN_BLOCKS + 3)
    assert np.array_equal(made.vectors, np.concatenate([first, second[:476]]))
    assert np.array_equal(made.planted[:1024], planted)
    assert len(made) == 1_500
    assert made.vectors.flags.c_contiguous
    assert told == [1024 / 1500, 1.0]


def test_queries_are_found_again_by_their_numbers():
    made = stream(2_100, 1, 0, 2)
    some = [2_099, 3, 1_500, 3]
    assert np.array_equal(queries_of(DATA, made.numbers[some]), made.vectors[some])
    assert queries_of(DATA, np.empty(0, np.int64)).shape == (0, 8)


def test_the_blocks_of_a_run_end_where_those_of_the_next_begin():
    assert blocks_of(0, 0, 2, RUN_BLOCKS // 2)[-1] == RUN_BLOCKS - 2
    assert blocks_of(0, 1, 2, RUN_BLOCKS // 2)[-1] == RUN_BLOCKS - 1
    for worker in (0, 1):
        with pytest.raises(ConfigurationError, match="cannot have"):
            blocks_of(0, worker, 2, RUN_BLOCKS // 2 + 1)


@pytest.mark.parametrize(("run", "worker", "workers"), [(-1, 0, 1), (1 << 20, 0, 1), (0, 1, 1), (0, -1, 1), (0, 0, 0)])
def test_a_worker_that_is_none_is_refused(run, worker, workers):
    with pytest.raises(ConfigurationError, match="no such worker"):
        blocks_of(run, worker, workers, 1)


def test_a_worker_without_queries_is_refused():
    with pytest.raises(ConfigurationError, match="measures nothing"):
        stream(0)


@dataclasses.dataclass(frozen=True)
class Broken(Uniform):
    def query_block(self, number):
        queries, planted = super().query_block(number)
        queries[7, 3] = np.nan
        return queries, planted


def test_queries_that_hold_no_numbers_are_never_asked():
    with pytest.raises(ValidationError, match="hold no numbers"):
        stream(8, data=Broken(1, 100, 4))
    assert len(stream(7, data=Broken(1, 100, 4))) == 7
