"""``time_series.csv`` of a leaf: what its hosts did while it ran, a row a host and interval; written and read here.

Three columns stand first: ``time_epoch_seconds`` is the end of the interval by the clock of the row's own host, as it was and corrected by
nothing; ``host`` its name; ``interval_seconds`` how long it was. The others carry their units in their names and hold rates over that
interval, or levels at its end; an empty cell was not known. A row speaks of its own interval alone: one that was lost makes no rate wrong.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.coerce import JSONObject, Reading, number

__all__ = ["CLOCK", "FIXED_COLUMNS", "TIME_SERIES", "Row", "SampledHost", "SeriesRecord", "read_rows", "series_files", "write_rows"]

TIME_SERIES: Final = "time_series.csv"
"""Name of the file in a leaf. A leaf that is made of several launches has one of each, ``time_series_<launch>.csv``."""

FIXED_COLUMNS: Final = ("time_epoch_seconds", "host", "interval_seconds")
CLOCK: Final = "each host's own, UTC, not corrected"

_NAME: Final = re.compile(r"time_series(_[A-Za-z0-9_-]+)?\.csv")
_MOST_COLUMNS: Final = 4096
_LARGEST: Final = 1e30
"""Beyond what any counter gives; sums of what is larger might not be finite."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One interval of one host; ``values`` are in the order of the columns after the fixed ones, None for what was not known."""

    time_epoch_seconds: float
    host: str
    interval_seconds: float
    values: tuple[float | None, ...]


def series_files(names: Iterable[str]) -> list[str]:
    """Those of a leaf's files that are time series, sorted."""
    return sorted(name for name in names if _NAME.fullmatch(name))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Write a series, and return how many rows it has. ``columns`` are those after the fixed ones. Raises OSError."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*FIXED_COLUMNS, *columns))
        for row in rows:
            values = ("" if value is None else f"{value:.12g}" for value in row.values)
            writer.writerow((f"{row.time_epoch_seconds:.3f}", row.host, f"{row.interval_seconds:.3f}", *values))
            count += 1
    return count


def read_rows(lines: Iterable[str]) -> tuple[tuple[str, ...], Iterator[Row]]:
    """Columns after the fixed ones, and the rows one by one. Raises ValueError where the first line is not that of a series.

    A row that is none (another number of cells, no time, a length below 0) is passed over, and a cell that is no number, or is too large
    to be added, is None: the file may be anybody's.
    """
    reader = csv.reader(lines)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise ValueError(f"is no CSV: {error}") from error
    if tuple(header[: len(FIXED_COLUMNS)]) != FIXED_COLUMNS or len(header) > _MOST_COLUMNS or len(set(header)) != len(header):
        raise ValueError(f"does not begin with the columns {', '.join(FIXED_COLUMNS)}, each once")
    return tuple(header[len(FIXED_COLUMNS) :]), _rows(reader, len(header))


def _rows(reader: Iterator[list[str]], width: int) -> Iterator[Row]:
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if len(cells) != width:
            continue
        time, seconds = _cell(cells[0]), _cell(cells[2])
        if time is not None and seconds is not None and seconds >= 0:
            yield Row(time, cells[1], seconds, tuple(map(_cell, cells[3:])))


def _cell(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST else None


@dataclasses.dataclass(frozen=True)
class SampledHost:
    """What is known of the series of one host. ``cpu_seconds`` is what its sampler has used, all in all.

    ``disks`` are those below the paths under test, ``without`` says of a path without one what it lies on. ``lost`` rows were taken and
    never sent. ``whole``: the sampler was ended by its guard, and said so.
    """

    host: str
    samples: int
    lost: int
    cpu_seconds: float
    first_epoch_seconds: float | None
    last_epoch_seconds: float | None
    whole: bool
    disks: tuple[str, ...] = ()
    without: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class SeriesRecord:
    """The time series of a launch as ``mlps.time_series`` of the metadata tells it; ``file`` is empty where no row came."""

    file: str
    interval_seconds: float
    hosts: tuple[SampledHost, ...]
    problems: tuple[str, ...] = ()

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all samplers together."""
        return sum(host.cpu_seconds for host in self.hosts)

    def to_json(self) -> dict[str, Any]:
        """The block; the first four keys are named as in the official metadata."""
        return {
            "file": self.file,
            "num_samples": sum(host.samples for host in self.hosts),
            "interval_seconds": self.interval_seconds,
            "hosts_collected": [host.host for host in self.hosts],
            "clock": CLOCK,
            "cost": {"cpu_seconds": round(self.cpu_seconds, 4)},
            "hosts": [
                {
                    "host": host.host,
                    "num_samples": host.samples,
                    "lost_samples": host.lost,
                    "sampler_cpu_seconds": host.cpu_seconds,
                    "first_epoch_seconds": host.first_epoch_seconds,
                    "last_epoch_seconds": host.last_epoch_seconds,
                    "whole": host.whole,
                    "disks": list(host.disks),
                    "paths_without_disk": dict(host.without),
                }
                for host in self.hosts
            ],
            "problems": list(self.problems),
        }

    @classmethod
    def from_json(cls, raw: JSONObject) -> SeriesRecord:
        """The block of anybody's metadata; what is of the wrong kind is left out."""
        listed, problems = raw.get("hosts"), raw.get("problems")
        return cls(
            file=Reading(raw).text("file") or "",
            interval_seconds=number(raw.get("interval_seconds")) or 0.0,
            hosts=tuple(_host(entry) for entry in listed if isinstance(entry, Mapping)) if isinstance(listed, list) else (),
            problems=tuple(map(str, problems)) if isinstance(problems, list) else (),
        )


def _host(raw: JSONObject) -> SampledHost:
    fields = Reading(raw)
    disks, without = raw.get("disks"), raw.get("paths_without_disk")
    return SampledHost(
        host=fields.text("host") or "",
        samples=fields.integer("num_samples") or 0,
        lost=fields.integer("lost_samples") or 0,
        cpu_seconds=fields.number("sampler_cpu_seconds") or 0.0,
        first_epoch_seconds=fields.number("first_epoch_seconds"),
        last_epoch_seconds=fields.number("last_epoch_seconds"),
        whole=raw.get("whole") is True,
        disks=tuple(map(str, disks)) if isinstance(disks, list) else (),
        without={str(path): str(what) for path, what in without.items()} if isinstance(without, Mapping) else {},
    )
