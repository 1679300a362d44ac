"""Lines of progress: one a call, and a disk without room for one is said in one sentence by every engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_mlpstorage.checkpointing.progress import Progress as Checkpointing
from pytest_mlpstorage.dlio.progress import Progress as DLIO
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache.progress import Progress as KVCache
from pytest_mlpstorage.ranks.progress_lines import append_line
from pytest_mlpstorage.vectordb.progress import Progress as VectorDB

FULL = Path("/dev/full")
WRITERS = {
    "checkpointing": lambda path: Checkpointing(path, own_bytes=1, total_bytes=1).begin("checkpoint write", 1, 1),
    "dlio": lambda path: DLIO(path).write(due=True, phase="train"),
    "kvcache": lambda path: KVCache(path, "option 1 trial 0", 1).say("run"),
    "vectordb": lambda path: VectorDB(path).say("load"),
}


@pytest.mark.parametrize("engine", WRITERS)
def test_a_full_disk_is_one_error_with_the_file_and_the_reason(engine):
    with pytest.raises(FileSystemError) as raised:
        WRITERS[engine](FULL)
    assert raised.value.message == "cannot write /dev/full: No space left on device"


@pytest.mark.parametrize("engine", WRITERS)
def test_each_engine_writes_a_line_and_without_a_file_none(engine, tmp_path):
    WRITERS[engine](None)
    WRITERS[engine](tmp_path / "progress.jsonl")
    (line,) = (tmp_path / "progress.jsonl").read_text().splitlines()
    assert "phase" in json.loads(line)


def test_lines_are_appended(tmp_path):
    path = tmp_path / "progress.jsonl"
    append_line(path, {"step": 1})
    append_line(path, {"step": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"step": 1}, {"step": 2}]
