"""What a host does, from the kernel's counters: a row of rates and levels for the time between one look and the next.

Read from /proc directly, and not through psutil: it reads the same files, offers no counter more, and a sample costs twice as much.
Standard library only, and little of it: the sampler of every launched run waits for these imports.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = ["HOST_COLUMNS", "Counters", "columns_of"]

HOST_COLUMNS = (
    "cpu_busy_percent", "cpu_iowait_percent", "cpu_busiest_percent", "load_1min", "tasks_running", "tasks_blocked",
    "memory_used_bytes", "memory_cached_bytes", "memory_dirty_bytes", "memory_writeback_bytes", "swap_used_bytes",
    "pressure_cpu_percent", "pressure_memory_percent", "pressure_io_percent",
)  # fmt: skip
"""Of the whole host. CPU is of all CPUs together, ``busiest`` of the one that was busy longest; used memory is all that is not
available; pressure is the share of the time in which some task waited for it (PSI). ``tasks_blocked`` wait for storage."""

_DISK_COLUMNS = (
    "read_bytes_per_second", "written_bytes_per_second", "reads_per_second", "writes_per_second", "busy_percent", "in_flight",
)  # fmt: skip
_NIC_COLUMNS = ("received_bytes_per_second", "sent_bytes_per_second")
_PRESSURES = ("cpu", "memory", "io")
_LEVELS = ("Cached", "Dirty", "Writeback")
_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the device has
_READ_BYTES = 1 << 16


def columns_of(disks: Sequence[str], interfaces: Sequence[str]) -> list[str]:
    """Names of the values of a row, in order; each with its unit."""
    named = [f"disk_{disk}_{column}" for disk in disks for column in _DISK_COLUMNS]
    return [*HOST_COLUMNS, *named, *(f"nic_{interface}_{column}" for interface in interfaces for column in _NIC_COLUMNS)]


class _File:
    """A file of /proc that is kept open and read anew at each look; empty where this kernel or container has no such file."""

    def __init__(self, path: str) -> None:
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self.descriptor = -1

    def lines(self) -> list[str]:
        if self.descriptor < 0:
            return []
        parts: list[bytes] = []
        length = 0
        try:
            while part := os.pread(self.descriptor, _READ_BYTES, length):
                parts.append(part)
                length += len(part)
        except OSError:
            return []
        return b"".join(parts).decode(errors="replace").splitlines()


class _Last:
    """Counters at the last look, for their growth since then; one that was not there, or went back, has grown by nothing known."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, ...]] = {}

    def growth(self, name: str, now: tuple[int, ...]) -> tuple[int, ...] | None:
        before = self._known.get(name)
        self._known[name] = now
        if before is None or any(new < old for new, old in zip(now, before, strict=False)):
            return None
        return tuple(new - old for new, old in zip(now, before, strict=False))


