"""Tests of the engine milvus on a server of its own; run by test_milvus_engine.py in a network namespace, where its ports are free."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pymilvus
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import small_suite
from milvus_server import MilvusServer
from vector_cases import failure, load, silent, spec, vectors

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError
from pytest_mlpstorage.vectordb.engine import EngineError
from pytest_mlpstorage.vectordb.milvus_engine import MilvusEngine

CLEANING_SECONDS = 40.0


@pytest.fixture(scope="module")
def folder():
    made = Path(tempfile.mkdtemp(prefix="mlps-milvus-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder):
    handle = MilvusServer()
    handle.uri = handle.start(folder)
    yield handle
    handle.stop()


@pytest.fixture
def engine():
    made = MilvusEngine()
    yield made
    made.close()


class DeadlineOfTestError(BenchmarkExecutionError):
    pass


def test_the_contract_suite_passes_with_hnsw(server):
    command = [sys.executable, "-m", "pytest_mlpstorage.vectordb_contract", "milvus", "--vectordb-where", f"milvus={server.uri}"]
    done = subprocess.run([*command, "--vectordb-family", "HNSW", "-q", "--tb=short"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("family", ["IVF_FLAT", "IVF_SQ8", "FLAT"])
def test_other_indexes_of_the_server_build_and_answer(server, engine, family):
    data, wanted = vectors(), spec(engine, f"of_{family}", family)
    engine.create(wanted, server.uri)
    load(engine, data)
    report = engine.build(silent)
    assert dict(report.effective) == dict(wanted.build)
    searcher = engine.open(wanted, server.uri, threads=1)
    assert searcher.search(data[7], 10, {})[0][0] == 7
    searcher.close()
    engine.drop()


def test_diskann_that_the_server_tries_to_build_for_ever_ends_at_the_deadline_and_leaves_nothing(server, engine):
    wanted = spec(engine, "never_done", "DISKANN")
    engine.create(wanted, server.uri)
    load(engine, vectors(rows=5000))
    began, told = time.monotonic(), []

    def deadline(fraction):
        told.append((time.monotonic(), fraction))
        if time.monotonic() - began > 8:
            raise DeadlineOfTestError("not done in time")

    with pytest.raises(DeadlineOfTestError):
        engine.build(deadline)
    assert time.monotonic() - began < 30
    assert told[-1][1] == 0.0, "nothing is indexed"
    began = time.monotonic()
    engine.drop()
    assert time.monotonic() - began < CLEANING_SECONDS
    later = MilvusEngine()
    failure(lambda: later.attach(wanted, server.uri), "there is no such collection", kind=EngineError)
    # The server has not lost itself in what it could not do.
    other = spec(engine, "afterwards")
    later.create(other, server.uri)
    load(later, vectors(500))
    later.build(silent)
    later.drop()


SUITE = """division: whatif
submitter: test
system: small
vectordb:
  num_vectors: 5000
  dimension: 32
  runs: 1
  duration: 2s
  build_deadline: {deadline}
  workloads:
    - {{engine: milvus, index_type: DISKANN, uri: '{uri}', index: {{search_list_size: 100}}}}
