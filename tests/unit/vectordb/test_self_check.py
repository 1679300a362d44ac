"""The check of our own exact answers against the plainest computation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from given_rows import given

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.vectordb.generator import ClusteredV1, Uniform
from pytest_mlpstorage.vectordb.truth import TIE, exact_answers, self_check

METRICS = ("COSINE", "L2", "IP")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("data", [ClusteredV1(9, 5_000, 16), Uniform(9, 4_100, 48)], ids=lambda data: data.name)
def test_a_check_of_ourselves_agrees(data, metric):
    told = []
    checked = self_check(data, 10, metric, tell=told.append)
    assert checked.queries == 32
    assert 0 <= checked.largest_difference < 1e-12
    assert told == [0.5, 1.0]
    assert checked.to_json() == {"queries": 32, "largest_difference": checked.largest_difference}


def spoil(change):
    def answer(data, queries, k, metric):
        answers = exact_answers(data, queries, k, metric)
        ids, scores = answers.ids.copy(), answers.scores.copy()
        change(ids, scores)
        return dataclasses.replace(answers, ids=ids, scores=scores)

    return answer


def other_id(ids, scores):
    ids[7, 4] = (ids[7, 4] + 1_234) % 5_000


def wrong_score(ids, scores):
    scores[7, 4] += 2 * TIE


def repeated(ids, scores):
    ids[7, 1], scores[7, 1] = ids[7, 0], scores[7, 0]


def unknown(ids, scores):
    ids[7, 4] = 5_000


@pytest.mark.parametrize("change", [other_id, wrong_score, repeated, unknown])
def test_a_check_of_ourselves_finds_wrong_answers(change):
    with pytest.raises(BenchmarkExecutionError, match="plain computation finds others") as caught:
        self_check(ClusteredV1(9, 5_000, 16), 10, "COSINE", answer=spoil(change))
    assert caught.value.details["query"] == 7
    assert caught.value.suggestion


def test_a_check_of_ourselves_lets_a_tie_be():
    half = ClusteredV1(5, 1_000, 16).block(0)
    data = given(np.concatenate([half, half]))

    def other_twin(ids, scores):
        # k is odd: of the last pair one is an answer, and the other would be as good.
        ids[:, -1] = (ids[:, -1] + 1_000) % 2_000

    assert self_check(data, 9, "COSINE", answer=spoil(other_twin)).largest_difference < 1e-12


def test_a_check_of_ourselves_finds_a_row_that_stands_for_its_twin():
    half = ClusteredV1(5, 1_000, 16).block(0)

    def one_of_them_twice(ids, scores):
        ids[7, 1] = ids[7, 0]

    with pytest.raises(BenchmarkExecutionError, match="plain computation finds others"):
        self_check(given(np.concatenate([half, half])), 10, "COSINE", answer=spoil(one_of_them_twice))
