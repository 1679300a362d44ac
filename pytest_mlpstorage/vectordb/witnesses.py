"""What was read while a phase lasted, by two witnesses: the counters of the engine's own processes, and the block device's.

Of a process only ``read_bytes`` is believed: ``syscr`` and ``rchar`` do not move under io_uring, and count what memory served.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.cluster.mounts import MEMORY_FILESYSTEMS, mount_of
from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.page_cache.counters import Kernel

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.engine import ProcessIdentity

__all__ = ["PAGE", "DeviceCount", "ProcessCount", "ReadCount", "Snapshot", "identity", "reads_between", "snapshot"]

PAGE: Final = 4096
_SECTOR: Final = 512
_KERNEL: Final = Kernel()
_STACKED: Final = frozenset({"overlay", "aufs", "fuse.fuse-overlayfs"})
_SHARE, _SLACK = 0.20, 1_000_000
"""Witnesses agree to within a fifth and a megabyte."""

_READERS_NAMED: Final = 3


@dataclasses.dataclass(frozen=True)
class ProcessCount:
    """Bytes that a process had read from storage, all its threads and the children that it buried together."""

    read_bytes: int
    parent: int
    name: str = ""


@dataclasses.dataclass(frozen=True)
class DeviceCount:
    """What a block device had delivered to all its users; ``name`` is empty where there is none, and ``reason`` says why."""

    name: str = ""
    reads: int = 0
    read_bytes: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """All counters at one moment. ``unseen`` are processes of the engine that are gone or tell this user nothing."""

    processes: Mapping[ProcessIdentity, ProcessCount] | None
    unseen: tuple[ProcessIdentity, ...]
    device: DeviceCount
    everybody: Mapping[ProcessIdentity, ProcessCount]


@dataclasses.dataclass(frozen=True)
class ReadCount:
    """Bytes between two snapshots; None where a witness saw nothing, with the reason.

    ``others`` are the largest readers beside the engine, by name.
    """

    process_bytes: int | None
    process_reason: str
    device_name: str
    device_bytes: int | None
    device_reads: int | None
    device_reason: str
    others: tuple[tuple[str, int], ...] = ()

    def per_query(self, searches: int) -> dict[str, Any]:
        """As in ``mlps.phases``: ``searches`` counts those that failed too, for they may have read."""

        def each(value: int | None, unit: int = 1) -> float | None:
            return value / unit / searches if value is not None and searches else None

        return {
            "read_4kib_per_query": each(self.process_bytes, PAGE),
            "device_reads_per_query": each(self.device_reads),
            "read_bytes_per_query": each(self.process_bytes),
            "read_bytes_process": self.process_bytes,
            "read_bytes_device": self.device_bytes,
            "device": self.device_name or None,
            "process_not_applicable": self.process_reason or None,
            "device_not_applicable": self.device_reason or None,
            "disagreement": self.disagreement or None,
        }

    @property
    def disagreement(self) -> str:
        """What to warn of where both witnesses saw something and do not agree; else empty."""
        if self.process_bytes is None or self.device_bytes is None:
            return ""
        apart = abs(self.device_bytes - self.process_bytes)
        if apart <= _SHARE * max(self.process_bytes, self.device_bytes) + _SLACK:
            return ""
        text = f"{self.device_name} delivered {self.device_bytes} bytes, and the engine's processes read {self.process_bytes}"
        if self.device_bytes < self.process_bytes:
            return f"{text}: its files are not all on that device, or something below it served them"
        named = ", ".join(f"{name} ({count} bytes)" for name, count in self.others)
        return f"{text}; other readers: {named or 'none that this user may see'}"

    def __add__(self, other: ReadCount) -> ReadCount:
        """Those of another host."""

        def both(left: int | None, right: int | None) -> int | None:
            return None if left is None or right is None else left + right

        return ReadCount(
            both(self.process_bytes, other.process_bytes),
            self.process_reason or other.process_reason,
            self.device_name if self.device_name == other.device_name else f"{self.device_name} {other.device_name}".strip(),
            both(self.device_bytes, other.device_bytes),
            both(self.device_reads, other.device_reads),
            self.device_reason or other.device_reason,
            tuple(sorted((*self.others, *other.others), key=lambda reader: -reader[1])[:_READERS_NAMED]),
        )


def identity(pid: int, kernel: Kernel = _KERNEL) -> ProcessIdentity | None:
    """A process by its number and start time; None where there is none."""
    fields = _status(kernel.proc / str(pid))
    return None if fields is None else (pid, fields[1])


def snapshot(processes: Iterable[ProcessIdentity] | None, path: Path | None, kernel: Kernel = _KERNEL) -> Snapshot:
    """Read all counters now: those of the engine's ``processes`` (None: it cannot show them) and of the device that ``path`` is on."""
    everybody = {}
    for folder in kernel.proc.iterdir():
        if folder.name.isdigit():
            found = _process(folder)
            if found is not None:
                everybody[int(folder.name), found[0]] = found[1]
    device = DeviceCount(reason="the engine does not show its files") if path is None else _device(path, kernel)
    if processes is None:
        return Snapshot(None, (), device, everybody)
    wanted = set(processes)
    seen = {who: everybody[who] for who in wanted & everybody.keys()}
    return Snapshot(seen, tuple(sorted(wanted - seen.keys())), device, everybody)


