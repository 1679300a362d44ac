"""The course of a time series in few steps: what many rows of many hosts come to, read once and kept in little memory.

Each host's time begins with its own first row, by its own clock: clocks that disagree shift no host against another. A row counts in
every step that its interval lies in, by the part of it that does, so a step tells the mean over its time whatever the rows' intervals,
and the least and the greatest of them: what stood out for a second is not lost in a step of a minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add
from typing import Final

from pytest_mlpstorage.results.time_series import Row

__all__ = ["MOST_HOSTS", "QUANTITIES", "Course", "course"]

_STEPS: Final = 128
"""Most steps of a course: what a chart can show. Twice as long a run has steps of twice the length."""

_LONGEST_SECONDS: Final = 1e9
MOST_HOSTS: Final = 1024
"""Most hosts that are told apart; rows of more are counted and left out."""

_GIB, _MIB, _KEEP = 1 / 1024**3, 1 / 1024**2, 1.0

QUANTITIES: Final[Mapping[str, tuple[str, str, float]]] = {
    "busy": ("cpu_busy_percent", "", _KEEP),
    "iowait": ("cpu_iowait_percent", "", _KEEP),
    "busiest": ("cpu_busiest_percent", "", _KEEP),
    "read": ("disk_", "_read_bytes_per_second", _MIB),
    "written": ("disk_", "_written_bytes_per_second", _MIB),
    "reads": ("disk_", "_reads_per_second", _KEEP),
    "writes": ("disk_", "_writes_per_second", _KEEP),
    "received": ("nic_", "_received_bytes_per_second", _MIB),
    "sent": ("nic_", "_sent_bytes_per_second", _MIB),
    "used": ("memory_used_bytes", "", _GIB),
    "cached": ("memory_cached_bytes", "", _GIB),
    "dirty": ("memory_dirty_bytes", "", _GIB),
}
"""What is told of a host → beginning and end of its columns, which are added, and the factor to its unit: %, MiB/s, 1/s, GiB."""


class _Host:
    """Of each quantity and step of a host: the seconds that are known, the value times them, and the least and the greatest value."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.known = {name: [0.0] * _STEPS for name in QUANTITIES}
        self.sums = {name: [0.0] * _STEPS for name in QUANTITIES}
        self.least = {name: [math.inf] * _STEPS for name in QUANTITIES}
        self.most = {name: [-math.inf] * _STEPS for name in QUANTITIES}

    def coarsen(self) -> None:
        """Make steps of twice the length."""
        _halve(self.known, add, 0.0)
        _halve(self.sums, add, 0.0)
        _halve(self.least, min, math.inf)
        _halve(self.most, max, -math.inf)


def _halve(table: dict[str, list[float]], fold: Callable[[float, float], float], nothing: float) -> None:
    for name, steps in table.items():
        halved = [fold(steps[index], steps[index + 1]) for index in range(0, _STEPS, 2)]
        table[name] = [*halved, *([nothing] * (_STEPS - len(halved)))]


class Course:
    """The course of all hosts: ``seconds`` from the first row on, in ``count`` steps of ``step`` seconds."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.seconds = 0.0
        self.rows = self.left_out = 0
        self._hosts: dict[str, _Host] = {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts, sorted."""
        return tuple(sorted(self._hosts))

    @property
    def count(self) -> int:
        """How many steps there are."""
        return min(_STEPS, max(1, -int(-self.seconds // self.step)))

    def add(self, row: Row, values: Sequence[float | None]) -> None:
        """Take in a row; ``values`` are in the order of the quantities."""
        host = self._hosts.get(row.host)
        if host is None:
            if len(self._hosts) >= MOST_HOSTS:
                self.left_out += 1
                return
            host = self._hosts[row.host] = _Host(row.time_epoch_seconds - row.interval_seconds)
        end = row.time_epoch_seconds - host.begin
        begin = max(0.0, end - row.interval_seconds)
        if not 0 < end < _LONGEST_SECONDS or begin >= end:
            self.left_out += 1
            return
        while end > self.step * _STEPS:
            self.step *= 2
            for one in self._hosts.values():
                one.coarsen()
        self.rows += 1
        self.seconds = max(self.seconds, end)
        for index in range(int(begin / self.step), min(_STEPS - 1, int(end / self.step)) + 1):
            overlap = min(end, (index + 1) * self.step) - max(begin, index * self.step)
            if overlap > 0:
                for name, value in zip(QUANTITIES, values, strict=True):
                    if value is not None:
                        host.known[name][index] += overlap
                        host.sums[name][index] += value * overlap
                        host.least[name][index] = min(host.least[name][index], value)
                        host.most[name][index] = max(host.most[name][index], value)

    def steps(self, name: str, host: str) -> list[float | None]:
        """Means of a quantity on a host, step by step; None where nothing is known."""
        one = self._hosts[host]
        pairs = zip(one.sums[name][: self.count], one.known[name], strict=False)
        return [total / seconds if seconds > 0 else None for total, seconds in pairs]

    def bounds(self, name: str, host: str) -> tuple[list[float | None], list[float | None]]:
        """The least and the greatest value of a quantity on a host in each step; None where nothing is known."""
        one = self._hosts[host]
        known = one.known[name][: self.count]
        least, most = one.least[name], one.most[name]
        return (
            [least[index] if seconds > 0 else None for index, seconds in enumerate(known)],
            [most[index] if seconds > 0 else None for index, seconds in enumerate(known)],
        )

    def begin(self, host: str | None = None) -> float:
        """When a host's time begins, by its own clock; the earliest of all where that host is not known. Seconds since 1970."""
        one = self._hosts.get(host or "")
        return one.begin if one is not None else min(each.begin for each in self._hosts.values())

    def mean(self, name: str, host: str) -> float | None:
        """Mean of a quantity on a host over all that is known of it."""
        one = self._hosts[host]
        seconds = sum(one.known[name])
        return sum(one.sums[name]) / seconds if seconds > 0 else None

    def together(self, name: str, *, of: str = "sum") -> list[float | None]:
        """``sum``, ``mean`` or ``max`` over the hosts of which a step is known."""
        return _folded([self.steps(name, host) for host in self.hosts], of)

    def bounds_together(self, name: str, *, of: str = "sum") -> tuple[list[float | None], list[float | None]]:
        """Between what ``together`` lay at any time of a step: no sum of hosts was below that of their least values."""
        lows, highs = zip(*(self.bounds(name, host) for host in self.hosts), strict=True)
        return _folded(lows, of), _folded(highs, of)


def _folded(hosts: Sequence[Sequence[float | None]], of: str) -> list[float | None]:
    return [_together([value for value in column if value is not None], of) for column in zip(*hosts, strict=True)]


def _together(values: list[float], of: str) -> float | None:
    if not values:
        return None
    return max(values) if of == "max" else sum(values) / (len(values) if of == "mean" else 1)


def course(columns: Sequence[str], rows: Iterable[Row], interval_seconds: float) -> Course:
    """Read a series once; ``interval_seconds`` is how long its rows should be, and the shortest step there is."""
    made = Course(min(max(interval_seconds, 1e-3), _LONGEST_SECONDS))
    places = [
        ([index for index, column in enumerate(columns) if column.startswith(begin) and column.endswith(end)], factor)
        if end
        else ([index for index, column in enumerate(columns) if column == begin], factor)
        for begin, end, factor in QUANTITIES.values()
    ]
    for row in rows:
        values: list[float | None] = []
        for indexes, factor in places:
            known = [value for index in indexes if (value := row.values[index]) is not None]
            values.append(sum(known) * factor if known else None)
        made.add(row, values)
    return made
