"""Dropping real files from memory, proven by measuring them again; and all that can stand in the way."""

import os
import subprocess
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.page_cache import cold, drop, make_cold
from pytest_mlpstorage.page_cache.residency import UnmeasurableError

TOTAL = 8 * 256 * 1024


@pytest.fixture
def switch(disk, monkeypatch):
    """A file in place of drop_caches that takes the order and drops nothing, and the rights of root to write it."""
    monkeypatch.setattr(cold.os, "geteuid", lambda: 0)
    path = disk / "drop_caches"
    path.write_text("")
    return path


@pytest.fixture
def stuck(monkeypatch):
    """Pages that stay where they are whatever is said of single files."""
    monkeypatch.setattr(drop, "_advise", lambda _path: None)


def test_files_are_in_memory_before_and_not_after(written, switch):
    found = make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch)
    assert (found.resident_bytes_before, found.resident_bytes_after, found.bytes_sampled) == (TOTAL, 0, TOTAL)
    assert (found.files_total, found.files_sampled, found.files_dropped) == (8, 8, 8)
    assert found.method in ("cachestat", "mincore")
    assert (found.drop_method, found.note) == ("fadvise", "")
    assert switch.read_text() == ""  # the machine's other pages were let alone
    assert found.filesystem == mount_of(written[0]).fstype
    assert 0 < found.seconds < 10


def test_without_the_drop_they_stay_and_the_record_says_so(written):
    found = make_cold(written, drop=False, budget_seconds=1.0)
    assert (found.resident_bytes_before, found.resident_bytes_after) == (TOTAL, TOTAL)
    assert (found.drop_method, found.files_dropped) == ("none", 0)


def test_what_was_never_written_back_is_written_and_dropped(disk):
    files = [disk / f"{number}.bin" for number in range(4)]
    for file in files:
        file.write_bytes(os.urandom(1 << 20))
    assert make_cold(files, drop=True, budget_seconds=1.0).resident_bytes_after == 0
    assert [file.stat().st_size for file in files] == [1 << 20] * 4


@pytest.fixture
def overlay(disk):
    """A folder of an overlay, as the root of a container is one, whose lower layer holds one file on disk."""
    layers = [disk / name for name in ("lower", "upper", "work", "merged")]
    for layer in layers:
        layer.mkdir()
    with (layers[0] / "file").open("wb") as stream:
        stream.write(os.urandom(1 << 20))
        os.fsync(stream.fileno())
    options = "lowerdir={},upperdir={},workdir={}".format(*layers)
    if subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(layers[3])], capture_output=True).returncode != 0:
        pytest.skip("no overlay can be mounted here")
    yield layers[3]
    subprocess.run(["umount", str(layers[3])], check=True)


def test_on_an_overlay_the_pages_of_the_files_below_it_count(overlay):
    (overlay / "file").read_bytes()
    found = make_cold([overlay / "file"], drop=False, budget_seconds=1.0)
    assert (found.filesystem, found.method, found.resident_bytes_after) == ("overlay", "mincore", 1 << 20)
    found = make_cold([overlay / "file"], drop=True, budget_seconds=1.0, drop_caches=None)
    assert (found.resident_bytes_before, found.resident_bytes_after) == (1 << 20, 0)


def test_an_overlay_is_not_asked_in_the_way_that_finds_nothing_there(written, monkeypatch):
    monkeypatch.setattr(cold, "_filesystem", lambda _files: "overlay")
    found = make_cold(written, drop=False, budget_seconds=1.0)
    assert (found.method, found.resident_bytes_after) == ("mincore", TOTAL)


def test_paths_may_be_text(written):
    assert make_cold([str(file) for file in written], drop=True, budget_seconds=1.0).resident_bytes_after == 0


def test_the_seed_that_was_drawn_is_recorded(written):
    assert make_cold(written, drop=False, budget_seconds=1.0, seed=7).seed == 7
    assert make_cold(written, drop=False, budget_seconds=1.0).seed != make_cold(written, drop=False, budget_seconds=1.0).seed


def test_where_files_do_not_let_go_root_drops_all_and_a_measurement_decides_whether_it_did(written, switch, stuck):
    found = make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch)
    assert switch.read_text() == "1\n"
    assert found.drop_method == "fadvise"
    assert found.note == f"{switch} took the order and dropped nothing"
    assert found.resident_bytes_after == TOTAL


