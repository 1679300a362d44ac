"""What our side of zvec does with a search, on a stand-in of its module."""

from __future__ import annotations

import types

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.check import check_parameters
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec
from pytest_mlpstorage.vectordb.zvec_searcher import ZvecSearcher
from pytest_mlpstorage.vectordb.zvec_tables import CAPABILITIES, index_parameters, query_parameters


def described(kind):
    """A class of zvec that only keeps what it was given."""
    return lambda **named: (kind, named)


KINDS = ("DiskAnnIndex", "HnswIndex", "IVFIndex", "FlatIndex", "DiskAnnQuery", "HnswQuery", "IVFQuery")
MODULE = types.SimpleNamespace(
    MetricType=types.SimpleNamespace(COSINE="cosine", L2="l2", IP="ip"),
    Query=lambda field, vector, param: types.SimpleNamespace(field=field, vector=vector, param=param),
    **{f"{kind}Param": described(kind) for kind in KINDS},
)


class Collection:
    """Answers three rows, and remembers what it was asked."""

    def __init__(self, error=None):
        self.asked, self.closed, self.error = [], 0, error

    def query(self, query, *, topk, output_fields):
        self.asked.append((query, topk, output_fields))
        if self.error:
            raise self.error
        return [types.SimpleNamespace(id=str(row), score=score) for row, score in ((7, 0.1), (12, 0.2), (3, 0.5))]

    def close(self):
        self.closed += 1


def searcher(collection, family="DISKANN", metric="COSINE"):
    return ZvecSearcher(MODULE, collection, IndexSpec("rows", 4, metric, family, {}), "v")


QUERY = np.ones(4, np.float32)


def spec(family, metric="L2", dim=4):
    return IndexSpec("rows", dim, metric, family, {})


@pytest.mark.parametrize(
    ("family", "given", "named"),
    [
        ("DISKANN", {}, ("DiskAnnIndex", {"max_degree": 64, "list_size": 100, "pq_chunk_num": 0})),
        ("DISKANN", {"search_list_size": 10}, ("DiskAnnIndex", {"max_degree": 64, "list_size": 10, "pq_chunk_num": 0})),
        ("HNSW", {"M": 16}, ("HnswIndex", {"m": 16, "ef_construction": 200})),
        ("IVF_FLAT", {}, ("IVFIndex", {"n_list": 128})),
        ("FLAT", {}, ("FlatIndex", {})),
    ],
)
def test_parameters_of_the_rule_book_reach_zvec_under_its_own_names(family, given, named):
    kind, values = named
    checked = check_parameters(CAPABILITIES.families[family], given).values
    assert index_parameters(MODULE, spec(family), checked) == (kind, {"metric_type": "l2", **values})


@pytest.mark.parametrize("beyond", [{"max_degree": 101}, {"search_list_size": 200}, {"search_list_size": 9}, {"pq_chunk_num": 1025}])
def test_what_zvec_would_cut_without_a_word_is_refused(beyond):
    with pytest.raises(ConfigurationError):
        check_parameters(CAPABILITIES.families["DISKANN"], beyond)


def test_codes_of_as_many_chunks_as_dimensions_are_the_most():
    most = check_parameters(CAPABILITIES.families["DISKANN"], {"pq_chunk_num": 4}).values
    assert index_parameters(MODULE, spec("DISKANN"), most)[1]["pq_chunk_num"] == 4
    with pytest.raises(ConfigurationError, match="more than the 3 dimensions"):
        index_parameters(MODULE, spec("DISKANN", dim=3), most)


@pytest.mark.parametrize(
    ("family", "params", "k", "expected"),
    [
        ("DISKANN", {"search_ef": 50}, 10, ("DiskAnnQuery", {"list_size": 50})),
        ("DISKANN", {"search_ef": 5}, 10, ("DiskAnnQuery", {"list_size": 10})),
        ("HNSW", {}, 10, ("HnswQuery", {"ef": 200})),
        ("HNSW", {}, 201, ("HnswQuery", {"ef": 201})),
        ("IVF_FLAT", {"nprobe": 4}, 10, ("IVFQuery", {"nprobe": 4})),
        ("FLAT", {}, 10, None),
    ],
)
def test_a_search_looks_at_no_fewer_candidates_than_it_answers(family, params, k, expected):
    assert query_parameters(MODULE, family, params, k) == expected


def test_ids_are_numbers_and_the_vector_is_handed_over_as_it_is():
    collection = Collection()
    ids, scores = searcher(collection).search(QUERY, 3, {"search_ef": 50})
    assert (ids.tolist(), ids.dtype, scores.dtype) == ([7, 12, 3], np.int64, np.float32)
    assert scores.tolist() == pytest.approx([0.1, 0.2, 0.5])
    ((query, k, fields),) = collection.asked
    assert query.vector is QUERY
    assert (query.field, query.param, k, fields) == ("v", ("DiskAnnQuery", {"list_size": 50}), 3, [])


def test_inner_products_are_turned_so_that_less_is_better_for_all_metrics():
    assert searcher(Collection(), metric="IP").search(QUERY, 3, {})[1].tolist() == pytest.approx([-0.1, -0.2, -0.5])
    assert not CAPABILITIES.higher_is_better


def test_parameters_are_made_once_for_searches_alike():
    collection, params = Collection(), {"search_ef": 50}
    open_ = searcher(collection)
    for k in (3, 3, 60):
        open_.search(QUERY, k, params)
    open_.search(QUERY, 60, {"search_ef": 70})
    first, second, third, fourth = (query.param for query, _, _ in collection.asked)
    assert first is second
    assert (third[1], fourth[1]) == ({"list_size": 60}, {"list_size": 70})


@pytest.mark.parametrize("error", [RuntimeError("disk"), ValueError("shape"), KeyError("field"), TypeError("type")])
def test_what_zvec_raises_is_an_error_of_the_engine(error):
    with pytest.raises(EngineError, match="zvec failed in a search of rows") as caught:
        searcher(Collection(error)).search(QUERY, 3, {})
    assert caught.value.cause is error


def test_a_query_that_is_no_number_never_reaches_zvec():
    collection = Collection()
    with pytest.raises(EngineError, match="not a finite number"):
        searcher(collection).search(np.full(4, np.nan, np.float32), 3, {})
    assert collection.asked == []


def test_a_closed_searcher_is_closed_once_and_searches_no_more():
    collection = Collection()
    open_ = searcher(collection)
    assert open_.effective() == {"search_ef": None}
    open_.close()
    open_.close()
    assert collection.closed == 1
    with pytest.raises(EngineError, match="closed"):
        open_.search(QUERY, 3, {})
