"""Exact answers against the plainest loop, with ties and rows that are there twice; recall, and the check of ourselves."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from given_rows import given

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb import truth
from pytest_mlpstorage.vectordb.generator import ClusteredV1
from pytest_mlpstorage.vectordb.truth import TIE, Answers, exact_answers, recall, recall_by_query

METRICS = ("COSINE", "L2", "IP")


def naive(rows, query, metric):
    """One row after the other, in float64."""
    scores = []
    for row in rows.astype(np.float64):
        if metric == "L2":
            scores.append(-math.fsum((row - query) ** 2))
        else:
            product = math.fsum(row * query)
            both = math.sqrt(math.fsum(row**2)) * math.sqrt(math.fsum(query**2))
            scores.append(product if metric == "IP" else product / both if both else 0.0)
    return np.asarray(scores)


def rows_of(data):
    return np.concatenate([data.block(number) for number in range(data.blocks)])


def expect(data, queries, k, metric):
    answers, rows = exact_answers(data, queries, k, metric), rows_of(data)
    for place, query in enumerate(queries.astype(np.float64)):
        scores = naive(rows, query, metric)
        # Sums differ in their last bits, and equal rows must not: rounded, they are in one order.
        best = np.lexsort((np.arange(len(rows)), -np.round(scores, 12)))[:k]
        assert answers.ids[place].tolist() == best.tolist()
        assert answers.scores[place] == pytest.approx(scores[best], abs=1e-12)
        tied = set(np.nonzero(scores >= scores[best[-1]] - TIE)[0].tolist()) - set(best.tolist())
        assert set(answers.ties(place).tolist()) == tied
    return answers


@pytest.mark.parametrize("metric", METRICS)
def test_answers_are_those_of_a_naive_loop(metric):
    data = ClusteredV1(5, 2_000, 16)
    expect(data, data.query_block(0)[0][:40], 10, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_answers_are_those_of_a_naive_loop_where_each_row_is_there_twice(metric):
    half = ClusteredV1(5, 1_000, 16).block(0)
    data = given(np.concatenate([half, half[::-1]]))
    answers = expect(data, ClusteredV1(5, 1_000, 16).query_block(0)[0][:40], 10, metric)
    assert (answers.scores[:, 0] == answers.scores[:, 1]).all()
    assert (answers.ids[:, 0] + answers.ids[:, 1] == 1_999).all()
    assert (answers.ids[:, 0] < answers.ids[:, 1]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_many_equal_rows_over_several_blocks_are_taken_by_their_ids(metric):
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((9_000, 12)).astype(np.float32)
    rows[[3, 70, 4_095, 4_096, 5_000, *range(8_200, 8_260)]] = rows[3] * 2
    queries = np.asarray([rows[3], rng.standard_normal(12)], dtype=np.float32)
    answers = expect(given(rows), queries, 10, metric)
    assert answers.ids[0].tolist() == [3, 70, 4_095, 4_096, 5_000, 8_200, 8_201, 8_202, 8_203, 8_204]
    assert answers.ties(0).tolist() == list(range(8_205, 8_260))


@pytest.mark.parametrize("metric", METRICS)
def test_rows_of_any_length_and_of_none_are_answered(metric):
    rng = np.random.default_rng(2)
    rows = (rng.standard_normal((600, 8)) * rng.uniform(0.01, 100, (600, 1))).astype(np.float32)
    rows[17] = 0
    queries = (rng.standard_normal((20, 8)) * 30).astype(np.float32)
    queries[4] = 0
    answers, wide = exact_answers(given(rows), queries, 10, metric), queries.astype(np.float64)
    for place, query in enumerate(wide):
        scores = naive(rows, query, metric)
        assert answers.scores[place] == pytest.approx(np.sort(scores)[::-1][:10], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_faster_arithmetic_loses_no_neighbour_where_it_cannot_tell_rows_apart(metric):
    # All rows so near to each other that float32 products put them in any order.
    rng = np.random.default_rng(3)
    rows = (1 + rng.standard_normal((9_000, 64)) * 1e-5).astype(np.float32)
    queries = (1 + rng.standard_normal((8, 64)) * 1e-5).astype(np.float32)
    answers = exact_answers(given(rows), queries, 10, metric)
    rough = np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :10]
    for place, query in enumerate(queries.astype(np.float64)):
        best = np.argsort(-naive(rows, query, metric), kind="stable")[:10]
        assert not np.array_equal(rough[place], best), "the case is none"
        assert np.array_equal(answers.ids[place], best)


def test_ties_are_found_where_they_are_wider_than_the_error_of_the_faster_arithmetic():
    data = ClusteredV1(5, 5_000, 16)
    expect(given(rows_of(data) * 0.01), data.query_block(0)[0][:20] * np.float32(0.01), 10, "IP")
    wide = exact_answers(given(rows_of(data) * 0.001), data.query_block(0)[0][:20] * np.float32(0.001), 10, "IP")
    assert np.diff(wide.tie_starts).min() > 4_000, "all scores are below a millionth"


@pytest.mark.parametrize("rows", [10, 11, 4_095, 4_096, 4_097, 4_106])
def test_data_sets_around_a_block_are_answered(rows):
    data = ClusteredV1(9, rows, 4)
    expect(data, data.query_block(0)[0][:3], 10, "COSINE")


def test_more_queries_than_go_at_once_are_answered_alike(monkeypatch):
    data = ClusteredV1(9, 5_000, 16)
    queries = data.query_block(0)[0][:50]
    whole = exact_answers(data, queries, 5, "COSINE")
    monkeypatch.setattr(truth, "_QUERIES_AT_ONCE", 7)
    monkeypatch.setattr(truth, "_PAIRS_AT_ONCE", 3)
    parts = exact_answers(data, queries, 5, "COSINE")
    for field in dataclasses.fields(Answers):
        assert np.array_equal(getattr(whole, field.name), getattr(parts, field.name))


def test_no_query_has_no_answer():
    answers = exact_answers(ClusteredV1(9, 50, 4), np.empty((0, 4), np.float32), 5, "COSINE")
    assert answers.ids.shape == (0, 5)
    assert answers.tie_starts.tolist() == [0]


def test_the_pass_tells_how_far_it_is():
    told = []
    data = ClusteredV1(9, 9_000, 4)
    exact_answers(data, data.query_block(0)[0][:2], 5, "COSINE", tell=told.append)
    assert told == [1 / 3, 2 / 3, 1.0]


@pytest.mark.parametrize(
    ("queries", "k", "metric", "words"),
    [
        (np.ones((1, 4), np.float32), 5, "HAMMING", "HAMMING"),
        (np.ones((1, 4), np.float32), 0, "COSINE", "0 neighbours"),
        (np.ones((1, 4), np.float32), 51, "COSINE", "51 neighbours of 50"),
        (np.ones((1, 5), np.float32), 5, "COSINE", "no queries"),
        (np.ones(4, np.float32), 5, "COSINE", "no queries"),
        (np.full((1, 4), np.nan, np.float32), 5, "COSINE", "no queries"),
    ],
)
def test_what_cannot_be_answered_is_refused(queries, k, metric, words):
    with pytest.raises(ConfigurationError, match=words):
        exact_answers(ClusteredV1(9, 50, 4), queries, k, metric)


def answers_of(ids, ties=()):
    ids = np.asarray(ids, dtype=np.int64)
    ties = [*ties, *([[]] * (len(ids) - len(ties)))]
    starts = np.cumsum([0, *map(len, ties)], dtype=np.int64)
    return Answers(ids, np.zeros(ids.shape), np.asarray([tie for each in ties for tie in each], dtype=np.int64), starts)


def test_recall_is_the_mean_part_that_was_found_whatever_the_order():
    answers = answers_of([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert recall(answers, np.asarray([[4, 3, 2, 1], [5, 60, 70, 6]])) == (0.75, 0.75)
    assert recall(answers, np.asarray([[4, 3, 2, 1], [5, 60, 70, 6]])).exact == 0.75
    assert recall_by_query(answers, np.asarray([[4, 3, 2, 1], [5, 60, 70, 6]])).tolist() == [1.0, 0.5]


def test_ties_count_as_found_and_never_beyond_k():
    answers = answers_of([[1, 2], [3, 4], [5, 6]], ties=[[9, 10], [], [11]])
    returned = np.asarray([[1, 9], [3, 9], [5, 6]])
    assert recall(answers, returned) == pytest.approx((4 / 6, 5 / 6))
    assert recall(answers, np.asarray([[9, 10], [4, 3], [11, 6]])) == pytest.approx((3 / 6, 1.0))


def test_an_id_that_is_repeated_counts_once_and_missing_ones_never():
    answers = answers_of([[1, 2, 3]], ties=[[7]])
    assert recall(answers, np.asarray([[1, 1, 1]])) == pytest.approx((1 / 3, 1 / 3))
    assert recall(answers, np.asarray([[7, 7, 1]])) == pytest.approx((1 / 3, 2 / 3))
    assert recall(answers, np.asarray([[1, -1, -1]])) == pytest.approx((1 / 3, 1 / 3))
    assert recall(answers, np.asarray([[-1, -1, -1]])) == (0.0, 0.0)


def test_answers_longer_than_k_are_cut_and_shorter_ones_count_what_they_have():
    answers = answers_of([[1, 2]])
    assert recall(answers, np.asarray([[8, 9, 1, 2]])) == (0.0, 0.0)
    assert recall(answers, np.asarray([[2]])) == (0.5, 0.5)


def test_recall_of_nothing_and_of_other_queries_is_an_error():
    with pytest.raises(ValueError, match="no query"):
        recall(answers_of(np.empty((0, 3))), np.empty((0, 3), np.int64))
    with pytest.raises(ValueError, match="2 answers to 1"):
        recall(answers_of([[1, 2]]), np.zeros((2, 2), np.int64))


def test_perfect_answers_have_recall_one_and_those_of_others_near_none():
    data = ClusteredV1(9, 5_000, 16)
    answers = exact_answers(data, data.query_block(0)[0][:60], 10, "COSINE")
    assert recall(answers, answers.ids) == (1.0, 1.0)
    assert recall(answers, np.roll(answers.ids, 1, axis=0)).exact < 0.1


def test_some_of_the_answers_can_be_taken_in_any_order():
    answers = answers_of([[1, 2], [3, 4], [5, 6]], ties=[[9, 10], [], [11]])
    some = answers.take([2, 0])
    assert some.ids.tolist() == [[5, 6], [1, 2]]
    assert [some.ties(0).tolist(), some.ties(1).tolist()] == [[11], [9, 10]]
    assert answers.take([]).ids.shape == (0, 2)
    assert answers.k == 2
    assert answers.kth.tolist() == [0, 0, 0]
