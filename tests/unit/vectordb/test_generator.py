"""Data sets out of a seed: the same in every process, in every order, and worth a recall curve."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.generator import BLOCK_ROWS, QUERY_BLOCK, ClusteredV1, Uniform, contrast, dataset

STORED = "dc8ab9d2f5b8af10c651e9adf1cf5fdd1ea821fcde67621b03b3e314f6e96215"
"""Of 10 000 × 32 with seed 42: numpy 1.26.4 and 2.4.6 on x86-64 with AVX-512."""

STORED_VALUES = {
    (0, 0): [-0.04067, 0.04183796, 0.07880405, -0.01936634],
    (4095, 17): [0.01695186, 0.03853663, -0.35682952, 0.13968906],
    (9999, 28): [-0.06567581, -0.0765659, -0.31028137, -0.22817673],
}
"""Four numbers each from a row and column on, for machines whose last bits differ."""

STORED_QUERIES = [0.2170742, -0.06502707, -0.05580352, -0.19919044]
"""The first four numbers of query 5 of block 3."""

KINDS = [
    ClusteredV1(42, 10_000, 32),
    ClusteredV1(42, 10_000, 32, queries="heldout"),
    Uniform(42, 10_000, 32),
]


def hash_of(data, number):
    return hashlib.sha256(data.block(number).tobytes()).hexdigest(), hashlib.sha256(data.query_block(number)[0].tobytes()).hexdigest()


def rows_of(data, numbers):
    blocks = {number: data.block(number) for number in {row // BLOCK_ROWS for row in numbers}}
    return np.asarray([blocks[row // BLOCK_ROWS][row % BLOCK_ROWS] for row in numbers])


def test_the_data_set_has_the_stored_hash_or_its_values():
    data = ClusteredV1(42, 10_000, 32)
    if data.sha256() == STORED:
        return
    for (row, column), values in STORED_VALUES.items():
        assert rows_of(data, [row])[0, column : column + 4] == pytest.approx(values, abs=1e-6)


def test_the_hash_that_the_specification_measured_comes_out():
    if ClusteredV1(42, 10_000, 32).sha256() != STORED:
        pytest.skip("the last bits of this processor or numpy differ from those of the machine that measured")
    assert ClusteredV1(7, 50_000, 128).sha256()[:16] == "8ca4fe7fc12487db"


def test_queries_have_the_stored_values():
    assert ClusteredV1(42, 10_000, 32).query_block(3)[0][5, :4] == pytest.approx(STORED_QUERIES, abs=1e-6)


@pytest.mark.parametrize("data", KINDS, ids=lambda data: f"{data.name}-{getattr(data, 'queries', '')}")
def test_blocks_and_queries_are_bit_equal_in_any_order(data):
    forwards = [hash_of(data, number) for number in range(data.blocks)]
    other = pickle.loads(pickle.dumps(dataclasses.replace(data)))  # noqa: S301 - our own bytes
    backwards = [hash_of(other, number) for number in reversed(range(data.blocks))]
    assert forwards == backwards[::-1]
    assert len({block for block, _ in forwards}) == data.blocks == 3


RANK = """
import hashlib, json, sys
from pytest_mlpstorage.vectordb.generator import ClusteredV1
data, ranks, rank = ClusteredV1(42, 10_000, 32), *map(int, sys.argv[1:])
mine = [number for number in range(data.blocks) if number % ranks == rank]
of = lambda vectors: hashlib.sha256(vectors.tobytes()).hexdigest()
print(json.dumps({number: [of(data.block(number)), of(data.query_block(number)[0])] for number in reversed(mine)}))
"""


@pytest.mark.parametrize("ranks", [2, 3])
def test_one_two_and_three_ranks_make_the_same_bits(ranks):
    data, found = ClusteredV1(42, 10_000, 32), {}
    for rank in range(ranks):
        done = subprocess.run([sys.executable, "-c", RANK, str(ranks), str(rank)], capture_output=True, text=True, check=True, timeout=120)
        found |= {int(number): tuple(hashes) for number, hashes in json.loads(done.stdout).items()}
    assert found == {number: hash_of(data, number) for number in range(data.blocks)}


def test_the_hash_is_that_of_all_rows_in_order():
    data = ClusteredV1(3, 9_000, 8)
    together = np.concatenate([data.block(number) for number in range(data.blocks)])
    told = []
    assert data.sha256(told.append) == hashlib.sha256(together.astype("<f4").tobytes()).hexdigest()
    assert together.shape == (9_000, 8)
    assert told == [1 / 3, 2 / 3, 1.0]


def test_the_hash_is_made_once():
    data = ClusteredV1(3, 9_000, 8)
    data.sha256()
    assert data.sha256(lambda _: pytest.fail("made again")) == data.sha256()


@pytest.mark.parametrize("data", KINDS, ids=lambda data: f"{data.name}-{getattr(data, 'queries', '')}")
def test_rows_and_queries_are_unit_vectors_of_float32(data):
    for vectors in (data.block(2), data.query_block(0)[0]):
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
        assert np.linalg.norm(vectors.astype(np.float64), axis=1) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        ClusteredV1(43, 10_000, 32),
        ClusteredV1(42, 10_000, 32, sigma=0.9),
        ClusteredV1(42, 9_999, 32),
        Uniform(42, 10_000, 32),
    ],
)
def test_another_data_set_has_another_hash(other):
    assert other.sha256() != ClusteredV1(42, 10_000, 32).sha256()
    assert other.fingerprint() != ClusteredV1(42, 10_000, 32).fingerprint()


def test_the_seed_of_queries_changes_queries_alone():
    data, other = ClusteredV1(42, 10_000, 32), ClusteredV1(42, 10_000, 32, query_seed=7)
    assert data.sha256() == other.sha256()
    assert not np.array_equal(data.query_block(0)[0], other.query_block(0)[0])
    assert np.array_equal(data.query_block(0)[0], ClusteredV1(42, 10_000, 32, query_seed=42).query_block(0)[0])
    assert data.query_identity() != other.query_identity()


def test_centres_rows_and_queries_share_no_numbers():
    data = ClusteredV1(42, 4096, 32, queries="heldout")
    assert not np.array_equal(data.block(0)[:QUERY_BLOCK], data.query_block(0)[0])
    assert not np.array_equal(data.centres[:256], data.block(0)[:256])
    assert not np.array_equal(Uniform(42, 4096, 32).block(0)[:QUERY_BLOCK], Uniform(42, 4096, 32).query_block(0)[0])


def test_a_short_last_block_is_a_full_one_cut():
    short, whole = ClusteredV1(42, 5_000, 32, sigma=1.0), ClusteredV1(42, 8_192, 32)
    assert short.clusters == whole.clusters
    assert np.array_equal(short.block(1), whole.block(1)[:904])
    assert short.ids_of(1).tolist() == list(range(4096, 5000))


def test_blocks_that_are_not_there_are_refused():
    data = ClusteredV1(42, 5_000, 32)
    for number in (-1, 2):
        with pytest.raises(IndexError):
            data.block(number)
    for kind in (data, Uniform(42, 5_000, 32)):
        with pytest.raises(IndexError):
            kind.query_block(-1)


def test_planted_queries_lie_near_their_rows_and_come_from_everywhere():
    data = ClusteredV1(42, 5_000, 128)
    queries, planted = data.query_block(9)
    cosine = (queries * rows_of(data, planted.tolist())).sum(axis=1)
    assert queries.shape == (1024, 128)
    assert planted.dtype == np.int64
    assert 0 <= planted.min() < BLOCK_ROWS < planted.max() < 5_000
    assert 0.93 < cosine.min() < cosine.max() < 1 - 1e-6
    assert (np.diff(planted) < 0).any(), "they are not in the order of rows"


def test_a_block_of_queries_takes_as_many_rows_of_the_short_block_as_its_share():
    data = ClusteredV1(42, 5_000, 4)
    shares = [(data.query_block(number)[1] >= BLOCK_ROWS).mean() for number in range(40)]
    assert np.mean(shares) == pytest.approx(904 / 5_000, abs=0.08)


def test_a_data_set_smaller_than_a_share_still_has_queries():
    queries, planted = ClusteredV1(42, 10, 8).query_block(0)
    assert len(queries) == QUERY_BLOCK
    assert set(planted.tolist()) == set(range(10))


@pytest.mark.parametrize("data", [ClusteredV1(42, 5_000, 32, queries="heldout"), Uniform(42, 5_000, 32)])
def test_other_queries_are_planted_nowhere(data):
    assert set(data.query_block(1)[1].tolist()) == {-1}


def test_uniform_lies_in_one_orthant():
    assert Uniform(1, 5_000, 32).block(1).min() >= 0
    assert Uniform(1, 5_000, 32).query_block(1)[0].min() >= 0


@pytest.mark.parametrize(
    ("rows", "clusters"), [(1, 256), (65_791, 256), (65_792, 257), (1_048_575, 4095), (1_048_576, 4096), (10**7, 4096)]
)
def test_the_number_of_clusters_grows_with_the_rows_within_limits(rows, clusters):
    assert ClusteredV1(1, rows, 4).clusters == clusters


def test_contrast_tells_clustered_data_from_the_official_one():
    clustered, uniform = contrast(ClusteredV1(7, 20_000, 128)), contrast(Uniform(7, 20_000, 128))
    assert clustered == pytest.approx(2.2, abs=0.1)
    assert uniform == pytest.approx(1.45, abs=0.05)
    assert contrast(ClusteredV1(7, 20_000, 128, sigma=0.5)) > 4
    assert contrast(ClusteredV1(7, 20_000, 128, sigma=2.0)) < 1.6


def test_contrast_is_that_of_its_definition():
    data = Uniform(3, 5_000, 6)
    rows = np.concatenate([data.block(0), data.block(1)]).astype(np.float64)
    ratios = []
    for query in data.query_block(0)[0][:7].astype(np.float64):
        distances = sorted(1 - rows @ query)
        ratios.append(np.mean(distances) / distances[4])
    told = []
    assert contrast(data, queries=7, k=5, tell=told.append) == pytest.approx(np.median(ratios))
    assert told == [0.5, 1.0]


def test_contrast_is_nothing_where_there_are_no_more_rows_than_neighbours():
    assert contrast(Uniform(3, 10, 6), k=10) is None
    assert contrast(Uniform(3, 11, 6), k=10) is not None


def test_contrast_is_nothing_where_neighbours_lie_at_the_query_itself():
    assert contrast(Uniform(3, 5_000, 1), k=10) is None


def test_a_data_set_describes_itself():
    assert ClusteredV1(42, 5_000, 32, query_seed=1, nu=0.2).describe() == {
        "generator": "clustered-v1",
        "seed": 42,
        "n": 5_000,
        "dim": 32,
        "numpy": np.__version__,
        "query_seed": 1,
        "queries": "planted",
        "nu": 0.2,
        "sigma": 1.0,
        "clusters": 256,
    }
    assert ClusteredV1(42, 5_000, 32, queries="heldout").query_identity() == {"query_seed": 42, "queries": "heldout"}
    assert Uniform(42, 5_000, 32).describe()["generator"] == "uniform"


def test_a_data_set_is_found_by_the_name_of_its_generator():
    assert dataset("clustered-v1", 1, 2, 3, sigma=0.5, queries="heldout", query_seed=4) == ClusteredV1(1, 2, 3, 4, 0.5, "heldout")
    assert dataset("uniform", 1, 2, 3, query_seed=4) == Uniform(1, 2, 3, 4)
    with pytest.raises(ConfigurationError, match="zipfian"):
        dataset("zipfian", 1, 2, 3)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rows": 0}, "0 rows"),
        ({"dim": 0}, "0 dim"),
        ({"seed": -1}, "seed -1"),
        ({"seed": 2**63}, "is no seed"),
        ({"query_seed": -1}, "query_seed"),
        ({"sigma": -0.1}, "sigma"),
        ({"sigma": float("nan")}, "sigma"),
        ({"nu": float("inf")}, "nu"),
        ({"queries": "zipfian"}, "zipfian"),
    ],
)
def test_a_data_set_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(ConfigurationError, match=words):
        ClusteredV1(**{"seed": 1, "rows": 10, "dim": 4, **wrong})
