"""What the engine's processes and the device say was read: sums, processes that come and go, and a reason where nobody knows."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest
from proc_tree import ProcTree

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.vectordb.witnesses import PAGE, identity, reads_between, snapshot

MB = 1_000_000


@pytest.fixture
def tree(tmp_path):
    made = ProcTree(tmp_path)
    if made.major == 0:
        pytest.skip(f"{tmp_path} is on no block device")
    return made


def counted(tree, processes, path=True):
    return snapshot(processes, tree.folder if path is True else path, tree.kernel)


def test_reads_are_those_of_the_engines_processes_and_of_the_one_device(tree):
    one, two = tree.process(10, 1_000), tree.process(11, 50)
    tree.device(5, 512 * 10)
    begin = counted(tree, [one, two])
    tree.process(10, 1_000 + 8 * PAGE)
    tree.process(11, 50 + 2 * PAGE)
    tree.device(5 + 4, 512 * 10 + 10 * PAGE)
    found = reads_between(begin, counted(tree, [one, two]))
    assert (found.process_bytes, found.device_bytes, found.device_reads, found.device_name) == (10 * PAGE, 10 * PAGE, 4, "disk")
    assert found.per_query(5) == {
        "read_4kib_per_query": 2.0,
        "device_reads_per_query": 0.8,
        "read_bytes_per_query": 2.0 * PAGE,
        "read_bytes_process": 10 * PAGE,
        "read_bytes_device": 10 * PAGE,
        "device": "disk",
        "process_not_applicable": None,
        "device_not_applicable": None,
        "disagreement": None,
    }


def test_no_search_has_no_reads_a_search(tree):
    one = tree.process(10, 1_000)
    found = reads_between(counted(tree, [one]), counted(tree, [one])).per_query(0)
    assert found["read_4kib_per_query"] is None
    assert found["device_reads_per_query"] is None
    assert found["read_bytes_process"] == 0


def test_nothing_read_is_zero_and_not_nothing(tree):
    one = tree.process(10, 1_000)
    assert reads_between(counted(tree, [one]), counted(tree, [one])).per_query(4)["read_4kib_per_query"] == 0.0


def test_a_process_that_comes_counts_from_nothing(tree):
    one = tree.process(10, 1_000)
    begin = counted(tree, [one])
    two = tree.process(11, 7 * PAGE, start=200, parent=10)
    assert reads_between(begin, counted(tree, [one, two])).process_bytes == 7 * PAGE


def test_a_process_that_the_engine_names_later_counts_from_the_first_snapshot(tree):
    one, two = tree.process(10, 1_000), tree.process(11, 5 * PAGE)
    begin = counted(tree, [one])
    tree.process(11, 7 * PAGE)
    assert reads_between(begin, counted(tree, [one, two])).process_bytes == 2 * PAGE


def test_a_process_that_went_is_in_the_counter_of_the_one_that_buried_it(tree):
    one, two = tree.process(10, 1_000), tree.process(11, 3 * PAGE, parent=10)
    begin = counted(tree, [one, two])
    tree.end(11)
    tree.process(10, 1_000 + 5 * PAGE)
    assert reads_between(begin, counted(tree, [one])).process_bytes == 2 * PAGE
    assert reads_between(begin, counted(tree, [one, two])).process_bytes == 2 * PAGE


def test_a_process_that_went_and_nobody_of_the_engine_buried_leaves_no_count(tree):
    one, two = tree.process(10, 1_000), tree.process(11, 3 * PAGE, parent=1)
    begin = counted(tree, [one, two])
    tree.end(11)
    for now in ([one], [one, two]):
        found = reads_between(begin, counted(tree, now))
        assert found.process_bytes is None
        assert "11" in found.process_reason
        assert found.per_query(3)["read_4kib_per_query"] is None


def test_another_process_with_the_same_number_is_another(tree):
    one = tree.process(10, 9 * PAGE, start=100)
    begin = counted(tree, [one])
    tree.process(10, PAGE, start=300)
    found = reads_between(begin, counted(tree, [one]))
    assert found.process_bytes is None
    assert "10" in found.process_reason


def test_a_process_of_another_user_cannot_be_counted(tree):
    one, two = tree.process(10, 1_000), tree.process(11, None)
    found = reads_between(counted(tree, [one, two]), counted(tree, [one, two]))
    assert found.process_bytes is None
    assert "process 11" in found.process_reason
    assert "cannot be read by this user" in found.process_reason


def test_an_engine_that_shows_no_processes_has_no_count_and_the_device_still_has(tree):
    begin = counted(tree, None)
    tree.device(1, PAGE)
    found = reads_between(begin, counted(tree, None))
    assert (found.process_bytes, found.process_reason) == (None, "the engine does not show its processes")
    assert found.device_bytes == PAGE
    assert reads_between(counted(tree, []), counted(tree, [])).process_bytes is None


def test_names_with_blanks_and_brackets_are_read(tree):
    tree.process(10, 5, name="a (b) c) ")
    assert identity(10, tree.kernel) == (10, 100)
    (count,) = counted(tree, [(10, 100)]).processes.values()
    assert (count.read_bytes, count.parent, count.name) == (5, 1, "a (b) c) ")


def test_a_process_that_is_not_there_has_no_identity(tree):
    assert identity(12, tree.kernel) is None
    (tree.kernel.proc / "12").mkdir()
    assert identity(12, tree.kernel) is None
    (tree.kernel.proc / "12/stat").write_text("12 (cut) S 1 0")
    assert identity(12, tree.kernel) is None


@pytest.mark.parametrize("filesystem", ["tmpfs", "overlay", "ramfs"])
def test_a_filesystem_without_a_device_is_not_applicable(tree, filesystem):
    tree.mount(filesystem)
    found = reads_between(counted(tree, None), counted(tree, None))
    assert (found.device_bytes, found.device_reads, found.device_name) == (None, None, "")
    assert filesystem in found.device_reason
    assert found.disagreement == ""


def test_a_network_filesystem_is_on_no_device_that_is_counted(tree):
    (tree.kernel.proc / "diskstats").write_text("   7   0 loop0 99 0 999 0\n")
    tree.mount("nfs4")
    found = reads_between(counted(tree, None), counted(tree, None))
    assert found.device_bytes is None
    assert "nfs4" in found.device_reason


def test_a_device_that_is_not_counted_is_not_applicable(tree):
    switch = tree.kernel.sys / "block/disk/queue/iostats"
    switch.parent.mkdir(parents=True)
    switch.write_text("0\n")
    assert "switched off for disk" in reads_between(counted(tree, None), counted(tree, None)).device_reason
    switch.write_text("1\n")
    assert reads_between(counted(tree, None), counted(tree, None)).device_reason == ""


def test_files_that_are_not_shown_or_not_there_have_no_device(tree):
    assert counted(tree, None, path=None).device.reason == "the engine does not show its files"
    assert "No such file" in counted(tree, None, path=tree.folder / "gone").device.reason


def test_counters_of_a_device_that_began_anew_tell_nothing(tree):
    tree.device(5, 512 * 10)
    begin = counted(tree, None)
    tree.device(5, 512 * 9)
    assert "began anew" in reads_between(begin, counted(tree, None)).device_reason


def disagreement(tree, process, device, others=()):
    one = tree.process(10, 0)
    for number, _ in enumerate(others):
        tree.process(20 + number, 100, name=f"other{number}")
    tree.device(0, 0)
    begin = counted(tree, [one])
    tree.process(10, process)
    for number, size in enumerate(others):
        tree.process(20 + number, 100 + size, name=f"other{number}")
    tree.device(1, device)
    return reads_between(begin, counted(tree, [one])).disagreement


@pytest.mark.parametrize(
    ("process", "device", "agrees"),
    [
        (0, 512 * 1953, True),
        (0, 512 * 2442, False),
        (40 * MB, 40 * MB, True),
        (40 * MB, 51 * MB - 512 * 20, True),
        (40 * MB, 512 * 100_000, True),
        (40 * MB, 512 * 105_000, False),
        (40 * MB, 512 * 60_600, True),
        (40 * MB, 512 * 60_000, False),
    ],
)
def test_witnesses_agree_within_a_fifth_and_a_megabyte(tree, process, device, agrees):
    assert (disagreement(tree, process, device) == "") is agrees


def test_other_readers_are_named_by_what_they_read(tree):
    said = disagreement(tree, 0, 90 * MB, others=[5 * MB, 30 * MB, 7 * MB, 8 * MB, 0])
    assert said.endswith(f"other readers: other1 [21] ({30 * MB} bytes), other3 [23] ({8 * MB} bytes), other2 [22] ({7 * MB} bytes)")
    assert disagreement(tree, 0, 90 * MB).endswith("none that this user may see")


def test_a_device_that_delivered_less_than_was_read_has_no_other_readers(tree):
    said = disagreement(tree, 90 * MB, 512, others=[5 * MB])
    assert "something below it served them" in said
    assert "other0" not in said


def test_counts_of_hosts_are_added(tree):
    one = tree.process(10, 0)
    begin = counted(tree, [one])
    tree.process(10, PAGE)
    tree.device(1, PAGE)
    found = reads_between(begin, counted(tree, [one]))
    both = found + found
    assert (both.process_bytes, both.device_bytes, both.device_reads, both.device_name) == (2 * PAGE, 2 * PAGE, 2, "disk")
    tree.mount("tmpfs")
    lacking = reads_between(counted(tree, None), counted(tree, None))
    assert (found + lacking).process_bytes is None
    assert (found + lacking).process_reason == "the engine does not show its processes"
    assert (found + lacking).device_bytes is None
    assert "tmpfs" in (found + lacking).device_reason


READ = """
import mmap, os, sys
block = mmap.mmap(-1, 1 << 20)
descriptor = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
print(os.preadv(descriptor, [block], 0), flush=True)
sys.stdin.read()
"""


def test_the_kernel_counts_direct_reads_of_a_process_and_of_the_one_it_buries(tmp_path):
    if mount_of(tmp_path).is_memory_fs or mount_of(tmp_path).fstype == "overlay":
        pytest.skip("no storage below the folder of this test")
    file = tmp_path / "data"
    file.write_bytes(bytes(1 << 20))
    with file.open("rb") as written:
        os.fsync(written.fileno())
    block = mmap.mmap(-1, 1 << 20)
    mine = identity(os.getpid())
    begin = snapshot([mine], file)
    descriptor = os.open(file, os.O_RDONLY | os.O_DIRECT)
    assert os.preadv(descriptor, [block], 0) == 1 << 20
    os.close(descriptor)
    middle = snapshot([mine], file)
    assert reads_between(begin, middle).process_bytes >= 1 << 20
    if not middle.device.reason:
        assert reads_between(begin, middle).device_bytes >= 1 << 20
    child = subprocess.Popen([sys.executable, "-c", READ, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"1048576\n"
    both = snapshot([mine, identity(child.pid)], file)
    alive = reads_between(middle, both).process_bytes
    assert alive >= 1 << 20
    child.communicate()
    assert reads_between(middle, snapshot([mine], file)).process_bytes >= alive
