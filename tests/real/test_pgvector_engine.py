"""The engine pgvector on a PostgreSQL that it starts itself: deadlines, faults and what it tells of itself."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vector_cases import failure, load, silent, spec, vectors

from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.vectordb import pgvector_connection, pgvector_searcher
from pytest_mlpstorage.vectordb.engine import EngineError, EngineUnavailableError
from pytest_mlpstorage.vectordb.pgvector_engine import PgvectorEngine
from pytest_mlpstorage.vectordb.pgvector_server import PostgresServer

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def folder():
    """Short enough for a socket, as pytest's own is not; and open to another user where the server has to be one."""
    made = Path(tempfile.mkdtemp(prefix="mlps-pgtest-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def server(folder):
    handle = PostgresServer()
    try:
        PgvectorEngine().version()
        handle.uri = handle.start(folder)
    except DependencyError as error:
        pytest.skip(str(error))
    yield handle
    handle.stop()


@pytest.fixture
def engine(server):
    made = PgvectorEngine()
    yield made
    made.close()


def postmaster(folder):
    return psutil.Process(int((folder / "postgresql" / "data" / "postmaster.pid").read_text().split()[0]))


def title(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""  # it ended meanwhile


def made(engine, server, name, rows=500, **more):
    wanted = spec(engine, name, **more)
    engine.create(wanted, server.uri, replace=True)
    load(engine, vectors(rows, wanted.dim))
    return wanted


@pytest.mark.full  # a minute and more; .ci/run starts it for the embedded engine
def test_the_contract_suite_passes(server):
    command = [sys.executable, "-m", "pytest_mlpstorage.vectordb_contract", "pgvector", "--vectordb-where", f"pgvector={server.uri}"]
    done = subprocess.run([*command, "-q", "--tb=short"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_a_password_is_not_shown(engine):
    for address in (
        "postgresql://me:geheim@127.0.0.1:9/x",
        "host=127.0.0.1 port=9 password=geheim",
        "host=127.0.0.1 port=9 password='ge heim'",
    ):
        assert "heim" not in str(failure(lambda address=address: engine.attach(spec(engine, "x"), address), kind=EngineError))


@pytest.mark.parametrize("address", ["postgresql://127.0.0.1:9/x", "postgresql:///x?host=/nowhere", "postgresql://no-such-host.invalid/x"])
def test_an_address_where_no_server_is_gives_one_failure(engine, address):
    failure(lambda: engine.attach(spec(engine, "x"), address), "cannot be reached", address, kind=EngineError)


@pytest.mark.parametrize("address", ["", "nonsense", "http://here", "host=x no_such_word=1"])
def test_what_is_no_address_is_refused_at_once(engine, address):
    failure(lambda: engine.attach(spec(engine, "x"), address), "address", kind=ConfigurationError)


def test_a_database_that_is_not_there_is_named(engine, server):
    failure(
        lambda: engine.attach(spec(engine, "x"), server.uri.replace("/postgres?", "/elsewhere?")),
        'database "elsewhere" does not exist',
        kind=EngineError,
    )


@pytest.mark.parametrize(
    ("change", "words"), [({"dim": 2001}, "at most 2000 dimensions"), ({"build": {"M": 40, "ef_construction": 64}}, "at least twice M")]
)
def test_what_pgvector_cannot_index_is_refused_before_anything_is_made(engine, server, change, words):
    failure(lambda: engine.create(dataclasses.replace(spec(engine, "x"), **change), server.uri), words, kind=ConfigurationError)


def test_a_table_of_another_dimension_is_named_with_both(engine, server):
    made(engine, server, "dimension")
    other = PgvectorEngine()
    for call in (other.attach, lambda spec, where: other.open(spec, where, threads=1)):
        failure(lambda call=call: call(spec(engine, "dimension", dim=64), server.uri), "vector(32)", "64 dimensions", kind=EngineError)
    engine.drop()


def test_a_table_without_an_index_of_the_kind_is_not_searched(engine, server):
    wanted = made(engine, server, "bare")
    failure(lambda: engine.open(wanted, server.uri, threads=1), "no valid index HNSW", kind=EngineError)
    engine.build(silent)
    failure(lambda: engine.open(spec(engine, "bare", "IVF_FLAT"), server.uri, threads=1), "no valid index IVF_FLAT", kind=EngineError)
    engine.drop()


def test_a_server_that_does_not_use_the_index_is_refused(engine, server):
    wanted = made(engine, server, "unused")
    engine.build(silent)
    family = engine.capabilities().families["HNSW"]
    connection = pgvector_connection.Connection(server.uri)
    failure(
        lambda: pgvector_searcher.PgvectorSearcher(connection, wanted, family, '"unused"', "another_index"),
        "does not use the index another_index",
        "plan: Limit",
        kind=EngineError,
    )
    connection.close()
    engine.drop()


def test_ids_that_are_there_already_are_refused_with_the_whole_block(engine, server):
    made(engine, server, "twice")
    failure(
        lambda: engine.load(np.arange(499, 600, dtype=np.int64), vectors(101)),
        "cannot load the rows from id 499",
        "(id)=(499)",
        kind=EngineError,
    )
    assert engine.stats().rows == 500
    engine.drop()


def test_parameters_are_read_back_from_the_server(engine, server):
    wanted = made(engine, server, "parameters")
    assert dict(engine.build(silent).effective) == {"M": 16, "ef_construction": 64}
    searcher = engine.open(wanted, server.uri, threads=1)
    searcher.search(vectors(1)[0], 10, {"search_ef": 77})
    assert dict(searcher.effective()) == {"search_ef": 77}
    searcher.search(vectors(1)[0], 90, {"search_ef": 77})
    assert dict(searcher.effective()) == {"search_ef": 90}, "fewer candidates than rows asked for would give fewer rows"
    failure(lambda: searcher.search(vectors(1)[0], 1001, {}), "at most 1000", kind=EngineError)
    searcher.close()
    engine.drop()


def test_a_name_with_capitals_and_a_word_of_sql_are_names(engine, server):
    for name in ("Table", "select"):
        wanted = made(engine, server, name)
        engine.build(silent)
        searcher = engine.open(wanted, server.uri, threads=1)
        assert searcher.search(vectors(500)[3], 1, {})[0].tolist() == [3]
        searcher.close()
        engine.drop()


def test_the_processes_and_the_files_of_the_server_are_seen(engine, server, folder):
    wanted = made(engine, server, "seen")
    engine.build(silent)
    searcher = engine.open(wanted, server.uri, threads=1)
    pids = [pid for pid, _ in engine.reads()]
    assert pids[0] == postmaster(folder).pid
    assert searcher.connection._connection.info.backend_pid in pids
    files = engine.index_files()
    assert all(path.is_relative_to(folder) for path in files)
    sizes = engine.stats().bytes_on_disk
    assert sum(path.stat().st_size for path in files) == sum(sizes.values())
    assert sizes["index"] > 500 * 32 * 4
    searcher.close()
    engine.drop()


def test_a_builder_that_is_told_to_give_up_leaves_no_index_and_no_lock(engine, server, folder):
    made(engine, server, "given_up", rows=6000, dim=256)

    def give_up(_fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.build(give_up)
    later = PgvectorEngine()
    later.attach(spec(engine, "given_up", dim=256), server.uri)
    assert later.stats().completeness == 0.0
    later.drop()
    assert not any("CREATE INDEX" in title(child) for child in postmaster(folder).children())


def test_a_call_that_waits_for_a_lock_ends_at_its_deadline(engine, server, monkeypatch):
    made(engine, server, "locked")
    holder = PgvectorEngine()
    holder.attach(spec(engine, "locked"), server.uri)
    with holder._connection.calls("hold") as connection, connection.transaction():
        connection.execute('lock table "locked"')
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"did not look within 1 s"):
            engine._connection.rows("look", 'select count(*) from "locked"', seconds=1)
        assert time.monotonic() - began < 10
    holder.drop()


def test_a_server_that_hangs_is_one_failure_at_the_deadline(engine, server, folder, monkeypatch):
    monkeypatch.setattr(pgvector_searcher, "CALL_SECONDS", 2.0)
    wanted = made(engine, server, "hanging")
    engine.build(silent)
    searcher = engine.open(wanted, server.uri, threads=1)
    params = {"search_ef": 50}
    searcher.search(vectors(1)[0], 10, params)
    stopped = [postmaster(folder), *postmaster(folder).children()]
    for process in stopped:
        process.suspend()
    try:
        failure(lambda: searcher.search(vectors(1)[0], 10, params), "did not search within 2 s", kind=EngineError)
        failure(lambda: PgvectorEngine().attach(wanted, server.uri), "cannot be reached", kind=EngineError)
    finally:
        for process in stopped:
            process.resume()
    for later in (lambda: searcher.search(vectors(1)[0], 10, params), searcher.effective):
        failure(later, "did not search within 2 s", kind=EngineError)
    searcher.close()
    engine.drop()


@pytest.mark.parametrize("where", ["search", "load", "build"])
def test_a_server_that_is_killed_is_one_failure_and_starts_again_with_its_rows(engine, server, folder, where):
    wanted = made(engine, server, "killed", rows=6000, dim=256)
    searcher = None
    if where != "build":
        engine.build(silent)
        searcher = engine.open(wanted, server.uri, threads=1)

    def kill(_fraction=None):
        victim = postmaster(folder)
        victim.kill()

    if where == "search":
        threading.Timer(0.3, kill).start()

        def searches():
            while True:
                searcher.search(vectors(1, 256)[0], 10, {})

        failure(searches, "the server ended the connection", kind=EngineError)
    elif where == "load":
        kill()
        failure(lambda: engine.load(np.arange(6000, 6100, dtype=np.int64), vectors(100, 256)), "cannot load", kind=EngineError)
    else:
        failure(lambda: engine.build(kill), kind=EngineError)
    if searcher is not None:
        searcher.close()
    engine.close()
    assert server.start(folder) == server.uri
    engine.attach(wanted, server.uri)
    engine.build(silent)
    assert engine.stats().rows == 6000
    engine.drop()


def test_without_the_client_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    failure(PgvectorEngine().version, "pip install", kind=EngineUnavailableError)
    assert pgvector_connection.CLIENT_INSTALL.startswith("python -m pip install")
