"""What a leaf keeps of the start that made it holds no password."""

from types import SimpleNamespace

import pytest

from pytest_mlpstorage.config import Given
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.history.again import again_of
from pytest_mlpstorage.workloads.again import again_record

CASE = SimpleNamespace(family="vectordb", id="pgvector_HNSW")


def record(*assignments, environment=None):
    return again_record(SimpleNamespace(path=None, data_dir="/data", given=Given(assignments, environment or {}, "/home/me")), CASE)


def test_file_assignments_variables_and_directory_are_kept(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()  # what a run of hours has measured is not lost for it
    assert record("reader.read_threads=8", environment={"MLPS_SYSTEM": "a"}) == {
        "family": "vectordb",
        "case": "pgvector_HNSW",
        "config": "",
        "data_dir": "/data",
        "set": ["reader.read_threads=8"],
        "environment": {"MLPS_SYSTEM": "a"},
        "directory": "/home/me",
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("vectordb.uri=postgresql://me:secret1@host/db", "vectordb.uri=postgresql://me:***@host/db"),
        ("uri=host=h password=secret1", "uri=host=h password=***"),
        ("vectordb.password=secret1", "vectordb.password=***"),
        ("vectordb.auth_token=secret1", "vectordb.auth_token=***"),
        ("reader.read_threads=8", "reader.read_threads=8"),
    ],
)
def test_no_password_is_kept(given, kept):
    key, _, text = given.partition("=")
    found = record(given, environment={f"MLPS_{key.upper()}": text})
    assert found["set"] == [kept]
    assert "secret1" not in str(found)


@pytest.mark.parametrize(
    "damage",
    [
        {"directory": "/tmp\0x"},
        {"directory": "/\ud800"},
        {"case": "a\0b"},
        {"case": "a\ud800"},
        {"environment": {"MLPS_A=B": "1"}},
        {"set": ["\0"]},
    ],
)
def test_a_damaged_record_of_a_start_is_refused_before_any_program_is_given_it(tmp_path, damage):
    (tmp_path / "c.yaml").write_text("")
    kept = {
        "family": "training",
        "case": "unet3d-b200",
        "config": str(tmp_path / "c.yaml"),
        "data_dir": "/data",
        "directory": "/",
        **damage,
    }
    with pytest.raises(ConfigurationError, match="what unet3d keeps of its start is damaged"):
        again_of(kept, tmp_path, name="unet3d")
