"""What is removed of the shared memory of killed ranks, and what is not."""

from __future__ import annotations

import mmap
import os
import time

import pytest

from pytest_mlpstorage.launch.segments import remove_abandoned


@pytest.fixture
def segment(tmp_path):
    def segment(name="mpich_shm_1a2b_0"):
        path = tmp_path / name
        path.write_bytes(bytes(4096))
        return path

    return segment


@pytest.mark.parametrize("name", ["mpich_shm_1a2b_0", "sm_segment.h1.0.1a2b.0", "vader_segment.h1.0.1a2b.0"])
def test_a_segment_that_nobody_uses_is_removed(segment, tmp_path, name):
    path = segment(name)
    remove_abandoned(time.time(), str(tmp_path))
    assert not path.exists()


def test_a_segment_that_is_mapped_stays_though_its_descriptor_is_closed(segment, tmp_path):
    path = segment()
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
    remove_abandoned(time.time(), str(tmp_path))
    assert path.exists()
    mapped.close()
    remove_abandoned(time.time(), str(tmp_path))
    assert not path.exists()


def test_a_segment_that_is_open_and_not_yet_mapped_stays(segment, tmp_path):
    path = segment()
    with path.open("r+b"):
        remove_abandoned(time.time(), str(tmp_path))
    assert path.exists()


def test_what_was_there_before_the_rank_stays(segment, tmp_path):
    path = segment()
    remove_abandoned(time.time() + 60, str(tmp_path))
    assert path.exists()


def test_what_is_another_users_stays(segment, tmp_path, monkeypatch):
    path = segment()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    remove_abandoned(time.time(), str(tmp_path))
    assert path.exists()


def test_what_is_no_segment_stays_and_no_folder_is_no_fault(segment, tmp_path):
    path = segment("my_data")
    remove_abandoned(time.time(), str(tmp_path))
    assert path.exists()
    remove_abandoned(time.time(), str(tmp_path / "nowhere"))
