"""NUMA nodes, network interfaces and disks of this host, from /sys; what a kernel or container does not show is left out."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.results.host_parts import BlockDevice, Interface, Mount, NumaNode

__all__ = ["block_devices", "interfaces", "is_virtual", "numa_nodes"]

_SYS = Path("/sys")
_NODE = re.compile(r"node(\d+)")
_CHOSEN = re.compile(r"\[(.+?)\]")
_SECTOR_BYTES = 512


def numa_nodes(sys: Path = _SYS) -> tuple[NumaNode, ...]:
    """Every NUMA node by number."""
    found = []
    for folder in (sys / "devices/system/node").glob("node*"):
        if match := _NODE.fullmatch(folder.name):
            words = read_text(folder / "meminfo").partition("MemTotal:")[2].split()
            found.append(NumaNode(int(match[1]), read_text(folder / "cpulist"), int(words[0]) * 1024 if words else 0))
    return tuple(sorted(found, key=lambda node: node.number))


def interfaces(sys: Path = _SYS) -> tuple[Interface, ...]:
    """Every network interface but loopback, by name."""
    addresses = _addresses()
    found = []
    for folder in sorted((sys / "class/net").glob("*")):
        if folder.name == "lo" or not folder.is_dir():
            continue
        driver = folder / "device/driver"
        speed = _number(read_text(folder / "speed"))
        found.append(
            Interface(
                name=folder.name,
                state=read_text(folder / "operstate"),
                mtu=_number(read_text(folder / "mtu")) or 0,
                speed_mbps=speed if speed is not None and speed > 0 else None,
                driver=driver.resolve().name if driver.exists() else "",
                physical=(folder / "device").exists(),
                addresses=tuple(addresses.get(folder.name, ())),
            )
        )
    return tuple(found)


def _addresses() -> dict[str, list[str]]:
    """Addresses of each interface with the length of their network, IPv4 before IPv6; link-local ones are left out."""
    import psutil

    found: dict[str, list[str]] = {}
    for name, entries in psutil.net_if_addrs().items():
        told = sorted((entry for entry in entries if entry.family in (socket.AF_INET, socket.AF_INET6)), key=lambda entry: entry.family)
        found[name] = [
            f"{entry.address.partition('%')[0]}/{_prefix(entry.netmask, entry.family)}"
            for entry in told
            if not entry.address.startswith("fe80:")
        ]
    return found


def _prefix(mask: str | None, family: int) -> int:
    """Ones of a netmask: 24 for 255.255.255.0; an address without one is alone in its network."""
    if not mask:
        return 128 if family == socket.AF_INET6 else 32
    return int.from_bytes(socket.inet_pton(family, mask), "big").bit_count()


def is_virtual() -> bool:
    """Whether a hypervisor shows this machine: what it tells of its disks and interfaces is then not to be trusted."""
    return " hypervisor" in read_text("/proc/cpuinfo")


def block_devices(mounts: Iterable[Mount], sys: Path = _SYS) -> tuple[BlockDevice, ...]:
    """The whole disks below these mounts, also below partitions, LVM, encryption and software RAID; none for a network filesystem."""
    paths: dict[str, list[str]] = {}
    folders: dict[str, Path] = {}
    for mount in mounts:
        for folder in _disks(_device_folder(mount, sys)):
            folders[folder.name] = folder
            paths.setdefault(folder.name, []).append(mount.path)
    return tuple(_device(folders[name], paths[name]) for name in sorted(folders))


def _device_folder(mount: Mount, sys: Path) -> Path:
    """Where /sys describes the device of a mount; btrfs and others have a number of no device, and tell its name as their source."""
    folder = sys / "dev/block" / mount.device
    if not folder.exists() and mount.source.startswith("/dev/"):
        folder = sys / "class/block" / Path(mount.source).resolve().name
    return folder.resolve()


def _disks(folder: Path) -> Iterator[Path]:
    if not folder.exists():
        return
    if (folder / "partition").exists():
        yield from _disks(folder.parent)
    elif below := sorted((folder / "slaves").glob("*")):
        for slave in below:
            yield from _disks(slave.resolve())
    else:
        yield folder


def _device(folder: Path, paths: list[str]) -> BlockDevice:
    queue = folder / "queue"
    rotational, ahead = read_text(queue / "rotational"), _number(read_text(queue / "read_ahead_kb"))
    chosen = _CHOSEN.search(read_text(queue / "scheduler"))
    return BlockDevice(
        name=folder.name,
        size_bytes=(_number(read_text(folder / "size")) or 0) * _SECTOR_BYTES,
        model=read_text(folder / "device/model"),
        rotational={"1": True, "0": False}.get(rotational),
        scheduler=chosen[1] if chosen else "",
        read_ahead_bytes=None if ahead is None else ahead * 1024,
        paths=tuple(dict.fromkeys(paths)),
    )


def _number(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdigit() else None
