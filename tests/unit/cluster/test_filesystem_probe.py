"""Whether two directories lie on one filesystem, found out with a hard link."""

import errno
import os
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster import filesystem_probe
from pytest_mlpstorage.cluster.filesystem_probe import probe_separation
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.separation import FilesystemSeparation


@pytest.fixture
def places(tmp_path):
    for name in ("data", "results"):
        (tmp_path / name).mkdir()
    return tmp_path / "data", tmp_path / "results"


def refuse(monkeypatch, number):
    def link(source, target):
        raise OSError(number, os.strerror(number), str(source), None, str(target))

    monkeypatch.setattr(filesystem_probe.os, "link", link)


def devices(monkeypatch, *numbers):
    given = iter(numbers)
    monkeypatch.setattr(filesystem_probe, "_device", lambda _path: next(given))


def test_a_link_that_can_be_made_shows_one_filesystem(places):
    data, results = places
    found = probe_separation(data, results)
    assert (found.same_filesystem, found.method) == (True, "link_exdev")
    assert (found.data_path, found.results_path) == (str(data), str(results))
    assert found.probed_by_host
    assert found.probed_at.endswith("Z")


def test_nothing_is_left_behind(places):
    probe_separation(*places)
    assert [list(place.iterdir()) for place in places] == [[], []]


def test_links_of_directories_are_followed_in_the_record(places, tmp_path):
    (tmp_path / "link").symlink_to(places[0])
    found = probe_separation(tmp_path / "link", places[1])
    assert (found.data_path, found.data_realpath) == (str(tmp_path / "link"), str(places[0]))


def test_a_link_across_filesystems_shows_two(places, monkeypatch):
    refuse(monkeypatch, errno.EXDEV)
    devices(monkeypatch, 1, 2)
    found = probe_separation(*places)
    assert (found.same_filesystem, found.method) == (False, "link_exdev")
    assert [list(place.iterdir()) for place in places] == [[], []]


def test_two_mounts_of_one_device_are_one_filesystem_although_no_link_crosses_them(places, monkeypatch):
    refuse(monkeypatch, errno.EXDEV)
    devices(monkeypatch, 1, 1)
    found = probe_separation(*places)
    assert (found.same_filesystem, found.method) == (True, "st_dev")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize(("two", "same"), [(1, True), (2, False)])
def test_a_filesystem_without_hard_links_is_told_by_its_device(places, monkeypatch, number, two, same):
    refuse(monkeypatch, number)
    devices(monkeypatch, 1, two)
    found = probe_separation(*places)
    assert (found.same_filesystem, found.method) == (same, "st_dev")


def test_a_link_that_fails_for_another_reason_is_an_error_that_names_the_directory(places, monkeypatch):
    refuse(monkeypatch, errno.EIO)
    with pytest.raises(FileSystemError, match="cannot find out") as raised:
        probe_separation(*places)
    assert raised.value.details["path"] == places[1]
    assert [list(place.iterdir()) for place in places] == [[], []]


def test_a_directory_that_is_not_there_is_an_error(places):
    with pytest.raises(FileSystemError, match="cannot find out"):
        probe_separation(places[0] / "gone", places[1])


def test_a_real_second_filesystem_is_seen(places):
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == places[0].stat().st_dev:
        pytest.skip("this machine has no second filesystem that can be written")
    assert probe_separation(places[0], memory).same_filesystem is False


def test_the_record_is_written_as_it_is_read():
    record = FilesystemSeparation(False, "/d", "/r", "/real/d", "/real/r", "link_exdev", "2026-07-20T15:04:27Z", None, "h")
    assert FilesystemSeparation.from_json(record.to_json()) == record
    assert record.to_json()["version"] == 1
    assert record.to_json()["data_or_chkpt_path"] == "/d"


@pytest.mark.parametrize(("given", "read"), [(True, True), ("False", False), (None, None), (0, None), ("no", None), ([], None)], ids=repr)
def test_a_foreign_record_says_true_false_or_nothing(given, read):
    assert FilesystemSeparation.from_json({"same_filesystem": given}).same_filesystem is read


def test_a_foreign_record_of_wrong_types_is_read_as_far_as_it_goes():
    record = FilesystemSeparation.from_json({"same_filesystem": False, "results_path": [], "probed_by_rank": "0", "method": 7})
    assert (record.same_filesystem, record.results_path, record.probed_by_rank, record.method) == (False, "", 0, "7")
