"""NUMA nodes, interfaces and disks, read from a /sys that is made here, and from this machine's."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from pytest_mlpstorage.cluster import hardware
from pytest_mlpstorage.cluster.hardware import block_devices, interfaces, is_virtual, numa_nodes
from pytest_mlpstorage.results.host_parts import BlockDevice, Interface, Mount, NumaNode


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def mount(path, device="0:0", source="none"):
    return Mount(path, True, "/", "ext4", source, "rw", device, 1, 1, True)


@pytest.fixture
def disk(tmp_path):
    """A disk ``nvme0n1`` of 1 GiB with one partition, 259:1."""
    disk = tmp_path / "devices/pci0/nvme0n1"
    write(disk / "size", 2 * 1024**2)
    write(disk / "device/model", "Fast Disk 9  ")
    write(disk / "queue/rotational", 0)
    write(disk / "queue/scheduler", "none [mq-deadline] kyber")
    write(disk / "queue/read_ahead_kb", 128)
    write(disk / "nvme0n1p1/partition", 1)
    for number, folder in (("259:0", disk), ("259:1", disk / "nvme0n1p1")):
        (tmp_path / "dev/block").mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev/block" / number).symlink_to(folder)
    (tmp_path / "class/block").mkdir(parents=True)
    (tmp_path / "class/block/nvme0n1p1").symlink_to(disk / "nvme0n1p1")
    return BlockDevice("nvme0n1", 1024**3, "Fast Disk 9", False, "mq-deadline", 128 * 1024)


def paths_of(found):
    return {device.name: device.paths for device in found}


def test_a_disk_is_told_with_all_paths_on_it_and_its_partitions(disk, tmp_path):
    found = block_devices([mount("/a", "259:0"), mount("/b", "259:1"), mount("/b/c", "259:1"), mount("/a", "259:0")], tmp_path)
    assert found == (BlockDevice(**{**vars(disk), "paths": ("/a", "/b", "/b/c")}),)


def test_the_disks_below_software_raid_are_told_and_not_the_raid(disk, tmp_path):
    other = tmp_path / "devices/pci0/sdb"
    write(other / "size", 2)
    raid = tmp_path / "devices/virtual/block/md0"
    (raid / "slaves").mkdir(parents=True)
    (raid / "slaves/nvme0n1p1").symlink_to(tmp_path / "dev/block/259:1")
    (raid / "slaves/sdb").symlink_to(other)
    (tmp_path / "dev/block/9:0").symlink_to(raid)
    found = block_devices([mount("/raid", "9:0")], tmp_path)
    assert paths_of(found) == {"nvme0n1": ("/raid",), "sdb": ("/raid",)}
    assert (found[1].size_bytes, found[1].model, found[1].rotational, found[1].scheduler, found[1].read_ahead_bytes) == (
        1024,
        "",
        None,
        "",
        None,
    )


def test_a_filesystem_with_a_number_of_its_own_is_found_by_the_name_of_its_device(disk, tmp_path):
    assert paths_of(block_devices([mount("/btrfs", "0:41", "/dev/nvme0n1p1")], tmp_path)) == {"nvme0n1": ("/btrfs",)}


@pytest.mark.parametrize("source", ["server:/export", "tmpfs", "/dev/gone"])
def test_a_filesystem_without_a_disk_here_has_none(disk, tmp_path, source):
    assert block_devices([mount("/far", "0:50", source)], tmp_path) == ()


def test_nodes_have_their_memory_and_cores_and_come_by_number(tmp_path):
    for number in (10, 2):
        write(tmp_path / f"devices/system/node/node{number}/cpulist", f"{number}-{number + 1}")
        write(
            tmp_path / f"devices/system/node/node{number}/meminfo",
            f"Node {number} MemTotal:       {number} kB\nNode {number} MemFree: 1 kB",
        )
    write(tmp_path / "devices/system/node/nodes_of_another_kind/cpulist", "9")
    assert numa_nodes(tmp_path) == (NumaNode(2, "2-3", 2048), NumaNode(10, "10-11", 10240))


def test_a_kernel_without_nodes_has_none(tmp_path):
    assert numa_nodes(tmp_path) == ()


@pytest.fixture
def addresses(monkeypatch):
    def address(family, text, mask):
        return SimpleNamespace(family=family, address=text, netmask=mask)

    four, six = socket.AF_INET, socket.AF_INET6
    told = {
        "eth0": [
            address(six, "fd00::2", "ffff:ffff:ffff:ffff::"),
            address(four, "10.0.0.1", "255.255.255.0"),
            address(six, "fe80::1%eth0", "ffff:ffff:ffff:ffff::"),
            address(psutil.AF_LINK, "02:fc:00:00:00:01", None),
        ],
        "tun0": [address(four, "10.9.0.1", None), address(six, "fd00::3", None)],
        "lo": [address(four, "127.0.0.1", "255.0.0.0")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: told)


def test_an_interface_has_its_speed_driver_and_addresses(tmp_path, addresses):
    device = tmp_path / "devices/pci0/nic"
    (tmp_path / "drivers/mlx5_core").mkdir(parents=True)
    device.mkdir(parents=True)
    (device / "driver").symlink_to(tmp_path / "drivers/mlx5_core")
    for name, values in {"eth0": ("up", "9000", "100000"), "tun0": ("unknown", "1420", "-1"), "lo": ("unknown", "65536", "")}.items():
        for key, value in zip(("operstate", "mtu", "speed"), values, strict=True):
            write(tmp_path / "class/net" / name / key, value)
    (tmp_path / "class/net/eth0/device").symlink_to(device)
    write(tmp_path / "class/net/bonding_masters", "")
    assert interfaces(tmp_path) == (
        Interface("eth0", "up", 9000, 100000, "mlx5_core", True, ("10.0.0.1/24", "fd00::2/64")),
        Interface("tun0", "unknown", 1420, None, "", False, ("10.9.0.1/32", "fd00::3/128")),
    )


def test_this_machine_is_told():
    assert sum(node.memory_bytes for node in numa_nodes()) >= 0
    assert "lo" not in [interface.name for interface in interfaces()]


@pytest.mark.parametrize(("flags", "virtual"), [("fpu hypervisor sse", True), ("fpu sse", False)])
def test_a_hypervisor_is_told_by_the_processor(monkeypatch, flags, virtual):
    monkeypatch.setattr(hardware, "read_text", lambda _: f"processor : 0\nflags : {flags}")
    assert is_virtual() is virtual
