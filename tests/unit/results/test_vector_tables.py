"""The row of a vector database result in the organisation's table: one an index of a database, as the rule book writes it."""

import json
from pathlib import Path

import pytest

from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.records import VectorDatabaseResult
from pytest_mlpstorage.results.tables import withdraw_rollup, write_rollup
from pytest_mlpstorage.results.vector_tables import vector_row
from pytest_mlpstorage.verdict import Division

METRICS = {
    "VDB - # Client Nodes": 2.0,
    "VDB - Vector Count": 1_000_000.0,
    "VDB - Vector Dimension": 1536.0,
    "VDB - Queries per Sec": 143.25,
    "VDB - Query Latency (ms)": 7.5,
    "VDB - Recall Percentage": 51.5,
    "VDB - Read B/W (GiB/s)": 0.25,
    "mean of throughput_qps": 140.0,
}


def result(root=Path("/r"), engine="milvus", index="DISKANN"):
    return VectorDatabaseResult(
        root=root,
        relpath=f"open/acme/results/fastfs/vector_database/{engine}/{index}",
        division=Division.OPEN,
        submitter="acme",
        system="fastfs",
        model=f"{engine}_{index}",
        edition="3.0",
        engine=engine,
    )


def test_a_row_fills_the_block_of_vector_databases_and_no_other():
    row = vector_row(result(), METRICS)
    assert tuple(row) == COLUMNS
    filled = {column: value for column, value in row.items() if value != ""}
    assert filled == {
        "Organization": "acme",
        "Division": "OPEN",
        "Benchmark Type": "vector_database",
        "Name": "fastfs",
        "VDB - Logs": {"text": "Logs", "href": "open/acme/results/fastfs/vector_database/milvus/DISKANN"},
        "VDB - Index Type": "DISKANN",
        **{column: value for column, value in METRICS.items() if column.startswith("VDB")},
    }
    counts = [row[f"VDB - {name}"] for name in ("# Client Nodes", "Vector Count", "Vector Dimension")]
    assert [type(count) for count in counts] == [int, int, int]


def test_what_no_run_says_is_blank_and_a_count_that_is_none_stays_as_it_was_given():
    assert vector_row(result(), {})["VDB - Queries per Sec"] == ""
    assert vector_row(result(), {"VDB - Vector Count": 10.5})["VDB - Vector Count"] == 10.5


@pytest.mark.parametrize("other", [{"engine": "zvec"}, {"index": "HNSW"}], ids=str)
def test_each_index_of_each_database_has_its_own_row(tmp_path, other):
    (tmp_path / "open/acme/results").mkdir(parents=True)
    rows = [vector_row(result(tmp_path), METRICS), vector_row(result(tmp_path, **other), METRICS)]
    path, _ = write_rollup(tmp_path, Division.OPEN, "acme", rows)
    write_rollup(tmp_path, Division.OPEN, "acme", rows)
    assert len(json.loads(path.read_text())) == 2
    assert withdraw_rollup(tmp_path, Division.OPEN, "acme", vector_row(result(tmp_path, **other), {}))
    (kept,) = json.loads(path.read_text())
    assert kept["VDB - Logs"] == rows[0]["VDB - Logs"]
