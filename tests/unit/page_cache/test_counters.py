"""Bytes that storage delivered, by the kernel's counters: real ones of a disk, written ones of what is not here."""

from pathlib import Path

import pytest

from pytest_mlpstorage.page_cache import counters, make_cold, read_since, start_counters
from pytest_mlpstorage.page_cache.counters import Kernel

DISKSTATS = """\
 259       0 nvme0n1 100 0 1000 5 0 0 0 0 0 5 5
 259       1 nvme0n1p1 90 0 900 5 0 0 0 0 0 5 5
 253       0 dm-0 80 0 800 5 0 0 0 0 0 5 5
   9     127 md127 70 0 700 5 0 0 0 0 0 5 5
   8      16 sdb 60 0 600 5 0 0 0 0 0 5 5
   8      32 sdc 50 0 500 5 0 0 0 0 0 5 5
 259       5 pmem0 10 0 100 5 0 0 0 0 0 5 5
"""
MOUNTSTATS = """\
device /dev/sda1 mounted on / with fstype ext4
device srv:/other mounted on /other with fstype nfs4 statvers=1.1
\tbytes:\t1 2 3 4 5 6 7 8
device srv:/export mounted on {place} with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2
\tage:\t12
\tbytes:\t900 2 3 4 {read} 6 7 8
\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)
"""
OSC = """\
snapshot_time             1602168259.393132 secs.nsecs
req_waittime              6 samples [usec] 1 2 3 4
read_bytes                2 samples [bytes] 4096 1048576 {read} 1
write_bytes               9 samples [bytes] 4096 1048576 777 1
"""


@pytest.fixture
def kernel(tmp_path):
    """The kernel's files in a folder; the folder itself lies on whatever ``mounted`` says."""
    made = Kernel(tmp_path / "proc", tmp_path / "sys")
    (made.proc / "self").mkdir(parents=True)
    made.sys.mkdir()
    (made.proc / "diskstats").write_text(DISKSTATS)
    return made


def mounted(kernel, fstype, source, device="0:50"):
    place = kernel.proc.parent
    (kernel.proc / "self/mountinfo").write_text(
        f"1 0 8:1 / / rw - ext4 /dev/root rw\n2 1 {device} / {place} rw,relatime shared:1 - {fstype} {source} rw\n"
    )
    return place


def counted(kernel):
    found = start_counters(kernel.proc.parent, kernel)
    return found.source, found.read_bytes


@pytest.mark.parametrize(
    ("device", "source", "name", "sectors"),
    [("259:1", "/dev/nvme0n1p1", "nvme0n1p1", 900), ("253:0", "/dev/mapper/vg-data", "dm-0", 800), ("9:127", "/dev/md127", "md127", 700)],
)
def test_a_partition_and_a_stacked_device_have_counters_of_their_own(kernel, device, source, name, sectors):
    mounted(kernel, "xfs", source, device)
    assert counted(kernel) == (f"diskstats {name}", sectors * 512)


def test_a_filesystem_with_a_number_of_its_own_is_found_by_its_device_file_and_all_its_devices_count(kernel, monkeypatch):
    mounted(kernel, "btrfs", "/dev/sdb")
    monkeypatch.setattr(counters, "_device_number", {"/dev/sdb": "8:16"}.get)
    assert counted(kernel) == ("diskstats sdb", 600 * 512)
    for uuid, names in (("a", ["sdz"]), ("b", ["sdb", "sdc"])):
        for name in names:
            (kernel.sys / "fs/btrfs" / uuid / "devices" / name).mkdir(parents=True)
    assert counted(kernel) == ("diskstats sdb sdc", 1100 * 512)


def test_a_device_file_that_is_not_there_has_no_number():
    assert counters._device_number("pool/data") == ""
    assert counters._device_number("x\0y") == ""
    assert counters._device_number("/dev/null") == "1:3"


@pytest.mark.parametrize(
    ("fstype", "source", "device", "reason"),
    [
        ("tmpfs", "tmpfs", "0:50", "unavailable: tmpfs has no storage below it"),
        ("zfs", "pool/data", "0:50", "unavailable: zfs on pool/data is on no device that the kernel counts"),
        ("overlay", "overlay", "0:50", "unavailable: overlay on overlay is on no device that the kernel counts"),
        ("ext4", "/dev/pmem0", "259:5", "unavailable: what is read of persistent memory passes by the counters"),
    ],
)
def test_storage_that_nobody_counts_is_said_to_be_so(kernel, fstype, source, device, reason):
    mounted(kernel, fstype, source, device)
    assert counted(kernel) == (reason, None)


def test_a_device_whose_counting_is_switched_off_does_not_count_as_silent(kernel):
    mounted(kernel, "xfs", "/dev/sdb", "8:16")
    (kernel.sys / "block/sdb/queue").mkdir(parents=True)
    (kernel.sys / "block/sdb/queue/iostats").write_text("1\n")
    assert counted(kernel) == ("diskstats sdb", 600 * 512)
    (kernel.sys / "block/sdb/queue/iostats").write_text("0\n")
    assert counted(kernel) == ("unavailable: counting is switched off for sdb (queue/iostats)", None)


