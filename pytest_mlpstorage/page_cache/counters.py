"""Bytes that the storage below a path delivered to this host, as the kernel counts them: block devices, NFS, Lustre."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.cluster.mounts import MEMORY_FILESYSTEMS, Mount, mount_of
from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.results.page_cache import UNAVAILABLE, HostIoSince

__all__ = ["HostIoCounters", "Kernel", "read_since", "start_counters"]

_SECTOR_BYTES: Final = 512
"""The unit of /proc/diskstats, whatever the device's own sectors are."""

_SERVER_READ: Final = 4
"""Place of the bytes that READ calls brought from an NFS server, among those of the line ``bytes:`` of mountstats."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """Where the kernel's files are; another place in tests."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")


@dataclasses.dataclass(frozen=True)
class HostIoCounters:
    """Counters of the storage below ``path`` at one moment (``at``, monotonic seconds); ``read_bytes`` None: ``source`` says why."""

    host: str
    path: str
    source: str
    read_bytes: int | None
    at: float
    kernel: Kernel = Kernel()


def start_counters(path: str | os.PathLike[str], kernel: Kernel = Kernel()) -> HostIoCounters:
    """Read the counters of the storage that ``path`` lies on."""
    source, count = _count(path, kernel)
    return HostIoCounters(socket.gethostname(), os.fspath(path), source, count, time.monotonic(), kernel)


def read_since(start: HostIoCounters) -> HostIoSince:
    """What that storage delivered since ``start``, to all users of this host."""
    source, count = _count(start.path, start.kernel)
    seconds = round(time.monotonic() - start.at, 6)
    if count is None or start.read_bytes is None:
        return HostIoSince(start.host, source if count is None else start.source, None, seconds)
    if count < start.read_bytes or source != start.source:
        return HostIoSince(start.host, f"{UNAVAILABLE}: the counters of {start.source} began anew", None, seconds)
    return HostIoSince(start.host, source, count - start.read_bytes, seconds)


def _count(path: str | os.PathLike[str], kernel: Kernel) -> tuple[str, int | None]:
    try:
        mount = mount_of(Path(path), read_text(kernel.proc / "self/mountinfo"))
    except OSError as error:
        return f"{UNAVAILABLE}: {error.strerror}", None
    if mount.fstype in MEMORY_FILESYSTEMS:
        return f"{UNAVAILABLE}: {mount.fstype} has no storage below it", None
    if mount.fstype in ("nfs", "nfs4"):
        return _nfs(mount, kernel)
    if mount.fstype == "lustre":
        return _lustre(mount, kernel)
    return _block(mount, kernel)


def _block(mount: Mount, kernel: Kernel) -> tuple[str, int | None]:
    """Bytes of the device that the filesystem lies on: a partition, a dm or md device has counters of its own."""
    counted = {}
    for line in read_text(kernel.proc / "diskstats").splitlines():
        words = line.split()
        if len(words) > 5 and words[5].isdigit():
            counted[f"{words[0]}:{words[1]}"] = words[2], int(words[5]) * _SECTOR_BYTES
    device = mount.device if mount.device in counted else _device_number(mount.source)
    if device not in counted:
        return f"{UNAVAILABLE}: {mount.fstype} on {mount.source} is on no device that the kernel counts", None
    by_name = dict(counted.values())
    names = sorted(_members(counted[device][0], kernel) & by_name.keys())
    if any(name.startswith("pmem") for name in names):
        return f"{UNAVAILABLE}: what is read of persistent memory passes by the counters", None
    silent = [name for name in names if any(read_text(disk / "queue/iostats") == "0" for disk in _disks(name, kernel))]
    if silent:
        return f"{UNAVAILABLE}: counting is switched off for {', '.join(silent)} (queue/iostats)", None
    return f"diskstats {' '.join(names)}", sum(by_name[name] for name in names)


def _disks(name: str, kernel: Kernel) -> Iterator[Path]:
    """The folder of a disk, or of the disk that a partition lies on, which alone has the switch."""
    yield kernel.sys / "block" / name
    yield from (partition.parent for partition in kernel.sys.glob(f"block/*/{name}"))


def _device_number(source: str) -> str:
    """``major:minor`` of a device file: btrfs shows a number of its own on its mounts."""
    try:
        number = Path(source).stat().st_rdev
    except (OSError, ValueError):
        return ""
    return f"{os.major(number)}:{os.minor(number)}"


def _members(name: str, kernel: Kernel) -> set[str]:
    """The device, or all devices of the btrfs that it belongs to."""
    for holder in kernel.sys.glob("fs/btrfs/*/devices"):
        members = {entry.name for entry in holder.iterdir()}
        if name in members:
            return members
    return {name}


def _nfs(mount: Mount, kernel: Kernel) -> tuple[str, int | None]:
    head = f"device {mount.source} mounted on {mount.target} with fstype nfs"
    ours = False
    for line in read_text(kernel.proc / "self/mountstats").splitlines():
        if line.startswith("device "):
            ours = line.startswith(head)
        words = line.split()
        if ours and words[:1] == ["bytes:"] and len(words) > _SERVER_READ + 1 and words[_SERVER_READ + 1].isdigit():
            return f"mountstats {mount.source}", int(words[_SERVER_READ + 1])
    return f"{UNAVAILABLE}: no counters of {mount.source} in {kernel.proc}/self/mountstats", None


_SUM: Final = re.compile(r"^(?P<name>\w+)\s+\d+ samples \[bytes\] \d+ \d+ (?P<sum>\d+)", re.MULTILINE)


def _lustre(mount: Mount, kernel: Kernel) -> tuple[str, int | None]:
    """Bytes that the object servers sent. ``read_bytes`` of llite would not do: it counts reads served from memory too."""
    name = mount.source.rpartition(":/")[2].partition("/")[0]
    for folder, pattern, wanted in (
        ("osc", f"{name}-OST*/stats", "read_bytes"),
        ("llite", f"{name}-*/stats", "osc_read"),
    ):
        sums = [value for file in _lustre_files(kernel, folder, pattern) for value in _sums(read_text(file), wanted)]
        if sums:
            return f"lustre {folder} {name}", sum(sums)
    return f"{UNAVAILABLE}: no counters of the Lustre filesystem {name} that this user may read", None


def _lustre_files(kernel: Kernel, folder: str, pattern: str) -> Iterator[Path]:
    for base in (kernel.proc / "fs/lustre", kernel.sys / "kernel/debug/lustre"):
        try:
            yield from (base / folder).glob(pattern)
        except OSError:  # debugfs is root's
            continue


def _sums(text: str, wanted: str) -> Iterator[int]:
    yield from (int(found["sum"]) for found in _SUM.finditer(text) if found["name"] == wanted)
