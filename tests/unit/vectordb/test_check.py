"""What is said about parameters, collections, blocks and queries before an engine sees them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_mlpstorage.editions import edition as edition_of
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.check import check_parameters, check_spec, family_of, query_problem, vectors_problem
from pytest_mlpstorage.vectordb.engine import Capabilities, IndexFamily, IndexSpec, ParameterSpec

FAMILY = IndexFamily(
    "DISKANN",
    "GRAPH",
    build=(
        ParameterSpec("max_degree", "int", 1, 100, 64),
        ParameterSpec("alpha", "float", 1, 2.5, 1.2),
        ParameterSpec("codes", "choice", None, None, "none", choices=("none", "pq")),
        ParameterSpec("seed", "int", None, None, 7),
    ),
    search=(ParameterSpec("search_ef", "int", 1, 1000, 50, native="list_size"),),
    residence="disk",
)
ABLE = Capabilities({"DISKANN": FAMILY}, frozenset({"COSINE", "L2"}), "embedded", 100, "many", True, True, True, False)
SPEC = IndexSpec("vectors_1", 32, "COSINE", "DISKANN", {"max_degree": 32})


def refused(*args, **named):
    with pytest.raises(ConfigurationError) as caught:
        check_parameters(*args, **named)
    return str(caught.value)


def test_what_is_not_given_takes_its_default():
    checked = check_parameters(FAMILY, {"max_degree": 32})
    assert checked.values == {"max_degree": 32, "alpha": 1.2, "codes": "none", "seed": 7}
    assert checked.clamped == {}


@pytest.mark.parametrize("value", [1, 100])
def test_the_bounds_themselves_are_allowed(value):
    assert check_parameters(FAMILY, {"max_degree": value}).values["max_degree"] == value


@pytest.mark.parametrize("value", [0, 101, -5, 10**30])
def test_a_number_beyond_its_range_is_refused_with_the_range(value):
    told = refused(FAMILY, {"max_degree": value})
    assert f"max_degree: {value} is outside from 1 to 100" in told


def test_a_number_beyond_its_range_is_clamped_on_request_and_both_values_are_told():
    checked = check_parameters(FAMILY, {"max_degree": 200, "alpha": 0.5}, clamp=True)
    assert (checked.values["max_degree"], checked.values["alpha"]) == (100, 1.0)
    assert checked.clamped == {"max_degree": 200, "alpha": 0.5}


@pytest.mark.parametrize("value", ["64", True, 64.0, None, [64], float("nan")])
def test_what_is_no_whole_number_is_refused_also_when_clamping(value):
    assert "no whole number" in refused(FAMILY, {"max_degree": value}, clamp=True)


@pytest.mark.parametrize("value", ["1.5", True, None, float("nan"), float("inf")])
def test_what_is_no_finite_number_is_refused(value):
    assert "no finite number" in refused(FAMILY, {"alpha": value})


def test_a_whole_number_serves_for_a_fraction_and_stays_a_fraction():
    value = check_parameters(FAMILY, {"alpha": 2}).values["alpha"]
    assert (value, type(value)) == (2.0, float)


@pytest.mark.parametrize(("value", "words"), [("pqq", "did you mean 'pq'"), (1, "1 is none of none, pq")])
def test_a_choice_is_one_of_the_words(value, words):
    assert check_parameters(FAMILY, {"codes": "pq"}).values["codes"] == "pq"
    assert words in refused(FAMILY, {"codes": value})


def test_another_spelling_is_refused_with_the_right_one():
    assert "no such build parameter; did you mean 'max_degree'" in refused(FAMILY, {"MaxDegree": 64})
    assert "no such build parameter" in refused(FAMILY, {"search_ef": 64})


def test_all_problems_are_told_at_once():
    told = refused(FAMILY, {"max_degree": 0, "codes": "x", "nothing": 1})
    assert all(word in told for word in ("max_degree", "codes", "nothing", "allowed: "))


@pytest.mark.parametrize(
    ("given", "k", "used", "clamped"), [(5, 10, 10, {"search_ef": 5}), (10, 10, 10, {}), (11, 10, 11, {}), (5, 0, 5, {})]
)
def test_a_search_looks_at_no_fewer_candidates_than_it_answers(given, k, used, clamped):
    checked = check_parameters(FAMILY, {"search_ef": given}, part="search", k=k)
    assert (checked.values, checked.clamped) == ({"search_ef": used}, clamped)


def test_an_index_that_is_not_offered_is_refused_with_the_nearest():
    assert family_of(ABLE, "DISKANN", "e") is FAMILY
    with pytest.raises(ConfigurationError, match="did you mean 'DISKANN'"):
        family_of(ABLE, "diskann", "e")


def test_the_parameters_of_a_collection_come_with_its_check():
    assert check_spec(ABLE, SPEC, "e").values["max_degree"] == 32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "name"), ({"name": "a/b"}, "name"), ({"name": "1a"}, "name"), ({"name": "a" * 64}, "name"), ({"name": "a\n"}, "name"),
        ({"dim": 0}, "dim"), ({"dim": True}, "dim"), ({"dim": 65_537}, "dim"), ({"dim": 32.0}, "dim"),
        ({"metric": "IP"}, "metric"), ({"metric": "cosine"}, "metric"),
        ({"shards": 0}, "shards"), ({"shards": 2}, "shards"), ({"shards": True}, "shards"),
        ({"family": "HNSW"}, "HNSW"), ({"build": {"max_degree": 101}}, "max_degree"),
    ],
)  # fmt: skip
def test_a_collection_that_cannot_be_is_refused(change, words):
    with pytest.raises(ConfigurationError, match=words):
        check_spec(ABLE, dataclasses.replace(SPEC, **change), "e")


def test_shards_are_allowed_where_the_engine_has_them():
    check_spec(ABLE, dataclasses.replace(SPEC, shards=10), "e", shards=10)
    check_spec(ABLE, dataclasses.replace(SPEC, name="a" * 63, dim=65_536), "e")


@pytest.fixture(scope="module")
def edition():
    return edition_of("3.0").vector_database


def block(rows=20, dim=8, first=5):
    return np.arange(first, first + rows, dtype=np.int64), np.random.default_rng(3).standard_normal((rows, dim)).astype(np.float32)


def test_a_block_of_contiguous_ids_and_finite_rows_is_right():
    assert vectors_problem(*block(), 8) is None
    assert vectors_problem(*block(rows=1, first=0), 8) is None


def altered(change):
    ids, vectors = block()
    return change(ids, vectors)


def with_value(value):
    def change(ids, vectors):
        vectors[3, 2] = value
        return ids, vectors

    return change


BAD_BLOCKS = {
    "a list of ids": (lambda i, v: (list(i), v), "ids must be"),
    "ids of 32 bits": (lambda i, v: (i.astype(np.int32), v), "ids must be"),
    "rows of ids": (lambda i, v: (i[None], v), "ids must be"),
    "a list of vectors": (lambda i, v: (i, v.tolist()), "vectors must be"),
    "vectors of 64 bits": (lambda i, v: (i, v.astype(np.float64)), "vectors must be"),
    "one vector": (lambda i, v: (i, v[0]), "vectors must be"),
    "another dimension": (lambda i, v: (i, v[:, :7].copy()), "dimension 7"),
    "too few ids": (lambda i, v: (i[:-1], v), "19 ids for 20"),
    "too few vectors": (lambda i, v: (i, v[:-1]), "20 ids for 19"),
    "nothing": (lambda i, v: (i[:0], v[:0]), "empty"),
    "another order in memory": (lambda i, v: (i, np.asfortranarray(v)), "C order"),
    "ids downwards": (lambda i, v: (i[::-1].copy(), v), "not contiguous"),
    "an id twice": (lambda i, v: (np.append(i[:-1], i[-2]), v), "not contiguous"),
    "an id below 0": (lambda i, v: (i - 6, v), "not contiguous"),
    "not a number": (with_value(np.nan), "component 2 of the vector with id 8 is nan"),
    "infinite": (with_value(-np.inf), "is -inf"),
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_a_block_that_cannot_be_loaded_is_told_by_its_first_fault(name):
    change, words = BAD_BLOCKS[name]
    assert words in vectors_problem(*altered(change), 8)


def test_a_query_is_one_finite_vector_and_asks_for_at_least_one_row():
    query = block()[1][0]
    assert query_problem(query, 10, 8) is None
    # Its square is beyond float32, the vector itself is not.
    assert query_problem(np.full(8, 1e30, np.float32), 1, 8) is None


BAD_QUERIES = {
    "a list": ([0.0] * 8, 10, "one float32 vector of 8"),
    "another dimension": (np.zeros(7, np.float32), 10, "of 8"),
    "rows": (np.zeros((1, 8), np.float32), 10, "of 8"),
    "64 bits": (np.zeros(8), 10, "float64"),
    "no rows": (np.zeros(8, np.float32), 0, "at least 1"),
    "a truth value": (np.zeros(8, np.float32), True, "at least 1"),
    "a fraction": (np.zeros(8, np.float32), 2.0, "at least 1"),
    "not a number": (np.full(8, np.nan, np.float32), 1, "finite"),
    "infinite": (np.full(8, np.inf, np.float32), 1, "finite"),
}


@pytest.mark.parametrize("name", BAD_QUERIES)
def test_a_query_that_cannot_be_asked_is_told(name):
    query, k, words = BAD_QUERIES[name]
    assert words in query_problem(query, k, 8)