def test_of_nfs_the_bytes_that_the_server_sent_count_on_the_mount_in_question(kernel):
    place = mounted(kernel, "nfs4", "srv:/export")
    (kernel.proc / "self/mountstats").write_text(MOUNTSTATS.format(place=place, read=5000))
    start = start_counters(place, kernel)
    assert (start.source, start.read_bytes) == ("mountstats srv:/export", 5000)
    (kernel.proc / "self/mountstats").write_text(MOUNTSTATS.format(place=place, read=7500))
    assert (read_since(start).source, read_since(start).device_read_bytes) == ("mountstats srv:/export", 2500)


def test_nfs_without_its_counters_is_unavailable(kernel):
    place = mounted(kernel, "nfs", "srv:/export")
    assert counted(kernel)[1] is None
    (kernel.proc / "self/mountstats").write_text(MOUNTSTATS.format(place="/elsewhere", read=1))
    assert counted(kernel) == (f"unavailable: no counters of srv:/export in {kernel.proc}/self/mountstats", None)
    assert place.is_dir()


def test_of_lustre_the_bytes_of_all_object_servers_count_and_not_those_of_the_application(kernel):
    mounted(kernel, "lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/scratch/below")
    (kernel.proc / "fs/lustre/llite/scratch-ffff").mkdir(parents=True)
    (kernel.proc / "fs/lustre/llite/scratch-ffff/stats").write_text(OSC.format(read=99))
    assert counted(kernel) == ("unavailable: no counters of the Lustre filesystem scratch that this user may read", None)
    for number, name in enumerate(("scratch-OST0000-osc-ffff", "scratch-OST0001-osc-ffff", "other-OST0000-osc-ffff")):
        (kernel.sys / "kernel/debug/lustre/osc" / name).mkdir(parents=True)
        (kernel.sys / "kernel/debug/lustre/osc" / name / "stats").write_text(OSC.format(read=1000 + number))
    assert counted(kernel) == ("lustre osc scratch", 2001)


def test_of_an_older_lustre_the_line_on_its_servers_counts(kernel):
    mounted(kernel, "lustre", "mgs@o2ib:/scratch")
    (kernel.proc / "fs/lustre/llite/scratch-ffff").mkdir(parents=True)
    (kernel.proc / "fs/lustre/llite/scratch-ffff/stats").write_text("osc_read  3 samples [bytes] 1 2 4444\n")
    assert counted(kernel) == ("lustre llite scratch", 4444)


def test_counters_that_began_anew_tell_nothing(kernel):
    place = mounted(kernel, "xfs", "/dev/sdb", "8:16")
    start = start_counters(place, kernel)
    (kernel.proc / "diskstats").write_text(DISKSTATS.replace(" 60 0 600 ", " 1 0 10 "))
    found = read_since(start)
    assert (found.device_read_bytes, found.source) == (None, "unavailable: the counters of diskstats sdb began anew")


def test_a_counter_that_is_gone_at_the_end_tells_nothing(kernel):
    place = mounted(kernel, "xfs", "/dev/sdb", "8:16")
    start = start_counters(place, kernel)
    (kernel.proc / "diskstats").write_text("")
    found = read_since(start)
    assert (found.device_read_bytes, found.source) == (None, "unavailable: xfs on /dev/sdb is on no device that the kernel counts")


def test_lines_that_are_no_counters_are_passed_over(kernel):
    mounted(kernel, "xfs", "/dev/sdb", "8:16")
    (kernel.proc / "diskstats").write_text("\nshort line\n 8 16 sdb x y z\n" + DISKSTATS)
    assert counted(kernel) == ("diskstats sdb", 600 * 512)


def test_a_real_device_counts_what_is_read_of_dropped_files_and_nothing_of_resident_ones(written, disk):
    start = start_counters(disk)
    if start.read_bytes is None:
        pytest.skip(f"this machine's storage has no counter: {start.source}")
    assert start.source.startswith("diskstats ")
    size = sum(file.stat().st_size for file in written)
    make_cold(written, drop=True, budget_seconds=1.0)
    before = own_reads()
    start = start_counters(disk)
    for file in written:
        file.read_bytes()
    assert read_since(start).device_read_bytes >= size
    assert own_reads() - before >= size
    before = own_reads()
    for file in written:
        file.read_bytes()
    assert own_reads() - before == 0  # of this process alone: others read from the device too


def own_reads():
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def test_a_partition_counts_by_the_switch_of_its_disk(kernel):
    mounted(kernel, "xfs", "/dev/nvme0n1p1", "259:1")
    (kernel.sys / "block/nvme0n1/queue").mkdir(parents=True)
    (kernel.sys / "block/nvme0n1/nvme0n1p1").mkdir()
    (kernel.sys / "block/nvme0n1/queue/iostats").write_text("1\n")
    assert counted(kernel) == ("diskstats nvme0n1p1", 900 * 512)
    (kernel.sys / "block/nvme0n1/queue/iostats").write_text("0\n")
    assert counted(kernel) == ("unavailable: counting is switched off for nvme0n1p1 (queue/iostats)", None)