def test_a_switch_that_works_is_the_method(written, switch, stuck, monkeypatch):
    def drop_all(_switch):
        for file in written:
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        return ""

    monkeypatch.setattr(cold, "drop_all", drop_all)
    found = make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch)
    assert (found.drop_method, found.resident_bytes_after, found.note) == ("drop_caches", 0, "")


def test_before_it_only_the_filesystem_of_the_files_is_written_back(written, switch, stuck, monkeypatch):
    order = []
    monkeypatch.setattr(os, "sync", lambda: pytest.fail("a dead mount of somebody else would be waited for"))
    monkeypatch.setattr(cold, "flush", order.append)
    monkeypatch.setattr(cold, "drop_all", lambda path: order.append(path) or drop.drop_all(path))
    make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch)
    assert order[-2:] == [written[0], switch]


def test_a_switch_that_may_not_be_written_is_named(written, switch, stuck):
    found = make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch.parent / "none" / "drop_caches")
    assert found.note == f"{switch.parent}/none/drop_caches: No such file or directory"
    assert (found.drop_method, found.resident_bytes_after) == ("fadvise", TOTAL)


def test_who_is_not_root_leaves_the_machine_alone(written, switch, stuck, monkeypatch):
    monkeypatch.setattr(cold.os, "geteuid", lambda: 1000)
    assert make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch).resident_bytes_after == TOTAL
    assert switch.read_text() == ""


def test_root_can_be_told_to_leave_the_machine_alone(written, switch, stuck, monkeypatch):
    monkeypatch.setattr(cold, "drop_all", lambda _switch: pytest.fail("dropped"))
    found = make_cold(written, drop=True, budget_seconds=1.0, drop_caches=None)
    assert (found.drop_method, found.resident_bytes_after, found.note) == ("fadvise", TOTAL, "")


def test_dropping_that_runs_out_of_time_says_how_far_it_came(written, switch, monkeypatch):
    monkeypatch.setattr(cold.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cold, "_LEAST_DROP_SECONDS", -1.0)
    found = make_cold(written, drop=True, budget_seconds=-4.0, drop_caches=switch)
    assert (found.files_dropped, found.resident_bytes_after) == (0, TOTAL)
    assert "0 of 8 files could be dropped one by one" in found.note


def test_files_in_memory_for_good_are_neither_measured_nor_dropped():
    shm = Path("/dev/shm")
    if not shm.is_dir() or mount_of(shm).fstype != "tmpfs" or not os.access(shm, os.W_OK):
        pytest.skip("there is no tmpfs at /dev/shm to write to")
    file = shm / f"mlps-cold-{os.getpid()}"
    file.write_bytes(b"x" * 8192)
    try:
        found = make_cold([file], drop=True, budget_seconds=1.0)
    finally:
        file.unlink()
    assert found.method.startswith("unavailable: tmpfs keeps its files in memory")
    assert (found.drop_method, found.resident_bytes_before, found.resident_bytes_after) == ("none", None, None)


@pytest.mark.parametrize(("files", "why"), [([], "no files"), (["/gone/a", "/gone/b"], "No such file")])
def test_files_that_are_not_there_are_a_record_and_no_error(files, why):
    found = make_cold(files, drop=True, budget_seconds=1.0)
    assert found.method.startswith("unavailable: ")
    assert why in found.method
    assert (found.files_total, found.files_sampled, found.resident_bytes_after) == (len(files), 0, None)


def test_what_cannot_be_measured_is_dropped_all_the_same(written, switch, monkeypatch):
    def pages(*_arguments):
        raise UnmeasurableError("the kernel tells it only of files that one owns or may write")

    monkeypatch.setattr("pytest_mlpstorage.page_cache.residency.Probe.pages", pages)
    found = make_cold(written, drop=True, budget_seconds=1.0, drop_caches=switch)
    assert found.method == "unavailable: the kernel tells it only of files that one owns or may write"
    assert (found.drop_method, found.files_dropped, found.resident_bytes_before) == ("fadvise", 8, None)


def test_a_thousand_files_cost_no_more_than_dropping_them(disk):
    files = [disk / str(number) for number in range(1000)]
    for file in files:
        file.write_bytes(b"x" * 4096)
    first = make_cold(files, drop=True, budget_seconds=0.1)  # writes them back
    second = make_cold(files, drop=True, budget_seconds=0.1)
    assert first.resident_bytes_after == second.resident_bytes_after == 0
    assert second.files_dropped == 1000
    assert second.seconds < 1.5
