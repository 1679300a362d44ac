"""What the hosts did while a result was measured: pictures of the time series of its runs, shut on the page until someone asks.

They decide nothing. They are there to see what a figure alone does not tell: a core that was the limit, reads that came from no disk, a
host that stood still.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from statistics import fmean
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.files import TreeFiles, printable
from pytest_mlpstorage.results.pictures import Line, Panel, Picture, figure_text
from pytest_mlpstorage.results.records import Leaf, StoredResult
from pytest_mlpstorage.results.time_series import SeriesRecord, read_rows, series_files
from pytest_mlpstorage.results.time_series_course import MOST_HOSTS, Course, course
from pytest_mlpstorage.units import format_bytes, format_seconds

__all__ = ["host_pictures"]

_MOST_PICTURES: Final = 8
_MOST_BYTES: Final = 512 * 1024**2
"""Largest series that is drawn: a day of ten hosts, a row a second, has less."""

_READ_BYTES: Final = 8 * 1024**2
"""How much of a series is read: half a second of work. Of a larger one every n-th block of rows is."""

_BLOCK: Final = 64
"""Rows that are read or passed over together: each host has one in a block, because hosts send theirs in turn."""

_AXIS: Final = "seconds, from each host's first sample"
_TOLD_HOSTS: Final = 4
_DIGITS: Final = 3
"""After the point: a KiB of a rate in MiB/s, a MiB of memory in GiB. What is less is nothing to look at."""

_PANELS: Final = (
    ("CPU", "%", (("busy", "busy", "mean"), ("iowait", "iowait", "mean"), ("busiest", "top core", "max"))),
    ("disks under test", "MiB/s", (("read", "read", "sum"), ("written", "write", "sum"))),
    ("requests to these disks", "1/s", (("reads", "read", "sum"), ("writes", "write", "sum"))),
    ("network", "MiB/s", (("received", "received", "sum"), ("sent", "sent", "sum"))),
    ("memory", "GiB", (("cached", "cached", "sum"), ("dirty", "dirty", "sum"), ("used", "used", "sum"))),
)
"""Name and unit of each panel; quantity, name and fold over the hosts of each of its lines."""


def host_pictures(result: StoredResult) -> list[Picture]:
    """A picture of each time series of a result's runs, of the first eight; none where there is none that can be read."""
    found = [(leaf, name) for leaf in result.runs if not leaf.planned for name in series_files(leaf.files - leaf.pruned)]
    made = [picture for leaf, name in found[:_MOST_PICTURES] if (picture := _picture(result, leaf, name)) is not None]
    if made and len(found) > _MOST_PICTURES:
        more = f"{len(found) - _MOST_PICTURES} more series are in the tree and are not drawn."
        made[-1] = Picture(made[-1].title, (*made[-1].says, more), panels=made[-1].panels, folded=True)
    return made


def _picture(result: StoredResult, leaf: Leaf, name: str) -> Picture | None:
    record = _record(leaf, name)
    launch = re.sub(r"^time_series_?|\.csv$", "", name)
    title = f"Hosts during {leaf.phase} {printable(leaf.name)}{f', {launch}' if launch else ''}"
    try:
        size = (leaf.path / name).stat().st_size
        if size > _MOST_BYTES:
            return Picture(title, (f"The series has {format_bytes(size)}, more than is drawn: see {name} in the leaf.",), folded=True)
        lines = TreeFiles(result.root).text_lines(leaf.path / name, limit=_MOST_BYTES)
        one_of, block = math.ceil(size / _READ_BYTES), max(_BLOCK, len(record.hosts))
        columns, rows = read_rows(lines if one_of < 2 else _every(one_of, block, lines))
    except (OSError, ValueError):
        return None
    # No step is shorter than the time from one block that is read to the next.
    apart = 1.0 if one_of < 2 else one_of * block / max(1, len(record.hosts))
    read = course(columns, rows, (record.interval_seconds or 1.0) * apart)
    if not read.rows:
        return None
    return Picture(title, tuple(_sentences(read, record, one_of)), panels=tuple(_panels(read)), folded=True)


