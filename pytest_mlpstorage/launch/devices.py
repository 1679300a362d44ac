"""Which devices of a host its counters are to be read of: the disks below the paths under test, and the network interfaces.

Standard library only, and os instead of pathlib: the sampler of every launched run waits for these imports.
"""

# ruff: noqa: PTH110, PTH112, PTH116, PTH118, PTH119, PTH120, PTH123
from __future__ import annotations

import os
import stat
from collections.abc import Sequence

__all__ = ["disk_below", "disks_below", "interfaces"]

_MOST_INTERFACES = 16
_NO_INTERFACES = ("lo", "sit", "ifb", "dummy", "bonding_masters")


def disks_below(paths: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Kernel names of the whole disks below the paths, each once; and for a path without one what it lies on instead."""
    disks: list[str] = []
    without: dict[str, str] = {}
    for path in paths:
        disk, what = disk_below(path)
        if not disk:
            without[path] = what
        elif disk not in disks:
            disks.append(disk)
    return disks, without


def disk_below(path: str) -> tuple[str, str]:
    """The whole disk below a path, or an empty text and what is there instead.

    Of a path that is not there yet its nearest parent counts.
    """
    there = os.path.realpath(path)
    while not os.path.exists(there) and there != os.path.dirname(there):
        there = os.path.dirname(there)
    try:
        device = os.stat(there).st_dev
    except OSError as error:
        return "", f"cannot be looked at ({error.strerror})"
    fstype, source = "", ""
    if os.major(device) == 0:  # a filesystem that the kernel gives no device of its own, such as NFS, tmpfs or btrfs
        fstype, source = _mount(there)
        try:
            status = os.stat(source) if source.startswith("/dev/") else None
        except OSError:
            status = None
        if status is None or not stat.S_ISBLK(status.st_mode):
            return "", f"{fstype} {source}".strip() or "an unknown filesystem"
        device = status.st_rdev
    name = _whole_disk(os.major(device), os.minor(device))
    return (name, "") if name else ("", f"{fstype} on a device that /sys does not show".strip())


def _whole_disk(major: int, minor: int) -> str:
    """A partition has no counters of its own queue: the disk that it is a part of is told."""
    try:
        place = os.path.realpath(f"/sys/dev/block/{major}:{minor}")
        if not os.path.isdir(place):
            return ""
        if os.path.exists(os.path.join(place, "partition")):
            place = os.path.dirname(place)
    except OSError:
        return ""
    return os.path.basename(place).replace("!", "/")  # as /proc/diskstats writes it


def _mount(path: str) -> tuple[str, str]:
    """Type and source of the filesystem that a path lies on: the last of the longest mounts that hold it."""
    found = ("", "", "")
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return "", ""
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, (fstype, source) = left.split(), right.split()[:2]
        target = _plain(fields[4])
        if (path == target or path.startswith(target.rstrip("/") + "/")) and len(target) >= len(found[0]):
            found = (target, fstype, _plain(source))
    return found[1:]


def _plain(text: str) -> str:
    """The kernel writes blanks and backslashes of a path as octal numbers."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text


def interfaces(root: str = "/sys/class/net", table: str = "/proc/net/dev") -> list[str]:
    """Interfaces that carry traffic of their own: those with hardware below them, else all but the loopback and its like; 16 at most."""
    try:
        with open(table, encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[0].strip() for line in file.read().splitlines()[2:]]
    except OSError:
        return []
    real = [name for name in names if os.path.exists(f"{root}/{name}/device")]
    return (real or [name for name in names if not name.startswith(_NO_INTERFACES)])[:_MOST_INTERFACES]
