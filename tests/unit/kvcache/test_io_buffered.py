"""The page cache on the way: dropped, measured, and an error where it was not."""

from __future__ import annotations

import os

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget, Residency
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.kvcache.trust import residency_notes
from pytest_mlpstorage.page_cache.residency import Pages, UnmeasurableError
from pytest_mlpstorage.units import MIB

SIZE = 8 * MIB


@pytest.fixture
def store(tmp_path):
    if mount_of(tmp_path).is_memory_fs:
        pytest.skip("what is in memory cannot be dropped from it")
    return BufferedTarget(ObjectLayout(tmp_path), Arena(1, MIB), Content(MIB))


def warm(folder):
    for path in folder.iterdir():
        path.read_bytes()


def test_a_warm_cache_is_dropped_before_each_read(store, tmp_path):
    store.write_object(1, SIZE, pass_no=0)
    for _ in range(3):
        warm(tmp_path)
        store.read_object(1, SIZE, pass_no=0)
    assert store.residency.sampled_bytes == 3 * (SIZE + 4096)
    assert store.residency.fraction < 0.01
    assert residency_notes(store.residency.fraction, store.residency.reason) == ()


def test_a_cache_that_stays_warm_is_an_error(store, tmp_path, monkeypatch):
    store.write_object(1, SIZE, pass_no=0)
    warm(tmp_path)
    monkeypatch.setattr(os, "posix_fadvise", lambda *_: None)
    store.read_object(1, SIZE, pass_no=0)
    assert store.residency.fraction > 0.99
    assert [note.level for note in residency_notes(store.residency.fraction, "")] == ["error"]


def test_a_filesystem_without_the_advice_is_no_error_of_its_own(store, monkeypatch):
    def fail(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "posix_fadvise", fail)
    store.write_object(1, SIZE, pass_no=0)
    store.read_object(1, SIZE, pass_no=0)
    assert store.residency.fraction > 0.99


def test_what_is_durable_is_dropped_at_once(store, tmp_path):
    store.write_object(1, SIZE, pass_no=0)
    residency = Residency()
    descriptor = os.open(tmp_path / "kv_00000001.npy", os.O_RDONLY)
    residency.look(descriptor, SIZE)
    os.close(descriptor)
    assert residency.fraction < 0.01


def test_what_is_not_made_durable_cannot_be_dropped_and_is_seen(tmp_path, store):
    lazy = BufferedTarget(ObjectLayout(tmp_path), Arena(1, MIB), Content(MIB), durability="none")
    lazy.write_object(1, SIZE, pass_no=0)
    lazy.read_object(1, SIZE, pass_no=0)
    assert lazy.residency.fraction > 0.5


class Told:
    method = "told"

    def __init__(self, *answers):
        self.answers = list(answers)

    def pages(self, descriptor, offset, length):
        answer = self.answers.pop(0)
        if answer is None:
            raise UnmeasurableError("nobody may know")
        return Pages(answer, None)


def test_one_file_in_so_many_is_looked_at():
    residency = Residency(every=4)
    residency._probe = Told(100, 4096)
    for _ in range(8):
        residency.look(0, 1000)
    assert residency.sampled_bytes == 2000
    assert residency.fraction == (100 + 1000) / 2000, "pages reach beyond the file's end"
    assert residency.method == "told"
    assert residency.reason == ""


def test_what_cannot_be_measured_is_none_with_a_reason():
    residency = Residency()
    assert (residency.fraction, residency.reason) == (None, "nothing was read through the page cache")
    residency._probe = Told(None, 500)
    residency.look(0, 1000)
    assert (residency.fraction, residency.reason) == (None, "nobody may know")
    residency.look(0, 1000)
    assert (residency.fraction, residency.reason) == (0.5, "")