def _every(one_of: int, block: int, lines: Iterator[str]) -> Iterator[str]:
    """The first line, and one of so many blocks of the others."""
    yield from itertools.islice(lines, 1)
    for number, line in enumerate(lines):
        if number // block % one_of == 0:
            yield line


def _record(leaf: Leaf, name: str) -> SeriesRecord:
    """What the metadata says of a series; a leaf of several launches tells of each where it tells of the launch."""
    mlps: JSONObject = leaf.metadata.mlps if leaf.metadata is not None else {}
    passes = mlps.get("passes")
    told = [mlps, *(passes if isinstance(passes, list) else ())]
    blocks = [block for entry in told if isinstance(entry, dict) and isinstance(block := entry.get("time_series"), dict)]
    return SeriesRecord.from_json(next((block for block in blocks if block.get("file") == name), {}))


def _sentences(read: Course, record: SeriesRecord, one_of: int) -> Iterator[str]:
    count = len(read.hosts)
    of = f"{count} host{'' if count == 1 else 's'}, {format_seconds(read.seconds)}"
    samples = f"{read.rows:,} samples" if one_of < 2 else f"one of {one_of} samples"
    yield f"{of}, {samples}."
    for name, what, unit in (("busy", "CPU busy", "%"), ("read", "disks read", "MiB/s"), ("written", "disks wrote", "MiB/s")):
        means = {host: mean for host in read.hosts if (mean := read.mean(name, host)) is not None}
        if means:
            yield f"{what}: {_spread(means, unit)}."
    yield "CPU, memory, disks and network are told of the whole host, whoever used them."
    without = {f"{host.host}: {path} lies on {what}" for host in record.hosts for path, what in host.without.items()}
    if without:
        listed = sorted(without)
        more = f" and {len(listed) - _TOLD_HOSTS} more" if len(listed) > _TOLD_HOSTS else ""
        yield f"No disk of these hosts is below a path under test ({'; '.join(listed[:_TOLD_HOSTS])}{more})."
    if record.hosts:
        share = record.cpu_seconds / read.seconds / len(record.hosts)
        yield f"Sampling used {share:.2%} of a core of each host."
    if read.left_out:
        yield f"{read.left_out:,} rows were left out: their times cannot be, or they are of more than {MOST_HOSTS} hosts."
    yield from (f"{problem[0].upper()}{problem[1:]}." for problem in record.problems if problem)


def _spread(means: dict[str, float], unit: str) -> str:
    if len(means) == 1:
        return f"{figure_text(next(iter(means.values())))} {unit} on average"
    if len(means) <= _TOLD_HOSTS:
        return f"{', '.join(f'{printable(host)} {figure_text(mean)}' for host, mean in means.items())} {unit} on average"
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    ends = f"from {figure_text(means[low])} on {printable(low)} to {figure_text(means[high])} on {printable(high)}"
    return f"{figure_text(fmean(means.values()))} {unit} on average, {ends}"


def _panels(read: Course) -> Iterator[Panel]:
    many = len(read.hosts) > 1
    for name, unit, wanted in _PANELS:
        lines = []
        for quantity, shown, fold in wanted:
            values = [None if value is None else round(value, _DIGITS) for value in read.together(quantity, of=fold)]
            means = [mean for host in read.hosts if (mean := read.mean(quantity, host)) is not None]
            if means:
                mean = sum(means) if fold == "sum" else fmean(means) if fold == "mean" else _over_time(values, read)
                lines.append(Line(shown, round(mean, _DIGITS), tuple(values)))
        if lines:
            whose = "" if not many else ", mean of all hosts" if unit == "%" else ", all hosts together"
            yield Panel(f"{name}{whose}", read.seconds, tuple(lines), read.step, unit, _AXIS)


def _over_time(values: list[float | None], read: Course) -> float:
    """Mean of steps by their lengths, of which the last is what is left."""
    lengths = [min(read.step, read.seconds - index * read.step) for index in range(len(values))]
    known = [(value, seconds) for value, seconds in zip(values, lengths, strict=True) if value is not None]
    return sum(value * seconds for value, seconds in known) / sum(seconds for _, seconds in known)
