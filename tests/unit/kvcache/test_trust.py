"""What the kernel counted beside what was asked: proved, not to be proved, or refuted."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.kvcache.trust import KernelBytes, Moved, Note, kernel_bytes, prove_direct, residency_notes
from pytest_mlpstorage.units import MIB

ASKED = Moved(1000, 500)


@pytest.fixture
def mount(tmp_path):
    return dataclasses.replace(mount_of(tmp_path), fstype="ext4", source="/dev/vda", device="8:1")


def counted(read, written, *, source="/proc/self/io", scope="process"):
    return KernelBytes(source, scope, 100, 7), KernelBytes(source, scope, 100 + read, 7 + written)


@pytest.mark.parametrize(("read", "written"), [(1000, 500), (980, 490), (1100, 550)])
def test_counters_that_agree_prove_direct_io(mount, read, written):
    proof = prove_direct(mount, ASKED, *counted(read, written))
    assert (proof.direct, proof.reason, proof.notes) == ("proved", "", ())
    assert (proof.kernel_read, proof.kernel_written) == (read, written)
    assert proof.read_ratio == read / 1000
    assert proof.write_ratio == written / 500


@pytest.mark.parametrize(
    ("read", "written", "level", "word"),
    [
        (979, 500, "warning", "979 bytes read"),
        (1101, 500, "warning", "1101"),
        (1000, 489, "warning", "489 bytes written"),
        (900, 500, "warning", "900"),
        (899, 500, "error", "899"),
        (1000, 0, "warning", "0 bytes written"),
    ],
)
def test_counters_that_do_not_agree_refute_it_and_missing_reads_are_an_error(mount, read, written, level, word):
    proof = prove_direct(mount, ASKED, *counted(read, written))
    assert proof.direct == "refuted"
    (note,) = proof.notes
    assert (note.check, note.level) == ("kernel_bytes", level)
    assert word in note.message


def test_a_direction_in_which_nothing_was_asked_is_not_judged(mount):
    assert prove_direct(mount, Moved(1000, 0), *counted(1000, 4096)).direct == "proved"
    proof = prove_direct(mount, Moved(0, 0), *counted(0, 0))
    assert (proof.direct, proof.read_ratio, proof.write_ratio) == ("unproved", None, None)
    assert "nothing was asked" in proof.reason


def test_without_a_counter_nothing_is_proved(mount):
    none = KernelBytes("tmpfs has no storage below it", "process")
    for before, after in ((none, none), (none, counted(1, 1)[1]), (counted(1, 1)[0], none)):
        proof = prove_direct(mount, ASKED, before, after)
        assert (proof.direct, proof.reason, proof.kernel_read) == ("unproved", none.source, None)
        assert proof.notes[0].level == "warning"


def test_a_counter_that_began_anew_proves_nothing(mount):
    assert prove_direct(mount, ASKED, *counted(-1, 500)).direct == "unproved"


def test_a_network_filesystem_that_the_process_counter_leaves_out_is_no_lie(mount):
    network = dataclasses.replace(mount, fstype="beegfs", source="beegfs_nodev", device="0:60")
    assert prove_direct(network, ASKED, *counted(0, 0)).direct == "unproved"
    assert prove_direct(network, ASKED, *counted(1000, 500)).direct == "proved"
    server = prove_direct(network, ASKED, *counted(100, 500, source="/proc/self/mountstats", scope="host"))
    assert server.direct == "refuted"
    assert server.notes[0].level == "warning", "no local device"


def test_btrfs_has_a_number_of_its_own_and_is_still_local(mount):
    assert prove_direct(dataclasses.replace(mount, device="0:40"), ASKED, *counted(0, 0)).direct == "refuted"


def test_through_the_page_cache_counters_are_judged_but_prove_no_direct_io(mount):
    proof = prove_direct(mount, ASKED, *counted(1000, 500), direct=False)
    assert (proof.direct, proof.notes) == ("refuted", ())
    assert prove_direct(mount, ASKED, *counted(0, 500), direct=False).notes[0].level == "error"
    assert (
        "not counted"
        in prove_direct(mount, ASKED, KernelBytes("no", "process"), KernelBytes("no", "process"), direct=False).notes[0].message
    )


MOUNTSTATS = """device tmpfs mounted on /dev/shm with fstype tmpfs
device server:/a mounted on /mnt/a with fstype nfs4 statvers=1.1
\tbytes:\t1 2 3 4 55 66 7 8
device server:/b mounted on /mnt/b with fstype nfs4 statvers=1.1
\tbytes:\t1 2 3 4 500 600 7 8
"""


def test_nfs_is_asked_for_the_bytes_of_its_server(mount, tmp_path):
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mountstats").write_text(MOUNTSTATS)
    nfs = dataclasses.replace(mount, fstype="nfs4", source="server:/b", target="/mnt/b")
    assert kernel_bytes(nfs, tmp_path) == KernelBytes("/proc/self/mountstats", "host", 500, 600)
    missing = kernel_bytes(dataclasses.replace(nfs, target="/mnt/c"), tmp_path)
    assert missing.read is None
    assert "no counters of server:/b" in missing.source


@pytest.mark.parametrize("text", ["", "read_bytes: x\nwrite_bytes: 1\n", "read_bytes: 1\n"])
def test_a_kernel_that_does_not_count_is_said(mount, tmp_path, text):
    (tmp_path / "self").mkdir()
    (tmp_path / "self/io").write_text(text)
    found = kernel_bytes(mount, tmp_path)
    assert found.read is found.written is None
    assert "does not count" in found.source


def test_memory_has_no_counter():
    assert kernel_bytes(mount_of("/dev/shm")) == KernelBytes("tmpfs has no storage below it", "process")


@pytest.mark.parametrize("kind", [ObjectTarget, BufferedTarget])
def test_on_a_disk_the_kernel_counts_what_was_asked_within_2_percent(tmp_path, kind):
    mount = mount_of(tmp_path)
    if mount.fstype not in ("ext4", "xfs"):
        pytest.skip(f"temporary files are on {mount.fstype}")
    chunk = MIB
    store = kind(ObjectLayout(tmp_path), Arena(1, chunk), Content(chunk))
    before, asked = kernel_bytes(mount), Moved()
    for entry in range(3):
        asked += Moved(written=store.write_object(entry, 5 * chunk + 514, pass_no=0).moved_bytes)
    for entry in (0, 1, 2, 1):
        asked += Moved(read=store.read_object(entry, 5 * chunk + 514, pass_no=0).moved_bytes)
    proof = prove_direct(mount, asked, before, kernel_bytes(mount), direct=kind is ObjectTarget)
    assert 0.98 <= proof.read_ratio <= 1.02
    assert 0.98 <= proof.write_ratio <= 1.02
    assert proof.direct == ("proved" if kind is ObjectTarget else "refuted")
    assert proof.notes == ()


def test_reads_that_memory_served_are_an_error(tmp_path, monkeypatch):
    mount = mount_of(tmp_path)
    if mount.fstype not in ("ext4", "xfs"):
        pytest.skip(f"temporary files are on {mount.fstype}")
    monkeypatch.setattr("os.posix_fadvise", lambda *_: None)
    store = BufferedTarget(ObjectLayout(tmp_path), Arena(1, MIB), Content(MIB))
    store.write_object(1, 5 * MIB, pass_no=0)
    before = kernel_bytes(mount)
    asked = Moved(read=store.read_object(1, 5 * MIB, pass_no=0).moved_bytes)
    proof = prove_direct(mount, asked, before, kernel_bytes(mount), direct=False)
    assert proof.notes[0].level == "error"
    assert "0 bytes read" in proof.notes[0].message


@pytest.mark.parametrize(("fraction", "levels"), [(0.0, []), (0.01, []), (0.011, ["error"]), (1.0, ["error"]), (None, ["warning"])])
def test_what_lay_in_memory_was_not_read_from_storage(fraction, levels):
    assert [note.level for note in residency_notes(fraction, "no cachestat")] == levels


def test_a_note_is_written_with_all_its_fields():
    assert Note("a", "info", "b").to_json() == {"check": "a", "level": "info", "message": "b"}
