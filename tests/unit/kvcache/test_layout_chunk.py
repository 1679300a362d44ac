"""Chunks as files: where they stand, that they take their place when they are whole, and that what is stored is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.layout_chunk import ChunkLayout, chunk_file_bytes
from pytest_mlpstorage.kvcache.stamps import Content

MIB = 1024**2


@pytest.fixture
def arena():
    with Arena(2, 128 * 1024) as made:
        yield made


def target(layout, arena, stop=None):
    return BufferedTarget(layout, arena, Content(128 * 1024), durability="none", stop=stop)


def test_a_chunk_stands_in_two_levels_of_folders_by_its_name(tmp_path):
    layout = ChunkLayout(tmp_path)
    paths = [Path(layout.path(entry)).relative_to(tmp_path) for entry in range(2000)]
    assert len(set(paths)) == 2000
    assert all(len(path.parts) == 3 and path.name.startswith("".join(path.parts[:2])) for path in paths)
    assert len({path.parts[0] for path in paths}) == 256
    assert paths == [Path(ChunkLayout(tmp_path).path(entry)).relative_to(tmp_path) for entry in range(2000)]
    with pytest.raises(ValueError, match="no entry"):
        layout.path(-1)


@pytest.mark.parametrize("rename", [True, False])
def test_what_is_stored_is_found_under_its_name_and_read_back(tmp_path, arena, rename):
    layout = ChunkLayout(tmp_path, rename=rename)
    stored = target(layout, arena)
    times = stored.write_object(7, MIB, pass_no=1)
    assert [path.name for path in tmp_path.rglob("*.*")] == [Path(layout.path(7)).name]
    assert stored.read_object(7, MIB, pass_no=1).verified_bytes == MIB + 4096
    assert np.load(layout.path(7)).nbytes == MIB
    assert times.t_complete_ns > times.t_submit_ns
    stored.delete(7)
    assert list(tmp_path.rglob("*.npy")) == []


def test_a_chunk_that_was_abandoned_is_not_found(tmp_path, arena):
    stop = Stop()
    stop.now = True
    layout = ChunkLayout(tmp_path)
    assert target(layout, arena, stop).write_object(7, MIB, pass_no=1).abandoned
    assert not Path(layout.path(7)).exists()
    assert [path.suffix for path in tmp_path.rglob("*.tmp")] == [".tmp"]


def test_a_folder_that_cannot_be_made_is_told_with_the_file(tmp_path, arena):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="cannot open"):
        target(ChunkLayout(tmp_path / "file"), arena).write_object(7, MIB, pass_no=1)


def test_a_name_that_is_taken_by_a_folder_is_told_as_the_renaming(tmp_path, arena):
    layout = ChunkLayout(tmp_path)
    Path(layout.path(7)).mkdir(parents=True)
    with pytest.raises(FileSystemError, match="cannot rename"):
        target(layout, arena).write_object(7, MIB, pass_no=1)


@pytest.mark.parametrize(("payload", "file"), [(1, 8192), (4096, 8192), (4097, 12288), (32 * MIB, 32 * MIB + 4096)])
def test_the_bytes_of_a_file_are_whole_units(payload, file):
    assert chunk_file_bytes(payload) == file
