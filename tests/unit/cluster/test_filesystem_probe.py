"""Whether two directories lie on one filesystem, found out with a hard link."""

import errno
import os
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster import filesystem_probe
from pytest_mlpstorage.cluster.filesystem_probe import probe_separation
from pytest_mlpstorage.cluster.separation import probe_every_host
from pytest_mlpstorage.errors import FileSystemError, MPIError
from pytest_mlpstorage.launch.job import Host
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


def host(name, same):
    return FilesystemSeparation(same, "/d", "/r", "/d", "/r", "link_exdev", "2026-07-20T15:04:27Z", 0, name)


@pytest.mark.parametrize(
    ("said", "deciding", "same"),
    [
        ([False, False], "h0", False),
        ([False, True], "h1", True),
        ([True, False], "h0", True),
        ([False, None], "h1", None),
        ([None, True, False], "h1", True),
    ],
)
def test_one_host_with_both_on_one_filesystem_decides_for_all(said, deciding, same):
    found = FilesystemSeparation.of_hosts([host(f"h{n}", one) for n, one in enumerate(said)])
    assert (found.probed_by_host, found.same_filesystem) == (deciding, same)
    assert [one.probed_by_host for one in found.hosts] == [f"h{n}" for n in range(len(said))]


def test_the_record_of_one_host_is_that_host_and_no_list():
    found = FilesystemSeparation.of_hosts([host("h", False)])
    assert found == host("h", False)
    assert "hosts" not in found.to_json()


def test_the_record_of_several_hosts_is_written_as_it_is_read():
    found = FilesystemSeparation.of_hosts([host("a", False), host("b", True)])
    assert FilesystemSeparation.from_json(found.to_json()) == found
    assert list(found.to_json())[-1] == "hosts"


@pytest.mark.parametrize("junk", [None, 3, "x", {}, [3, None], [[]]])
def test_a_list_of_hosts_may_be_anything(junk):
    assert FilesystemSeparation.from_json({"same_filesystem": True, "hosts": junk}).hosts == ()


def test_this_host_alone_is_probed_without_a_launcher(places):
    assert probe_every_host(None, [Host("localhost")], *places).same_filesystem is True


def test_other_hosts_cannot_be_asked_without_a_launcher(places):
    with pytest.raises(MPIError, match="cannot be asked without a launcher"):
        probe_every_host(None, [Host("a"), Host("b")], *places)


def test_every_host_is_asked_by_a_rank_of_its_own_and_one_that_shares_a_filesystem_decides(places, monkeypatch):
    asked = []

    def ask(launcher, hosts, arguments, mpi_args):
        asked.append((launcher, [h.name for h in hosts], tuple(arguments), mpi_args))
        return [host("a", False).to_json(), host("b", True).to_json()]

    monkeypatch.setattr("pytest_mlpstorage.cluster.separation.ask_hosts", ask)
    found = probe_every_host("mpi", [Host("a"), Host("b")], *places, mpi_args=("--x",))
    assert asked == [("mpi", ["a", "b"], ("--separation", str(places[0]), str(places[1])), ("--x",))]
    assert (found.same_filesystem, found.probed_by_host) == (True, "b")
