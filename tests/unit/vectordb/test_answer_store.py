"""Exact answers are computed once, and found by all that they hang on."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.vectordb.answer_store import AnswerStore
from pytest_mlpstorage.vectordb.generator import ClusteredV1
from pytest_mlpstorage.vectordb.queries import QueryStream
from pytest_mlpstorage.vectordb.truth import Answers, exact_answers

DATA = ClusteredV1(42, 2_000, 8)
STREAM = QueryStream.prepare(DATA, 20, run=0, worker=0, workers=1)


def ask(store, data=DATA, numbers=STREAM.numbers, queries=STREAM.vectors, k=5, metric="COSINE", **more):
    return store.answers(data, numbers, queries, k, metric, **more)


def never(*_):
    pytest.fail("computed again")


def equal(left, right):
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ("ids", "scores", "tie_ids", "tie_starts"))


def test_answers_are_stored_and_never_computed_twice(tmp_path):
    store = AnswerStore(tmp_path / "new" / "answers")
    first = ask(store)
    again = ask(AnswerStore(tmp_path / "new" / "answers"), compute=never)
    assert (first.found, again.found) == (False, True)
    assert first.path == again.path
    assert equal(first.answers, again.answers)
    assert equal(first.answers, exact_answers(DATA, STREAM.vectors, 5, "COSINE"))
    assert [path.name for path in store.folder.iterdir()] == [first.path.name]


def test_ties_are_stored_too(tmp_path):
    made = Answers(np.zeros((20, 5), np.int64), np.zeros((20, 5)), np.asarray([4, 5]), np.asarray([0, 2] + [2] * 19))
    ask(AnswerStore(tmp_path), compute=lambda *_: made)
    assert ask(AnswerStore(tmp_path), compute=never).answers.ties(0).tolist() == [4, 5]


@pytest.mark.parametrize(
    "other",
    [
        {"data": ClusteredV1(43, 2_000, 8)},
        {"data": ClusteredV1(42, 2_000, 8, query_seed=1)},
        {"data": ClusteredV1(42, 2_000, 8, nu=0.2)},
        {"data": ClusteredV1(42, 2_000, 8, queries="heldout")},
        {"numbers": STREAM.numbers[::-1].copy()},
        {"numbers": STREAM.numbers[:19], "queries": STREAM.vectors[:19]},
        {"k": 6},
        {"metric": "L2"},
        {"sha256": "0" * 64},
    ],
)
def test_other_data_queries_k_or_metric_have_other_answers(tmp_path, other):
    store = AnswerStore(tmp_path)
    assert ask(store).path != ask(store, **other).path
    assert len(list(tmp_path.iterdir())) == 2


def test_a_hash_that_is_known_is_not_made_again(tmp_path):
    store = AnswerStore(tmp_path)
    known = DATA.sha256()
    fresh = ClusteredV1(42, 2_000, 8)
    assert store.path_of(fresh, STREAM.numbers, 5, "COSINE", sha256=known) == ask(store).path
    assert "_sha256" not in vars(fresh)


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


def rewrite(**change):
    def spoil(path):
        with np.load(path) as stored:
            arrays = dict(stored) | change
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})

    return spoil


SPOILS = {
    "cut": cut,
    "one byte": flip,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no answers"),
    "no ids": rewrite(ids=None),
    "other k": rewrite(ids=np.zeros((20, 4), np.int64)),
    "short ids": rewrite(ids=np.zeros((20, 5), np.int32)),
    "short scores": rewrite(scores=np.zeros((20, 5), np.float32)),
    "no number": rewrite(scores=np.full((20, 5), np.nan)),
    "few starts": rewrite(tie_starts=np.zeros(20, np.int64)),
    "last start": rewrite(tie_starts=np.asarray([0] * 20 + [3])),
    "first start": rewrite(tie_starts=np.asarray([-1] + [0] * 20)),
    "backwards": rewrite(tie_starts=np.asarray([0] * 19 + [1, 0])),
    "pickle": rewrite(tie_ids=np.asarray([{}], dtype=object)),
}


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_damaged_answers_are_computed_anew(tmp_path, spoil):
    store = AnswerStore(tmp_path)
    first = ask(store)
    spoil(first.path)
    again = ask(store)
    assert not again.found
    assert equal(first.answers, again.answers)
    assert ask(store, compute=never).found


def test_answers_that_are_no_numbers_are_not_stored(tmp_path):
    wrong = Answers(np.zeros((20, 5), np.int64), np.full((20, 5), np.nan), np.empty(0, np.int64), np.zeros(21, np.int64))
    with pytest.raises(ValidationError, match="no number"):
        ask(AnswerStore(tmp_path), compute=lambda *_: wrong)
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_not_those_of_the_queries_are_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="19 numbers of 20 queries"):
        ask(AnswerStore(tmp_path), numbers=STREAM.numbers[:19])


def test_answers_that_cannot_be_kept_are_answers_all_the_same_and_it_is_said_why(tmp_path):
    (tmp_path / "file").touch()
    given = ask(AnswerStore(tmp_path / "file" / "answers"))
    assert given.unsaved.startswith("cannot store the exact answers: ")
    assert not given.found
    kept = ask(AnswerStore(tmp_path / "answers"))
    assert kept.unsaved == ""
    assert equal(given.answers, kept.answers)
