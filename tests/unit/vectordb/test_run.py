"""Where a run looks for the device that its searches read."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.vectordb.job import VectorJob
from pytest_mlpstorage.vectordb.run import _on_device

LONG = f"host=node1 user=bench password={'x' * 900}"


def job(where="", server_dir=""):
    return VectorJob("run", "pgvector", "c", "HNSW", "/o", "/s", where=where, server_dir=server_dir)


@pytest.mark.parametrize("address", ["postgresql://node1/bench", LONG])
def test_an_address_of_a_server_is_no_path_however_long_it_is(address):
    assert _on_device(job(where=address), None, embedded=False) is None
    assert _on_device(job(where=address), [], embedded=False) is None


def test_a_file_of_the_index_says_more_than_the_folder_and_what_is_gone_says_nothing(tmp_path):
    file = tmp_path / "index"
    file.touch()
    assert _on_device(job(where=LONG), [file], embedded=False) == file
    assert _on_device(job(where=str(tmp_path)), [file], embedded=True) == file
    assert _on_device(job(where=str(tmp_path)), None, embedded=True) == tmp_path
    assert _on_device(job(server_dir=str(tmp_path)), None, embedded=False) == tmp_path
    assert _on_device(job(where=str(tmp_path / "gone")), None, embedded=True) is None
