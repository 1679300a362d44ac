"""The engines pgvector and milvus as far as no server is needed: names of parameters, addresses, and what a server's words mean."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.editions import edition as load_edition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb import milvus_collection, milvus_connection, pgvector_connection, pgvector_server, pgvector_table
from pytest_mlpstorage.vectordb.check import check_parameters
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec
from pytest_mlpstorage.vectordb.milvus_engine import MilvusEngine
from pytest_mlpstorage.vectordb.milvus_tables import CAPABILITIES as MILVUS
from pytest_mlpstorage.vectordb.milvus_tables import index_parameters, search_parameters
from pytest_mlpstorage.vectordb.pgvector_engine import PgvectorEngine
from pytest_mlpstorage.vectordb.pgvector_tables import CAPABILITIES as PGVECTOR
from pytest_mlpstorage.vectordb.pgvector_tables import search_settings


@pytest.mark.parametrize(
    ("token", "native"),
    [
        ("DISKANN", {"MaxDegree": 64, "SearchListSize": 200}),
        ("HNSW", {"M": 64, "efConstruction": 200}),
        ("AISAQ", {"max_degree": 64, "search_list_size": 200, "inline_pq": 16}),
        ("FLAT", {}),
    ],
)
def test_parameters_go_to_milvus_in_its_spelling_with_the_defaults_of_the_rules(token, native):
    assert index_parameters(token, check_parameters(MILVUS.families[token], {}).values) == native


@pytest.mark.parametrize(
    ("token", "given", "k", "native"),
    [
        ("DISKANN", {}, 10, {"search_list": 200}),
        ("AISAQ", {"search_ef": 5}, 10, {"search_list": 10}),
        ("HNSW", {"search_ef": 50}, 10, {"ef": 50}),
        ("IVF_FLAT", {"nprobe": 3}, 10, {"nprobe": 3}),
        ("FLAT", {}, 10, {}),
    ],
)
def test_a_search_of_milvus_looks_at_k_candidates_at_least(token, given, k, native):
    assert search_parameters(token, "IP", given, k) == {"metric_type": "IP", "params": native}


def test_settings_of_pgvector_are_those_of_the_index_and_allow_k_rows():
    hnsw, ivf = PGVECTOR.families["HNSW"], PGVECTOR.families["IVF_FLAT"]
    assert search_settings(hnsw, {}, 10) == {"hnsw.ef_search": 100}
    assert search_settings(hnsw, {"search_ef": 40}, 50) == {"hnsw.ef_search": 50}
    assert search_settings(ivf, {"nprobe": 3}, 50) == {"ivfflat.probes": 3}


def test_milvus_is_what_closed_allows_with_the_parameters_that_it_has_and_pgvector_is_of_open():
    edition = load_edition("3.0").vector_database
    assert edition is not None
    assert "milvus" in edition.databases_closed
    assert "pgvector" not in edition.databases_closed
    assert "pgvector" in edition.databases_open
    assert {"DISKANN", "HNSW", "AISAQ"} <= set(edition.index_types_closed)
    for token in edition.index_types_closed:
        family = MILVUS.families[token]
        keys = {*(f"index.{one.name}" for one in family.build), *(f"search.{one.name}" for one in family.search)}
        assert keys <= set(edition.closed_keys), token


@pytest.mark.parametrize(
    ("told", "share"),
    [
        ({"total_rows": 100, "indexed_rows": 100, "pending_index_rows": 0}, 1.0),
        ({"total_rows": 100, "indexed_rows": 0, "pending_index_rows": 100, "state": "Finished"}, 0.0),
        ({"total_rows": 100, "indexed_rows": 100, "pending_index_rows": 25}, 0.75),
        ({"total_rows": 100, "indexed_rows": 250, "pending_index_rows": 0}, 1.0),
        ({"total_rows": 0, "indexed_rows": 0, "pending_index_rows": 0}, 1.0),
        ({}, 1.0),
    ],
)
def test_a_state_that_milvus_calls_finished_is_not_believed(told, share):
    assert milvus_collection.completeness_of(told) == share


def test_of_what_milvus_does_not_check_its_echo_is_no_proof():
    hnsw, diskann = (IndexSpec("x", 32, "COSINE", token, {}) for token in ("HNSW", "DISKANN"))
    told = {"M": "16", "efConstruction": "200", "MaxDegree": "64", "SearchListSize": "200"}
    assert dict(milvus_collection.effective(hnsw, told)) == {"M": 16, "ef_construction": 200}
    assert dict(milvus_collection.effective(diskann, told)) == {"max_degree": None, "search_list_size": None}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("http://db.example:19530", ("db.example", 19530)),
        ("https://user:word@db.example/base", ("db.example", 443)),
        ("tcp://[::1]", ("::1", 19530)),
    ],
)
def test_an_address_of_milvus_has_a_host_and_a_port(address, found):
    assert milvus_connection._split(address, "shown") == found


@pytest.mark.parametrize("address", ["", "file.db", "localhost:19530", "http://", "http://[", "http://x:port", "unix:/socket"])
def test_what_would_make_pymilvus_start_something_else_is_refused(address):
    with pytest.raises(ConfigurationError, match="'shown' is no address"):
        milvus_connection._split(address, "shown")


class Refusing:
    """A client that reaches nobody."""

    Error, ProgrammingError = OSError, ValueError

    def connect(self, *_arguments, **_named):
        raise OSError("nobody is there")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:word@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:wo:rd@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:w@rd@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me@host/db?password=word&port=1", "postgresql://me@host/db?password=***&port=1"),
        ("host=x password='a word' user=me", "host=x password=*** user=me"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
    ],
)
def test_an_address_is_told_without_its_password(monkeypatch, address, shown):
    monkeypatch.setattr(pgvector_connection, "_client", lambda: (Refusing(), None))
    with pytest.raises(EngineError) as caught:
        pgvector_connection.Connection(address)
    assert caught.value.details["address"] == shown


def test_an_address_that_is_none_is_told_without_its_password(monkeypatch):
    monkeypatch.setattr(milvus_connection, "_client", lambda: None)
    with pytest.raises(ConfigurationError) as caught:
        milvus_connection.Connection("ftp://me:w@rd@host:19530")
    assert caught.value.message == "'ftp://me:***@host:19530' is no address of a Milvus server"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("16384", True),
        ("16384.1", True),
        ("16384_vm", True),
        ("16384_fsm.2", True),
        ("163841", False),
        ("16384_x", False),
        ("16384.old", False),
    ],
)
def test_files_of_a_relation_are_told_from_those_of_others(name, ours):
    assert pgvector_table.is_file_of(name, "16384") is ours


def test_a_server_is_ready_when_its_own_file_says_so(tmp_path):
    file = tmp_path / "postmaster.pid"
    assert not pgvector_server._is_ready(tmp_path, 77)
    lines = ["77", "/data", "1", "5432", "/socket", "", "1 2", "starting"]
    for pid, status, ready in (("77", "starting", False), ("77", "ready   ", True), ("78", "ready   ", False)):
        file.write_text("\n".join([pid, *lines[1:7], status]) + "\n")
        assert pgvector_server._is_ready(tmp_path, 77) is ready
    file.write_text("77\n")
    assert not pgvector_server._is_ready(tmp_path, 77)


def test_where_no_memory_can_be_shared_a_server_builds_with_one_process(monkeypatch, tmp_path):
    def none(_path):
        raise FileNotFoundError(2, "No such file or directory", "/dev/shm")

    monkeypatch.setattr(pgvector_server.shutil, "disk_usage", none)
    assert "max_parallel_maintenance_workers=0" in pgvector_server._settings(tmp_path)


@pytest.mark.parametrize("kind", [PgvectorEngine, MilvusEngine])
def test_without_a_collection_nothing_is_done_and_nothing_is_dropped(kind):
    engine = kind()
    engine.close()
    engine.drop()
    assert engine.reads() is None
    assert engine.index_files() is None
    assert engine.evict() == ""
    for call in (engine.stats, lambda: engine.build(lambda _: None), lambda: engine.load(None, None)):
        with pytest.raises(EngineError, match="is open") as caught:
            call()
        assert caught.value.suggestion