"""


def building(folder, server, deadline="300s"):
    """The suite in a folder of its own, and the state of its collection on the server."""
    folder.mkdir()
    (folder / "suite.yaml").write_text(SUITE.format(deadline=deadline, uri=server.uri))
    suite = small_suite.Suite(folder)

    def names():
        return set(pymilvus.MilvusClient(uri=server.uri).list_collections())

    return suite, names, names()


def test_a_build_that_is_interrupted_is_dropped_on_the_way_out(server, folder):
    suite, names, before = building(folder / "interrupted", server)
    started = suite.start("-s", "-k", "milvus")
    lines = suite.results / ".mlps/scratch"
    suite.wait_for(lambda: any('"build' in path.read_text() for path in lines.glob("*/progress.jsonl")))
    assert names() - before, "it is there while it is built"
    began = time.monotonic()
    started.send_signal(signal.SIGINT)
    text, _ = started.communicate(timeout=120)
    assert started.returncode == 2, text
    assert time.monotonic() - began < CLEANING_SECONDS + 20, text
    assert "left behind" not in text
    assert names() == before
    assert suite.processes() == []


def test_a_build_at_its_deadline_is_one_failure_and_leaves_no_collection(server, folder):
    suite, names, before = building(folder / "too_late", server, deadline="8s")
    began = time.monotonic()
    ended = suite.run("-k", "milvus")
    assert ended.code == 1, ended.text
    assert "engine milvus was not done with the phase build after 8 s" in ended.text
    assert time.monotonic() - began < 90 + CLEANING_SECONDS
    assert names() == before
    assert suite.processes() == []


def test_an_index_that_the_server_does_not_offer_is_one_failure_and_leaves_no_collection(server, engine):
    wanted = spec(engine, "not_offered", "AISAQ")
    failure(lambda: engine.create(wanted, server.uri), "cannot make an index AISAQ", "invalid index type", kind=EngineError)
    failure(lambda: engine.attach(spec(engine, "not_offered"), server.uri), "there is no such collection", kind=EngineError)


def test_an_id_that_was_loaded_twice_by_others_is_counted(server, engine):
    wanted, data = spec(engine, "twice"), vectors(500)
    engine.create(wanted, server.uri)
    load(engine, data)
    other = MilvusEngine()
    other.attach(wanted, server.uri)
    other.load(np.arange(100, 200, dtype=np.int64), data[100:200].copy())
    other.close()
    engine.build(silent)
    stats = engine.stats()
    assert (stats.rows, stats.distinct_ids) == (600, 500)
    engine.drop()


def test_more_rows_than_one_answer_holds_are_counted(server, engine):
    wanted, data = spec(engine, "many", "FLAT"), vectors(20_000, 4)
    engine.create(spec(engine, "many", "FLAT", dim=4), server.uri)
    load(engine, data)
    engine.build(silent)
    stats = engine.stats()
    assert (stats.rows, stats.distinct_ids) == (20_000, 20_000)
    assert engine.evict() == "collection released"
    failure(lambda: MilvusEngine().attach(wanted, server.uri), "vectors of 4 dimensions, not 32", kind=EngineError)
    engine.drop()


@pytest.mark.parametrize("address", ["http://127.0.0.1:19539", "http://no-such-host.invalid:19530", "http://127.0.0.1:9091"])
def test_an_address_where_no_server_is_gives_one_failure(engine, address):
    failure(lambda: engine.attach(spec(engine, "x"), address), "cannot be reached", address, kind=EngineError)


@pytest.mark.parametrize("address", ["", "milvus.db", "localhost:19530", "http://[", "ftp://somewhere"])
def test_what_is_no_address_is_refused_at_once(engine, address):
    failure(lambda: engine.attach(spec(engine, "x"), address), "no address of a Milvus server", kind=ConfigurationError)


def test_a_password_is_not_shown(engine):
    error = failure(lambda: engine.attach(spec(engine, "x"), "http://root:geheim@127.0.0.1:19539"), "root:***@", kind=EngineError)
    assert "geheim" not in str(error)


def test_the_server_and_the_client_are_named_and_the_server_reads(server, engine):
    engine.create(spec(engine, "named"), server.uri)
    told = engine.version()
    assert told["server"].startswith("Milvus v2.3.5")
    assert told["client"].startswith("pymilvus ")
    readers = engine.reads()
    assert [pid for pid, _ in readers] == [server.process.pid]
    engine.drop()


# These end the server, so they are the last.


def test_a_server_that_is_killed_is_one_failure_within_half_a_minute_and_keeps_its_rows(server, engine, folder):
    wanted, data = spec(engine, "killed"), vectors(500)
    engine.create(wanted, server.uri)
    load(engine, data)
    engine.build(silent)
    searcher = engine.open(wanted, server.uri, threads=1)
    os.kill(server.process.pid, signal.SIGKILL)
    failure(lambda: searcher.search(data[0], 10, {}), "cannot search: the server does not answer", kind=EngineError)
    failure(engine.stats, "the server does not answer", kind=EngineError)
    failure(lambda: engine.open(wanted, server.uri, threads=1), "cannot be reached", kind=EngineError)
    searcher.close()
    engine.close()
    server.stop()
    server.uri = server.start(folder)
    engine.attach(wanted, server.uri)
    engine.build(silent)
    assert engine.stats().rows == 500
    engine.drop()


def test_a_server_that_hangs_is_one_failure_within_half_a_minute(server, engine):
    wanted, data = spec(engine, "hanging"), vectors(500)
    engine.create(wanted, server.uri)
    load(engine, data)
    engine.build(silent)
    searcher = engine.open(wanted, server.uri, threads=1)
    # Not to be waked up: a server that was away for longer than its lease ends itself.
    os.kill(server.process.pid, signal.SIGSTOP)
    failure(lambda: searcher.search(data[0], 10, {}), "did not search within 15 s", kind=EngineError)
    failure(engine.stats, "did not describe the index within 15 s", kind=EngineError)
    failure(lambda: load(engine, data[:1]), kind=EngineError)
    failure(lambda: MilvusEngine().attach(wanted, server.uri), "cannot be reached", kind=EngineError)
    searcher.close()
