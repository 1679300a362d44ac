"""Which disks and interfaces are sampled."""

from __future__ import annotations

import os

import pytest

from pytest_mlpstorage.launch import devices
from pytest_mlpstorage.launch.devices import disk_below, disks_below, interfaces


@pytest.fixture
def device(monkeypatch):
    """Have every path lie on a device of these numbers, with this place below /sys."""

    def device(major, minor, place="", partition=False):
        real, there = os.path.realpath, os.path.exists
        numbers = os.makedev(major, minor)
        monkeypatch.setattr(devices.os, "stat", lambda _path: type("Status", (), {"st_dev": numbers, "st_mode": 0, "st_rdev": 0}))
        monkeypatch.setattr(devices.os.path, "realpath", lambda path: place if path.startswith("/sys/dev/block") else real(path))
        monkeypatch.setattr(devices.os.path, "isdir", lambda _path: bool(place))
        monkeypatch.setattr(devices.os.path, "exists", lambda path: partition if path.endswith("/partition") else there(path))

    return device


def test_a_whole_disk_is_told_by_its_name(device):
    device(254, 0, "/sys/devices/virtual/block/dm-0")
    assert disk_below("/") == ("dm-0", "")


def test_of_a_partition_the_disk_is_told(device):
    device(8, 1, "/sys/devices/pci/block/sda/sda1", partition=True)
    assert disk_below("/") == ("sda", "")


def test_a_name_is_written_as_in_diskstats(device):
    device(104, 0, "/sys/devices/pci/block/cciss!c0d0")
    assert disk_below("/") == ("cciss/c0d0", "")


def test_a_device_that_sys_does_not_show_is_told_as_such(device):
    device(8, 1)
    assert disk_below("/") == ("", "on a device that /sys does not show")


def test_memory_is_no_disk():
    disk, what = disk_below("/proc/self")
    assert (disk, what) == ("", "proc proc")


def test_each_disk_comes_once_and_a_path_without_one_says_what_it_lies_on(device, tmp_path):
    device(254, 0, "/sys/devices/virtual/block/vda")
    assert disks_below([str(tmp_path), str(tmp_path / "not" / "yet")]) == (["vda"], {})


def test_a_path_that_is_not_there_lies_where_its_nearest_parent_does(tmp_path):
    assert disk_below(str(tmp_path / "not" / "yet")) == disk_below(str(tmp_path))


def test_a_path_that_cannot_be_looked_at_says_why(monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(devices.os, "stat", denied)
    assert disk_below("/") == ("", "cannot be looked at (Permission denied)")


@pytest.fixture
def net(tmp_path):
    def net(*names, hardware=()):
        for name in hardware:
            (tmp_path / "net" / name / "device").mkdir(parents=True)
        lines = "".join(f"{name:>8}: 0 0 0 0 0 0 0 0 0\n" for name in names)
        (tmp_path / "dev").write_text(f"head\nhead\n{lines}")
        return interfaces(str(tmp_path / "net"), str(tmp_path / "dev"))

    return net


def test_interfaces_with_hardware_are_told_and_no_others(net):
    assert net("lo", "eth0", "docker0", "ib0", hardware=("eth0", "ib0")) == ["eth0", "ib0"]


def test_where_none_has_hardware_all_but_the_loopback_are_told(net):
    assert net("lo", "eth0", "ifb0", "sit0") == ["eth0"]


def test_no_more_than_sixteen_interfaces_are_told(net):
    assert len(net(*(f"veth{number}" for number in range(40)))) == 16


def test_a_host_without_a_network_has_no_interface(tmp_path):
    assert interfaces(str(tmp_path), str(tmp_path / "none")) == []