class Counters:
    """The counters of this host; each ``row`` is about the seconds since the one before, and the first about none."""

    def __init__(self, disks: Sequence[str], interfaces: Sequence[str], proc: str = "/proc") -> None:
        self._disks, self._interfaces = tuple(disks), tuple(interfaces)
        self._stat, self._load, self._memory = (_File(f"{proc}/{name}") for name in ("stat", "loadavg", "meminfo"))
        self._pressures = [_File(f"{proc}/pressure/{kind}") for kind in _PRESSURES]
        self._diskstats, self._network = _File(f"{proc}/diskstats"), _File(f"{proc}/net/dev")
        self._last = _Last()

    def row(self, seconds: float) -> list[float | None]:
        """Values in the order of ``columns_of``; None for what cannot be known, such as a disk that is gone."""
        values = [*self._cpu(), *self._levels(), *self._waiting(seconds)]
        values += [*self._per_disk(seconds), *self._per_interface(seconds)]
        return [None if value is None else round(value, 3) for value in values]

    def _cpu(self) -> list[float | None]:
        shares: list[tuple[float, float]] = []
        whole: tuple[float, float] | None = None
        tasks: dict[str, float] = {}
        for line in self._stat.lines():
            name, _, rest = line.partition(" ")
            if name.startswith("cpu"):
                share = self._share(name, tuple(map(int, rest.split()[:8])))
                if name == "cpu":
                    whole = share
                elif share is not None:
                    shares.append(share)
            elif name in ("procs_running", "procs_blocked"):
                tasks[name] = int(rest)
        load = self._load.lines()
        return [
            *(whole or (None, None)),
            max((busy for busy, _ in shares), default=None),
            float(load[0].split()[0]) if load else None,
            tasks.get("procs_running"),
            tasks.get("procs_blocked"),
        ]

    def _share(self, name: str, ticks: tuple[int, ...]) -> tuple[float, float] | None:
        """Percent busy and percent waiting for storage; None at the first look."""
        idle, waiting = ticks[3], ticks[4]
        # The kernel lets the count of idle and waiting ticks go back a little: each is told alone.
        busy = self._last.growth(f"{name} busy", (sum(ticks) - idle - waiting,))
        calm = [self._last.growth(f"{name} {what}", (count,)) for what, count in (("idle", idle), ("iowait", waiting))]
        if busy is None:
            return None
        resting, blocked = (0 if one is None else one[0] for one in calm)
        total = busy[0] + resting + blocked
        return (100.0 * busy[0] / total, 100.0 * blocked / total) if total else None

    def _levels(self) -> list[float | None]:
        found: dict[str, float] = {}
        for line in self._memory.lines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if words and words[0].isdigit():
                found[name] = int(words[0]) * 1024
        used = [_difference(found, *pair) for pair in (("MemTotal", "MemAvailable"), ("SwapTotal", "SwapFree"))]
        return [used[0], *(found.get(name) for name in _LEVELS), used[1]]

    def _waiting(self, seconds: float) -> list[float | None]:
        values: list[float | None] = []
        for kind, file in zip(_PRESSURES, self._pressures, strict=True):
            some = next((line for line in file.lines() if line.startswith("some ")), "")
            total = some.rpartition("total=")[2]
            grown = self._last.growth(f"pressure {kind}", (int(total),)) if total.isdigit() else None
            values.append(min(100.0, grown[0] / seconds / 1e4) if grown is not None and seconds > 0 else None)
        return values

    def _per_disk(self, seconds: float) -> list[float | None]:
        found = {}
        if self._disks:
            for line in self._diskstats.lines():
                fields = line.split()
                if len(fields) > 12 and fields[2] in self._disks:
                    found[fields[2]] = tuple(map(int, fields[3:13]))
        values: list[float | None] = []
        for disk in self._disks:
            now = found.get(disk)
            grown = self._last.growth(f"disk {disk}", (now[0], now[2], now[4], now[6], now[9])) if now is not None else None
            if grown is None or now is None or seconds <= 0:
                values += [None] * len(_DISK_COLUMNS)
                continue
            reads, read, writes, written, busy_ms = grown
            values += [read * _SECTOR_BYTES / seconds, written * _SECTOR_BYTES / seconds, reads / seconds, writes / seconds]
            values += [min(100.0, busy_ms / seconds / 10), now[8]]
        return values

    def _per_interface(self, seconds: float) -> list[float | None]:
        found = {}
        for line in self._network.lines():
            name, _, rest = line.partition(":")
            fields = rest.split()
            if len(fields) > 8 and name.strip() in self._interfaces:
                found[name.strip()] = (int(fields[0]), int(fields[8]))
        values: list[float | None] = []
        for interface in self._interfaces:
            now = found.get(interface)
            grown = self._last.growth(f"nic {interface}", now) if now is not None else None
            values += [count / seconds for count in grown] if grown is not None and seconds > 0 else [None] * len(_NIC_COLUMNS)
        return values


def _difference(found: dict[str, float], whole: str, rest: str) -> float | None:
    return max(0.0, found[whole] - found[rest]) if whole in found and rest in found else None