def reads_between(begin: Snapshot, end: Snapshot) -> ReadCount:
    """What was read between two snapshots.

    A process that began after the first counts from nothing. One that ended before the second must have been buried by one of the
    engine's own, in whose counter its bytes then are; else nobody knows how much it read.
    """
    process_bytes, process_reason = _of_processes(begin, end)
    engine = set(begin.processes or ()) | set(end.processes or ())
    grown = {who: count.read_bytes - _before(begin, who) for who, count in end.everybody.items() if who not in engine}
    others = sorted(((who, size) for who, size in grown.items() if size > 0), key=lambda reader: -reader[1])[:_READERS_NAMED]
    named = tuple((f"{end.everybody[who].name or 'process'} [{who[0]}]", size) for who, size in others)
    first, last = begin.device, end.device
    reason = last.reason or first.reason
    if not reason and (first.name != last.name or last.read_bytes < first.read_bytes):
        reason = f"the counters of {first.name} began anew"
    if reason:
        return ReadCount(process_bytes, process_reason, "", None, None, reason, named)
    return ReadCount(process_bytes, process_reason, last.name, last.read_bytes - first.read_bytes, last.reads - first.reads, "", named)


def _of_processes(begin: Snapshot, end: Snapshot) -> tuple[int | None, str]:
    if begin.processes is None or end.processes is None:
        return None, "the engine does not show its processes"
    if not begin.processes and not end.processes:
        return None, "none of the engine's processes can be seen by this user"
    if end.unseen or begin.unseen:
        hidden = [who for who in {*begin.unseen, *end.unseen} if not _buried_by_ours(who, begin, end)]
        if hidden:
            return None, f"the counters of process {hidden[0][0]} of the engine cannot be read by this user, or it is gone"
    lost = [who for who in begin.processes if who not in end.everybody and not _buried_by_ours(who, begin, end)]
    if lost:
        return None, f"process {lost[0][0]} of the engine ended, and what it read is counted nowhere"
    total = 0
    for who, count in end.everybody.items():
        if who in end.processes or who in begin.processes:
            total += count.read_bytes
    for who in {*begin.processes, *end.processes}:
        total -= _before(begin, who)
    return total, ""


def _buried_by_ours(who: ProcessIdentity, begin: Snapshot, end: Snapshot) -> bool:
    """Whether a process that is gone had a parent among the engine's processes that is still there."""
    known = begin.everybody.get(who)
    return known is not None and any(pid == known.parent for pid, _ in end.processes or ())


def _before(begin: Snapshot, who: ProcessIdentity) -> int:
    count = begin.everybody.get(who)
    return 0 if count is None else count.read_bytes


def _status(folder: Path) -> tuple[int, int, str] | None:
    """Parent, start time in clock ticks and name of a process; a name may hold blanks and brackets."""
    head, found, rest = read_text(folder / "stat").rpartition(")")
    words = rest.split()
    if not found or len(words) < 20 or not words[19].isdigit() or not words[1].isdigit():
        return None
    return int(words[1]), int(words[19]), head.partition("(")[2]


def _process(folder: Path) -> tuple[int, ProcessCount] | None:
    fields = _status(folder)
    if fields is None:
        return None
    for line in read_text(folder / "io").splitlines():
        name, _, value = line.partition(": ")
        if name == "read_bytes" and value.isdigit():
            return fields[1], ProcessCount(int(value), fields[0], fields[2])
    return None


def _device(path: Path, kernel: Kernel) -> DeviceCount:
    try:
        mount = mount_of(path, read_text(kernel.proc / "self/mountinfo"))
        number = path.stat().st_dev
    except OSError as error:
        return DeviceCount(reason=f"{path}: {error.strerror}")
    if mount.fstype in MEMORY_FILESYSTEMS:
        return DeviceCount(reason=f"{mount.fstype} has no storage below it")
    major, minor = os.major(number), os.minor(number)
    if mount.fstype in _STACKED or major == 0:
        return DeviceCount(reason=f"{mount.fstype} is on no block device of its own")
    for line in read_text(kernel.proc / "diskstats").splitlines():
        words = line.split()
        if words[:2] == [str(major), str(minor)] and len(words) > 5:
            name = words[2]
            switches = (kernel.sys / "block" / name / "queue/iostats", kernel.sys / f"dev/block/{major}:{minor}/../queue/iostats")
            if any(read_text(switch) == "0" for switch in switches):
                return DeviceCount(reason=f"counting is switched off for {name} (queue/iostats)")
            return DeviceCount(name, int(words[3]), int(words[5]) * _SECTOR)
    return DeviceCount(reason=f"the kernel does not count what the device {major}:{minor} of {mount.fstype} reads")
