"""What was done and what the hosts did during each launch of a result, over one axis of time: pictures, shut until someone asks.

They decide nothing. They are there to see what a figure alone does not tell: a core that was the limit, reads that came from no disk, a
host that stood still.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Final

from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.files import TreeFiles, printable
from pytest_mlpstorage.results.pictures import Line, Panel, Picture, Span, figure_text
from pytest_mlpstorage.results.records import Leaf, StoredResult
from pytest_mlpstorage.results.time_series import SeriesRecord, read_rows, series_files
from pytest_mlpstorage.results.time_series_course import MOST_HOSTS, Course, course
from pytest_mlpstorage.rules.activity import Activity, Begin
from pytest_mlpstorage.units import format_bytes, format_seconds

__all__ = ["launch_pictures"]

_MOST_PICTURES: Final = 9
"""Launches of a result that are drawn: three options of three trials."""

_MOST_BYTES: Final = 512 * 1024**2
"""Largest series that is drawn: a day of ten hosts, a row a second, has less."""

_READ_BYTES: Final = 2 * 1024**2
"""How much of a series is read: two hours of a host, and a third of a second of work. Of a larger one every n-th block of rows is."""

_BLOCK: Final = 64
"""Rows that are read or passed over together: each host has one in a block, because hosts send theirs in turn."""

_AXIS: Final = "seconds, from each host's first sample"
_TOLD_HOSTS: Final = 4
_DIGITS: Final = 3
"""After the point: a KiB of a rate in MiB/s, a MiB of memory in GiB. What is less is nothing to look at."""

_ZONE_SECONDS: Final = 15 * 60
"""Zones of the world differ by whole quarters of an hour, so a wall clock and UTC that tell of the same minute give the zone."""

_LATEST_SECONDS: Final = 60.0
"""What was done during a launch began no longer before its first sample."""

_PANELS: Final = (
    ("CPU", "%", (("busy", "busy", "mean"), ("iowait", "iowait", "mean"), ("busiest", "top core", "max"))),
    ("disks under test", "MiB/s", (("read", "read", "sum"), ("written", "write", "sum"))),
    ("requests to these disks", "1/s", (("reads", "read", "sum"), ("writes", "write", "sum"))),
    ("network", "MiB/s", (("received", "received", "sum"), ("sent", "sent", "sum"))),
    ("memory", "GiB", (("cached", "cached", "sum"), ("dirty", "dirty", "sum"), ("used", "used", "sum"))),
)
"""Name and unit of each panel; quantity, name and fold over the hosts of each of its lines."""


def launch_pictures(result: StoredResult, activities: Sequence[Activity] = ()) -> list[Picture]:
    """A picture of each launch of which a course is known, of the first nine: what was done, and below it what its hosts did meanwhile."""
    known = {(one.leaf.relpath, one.launch): one for one in activities}
    found: dict[tuple[str, str], Leaf] = {}
    for leaf in result.runs:
        if not leaf.planned:
            named = [launch for at, launch in known if at == leaf.relpath]
            launches = dict.fromkeys([*named, *map(_launch_of, series_files(leaf.files - leaf.pruned))])
            found |= {(leaf.relpath, launch): leaf for launch in launches}
    drawn = list(found.items())[:_MOST_PICTURES]
    made = [picture for place, leaf in drawn for picture in _pictures(result, leaf, place[1], known.get(place))]
    if made and len(found) > _MOST_PICTURES:
        more = f"{len(found) - _MOST_PICTURES} more launches are in the tree and are not drawn."
        made[-1] = dataclasses.replace(made[-1], says=(*made[-1].says, more))
    return made


def _launch_of(name: str) -> str:
    return re.sub(r"^time_series_?|\.csv$", "", name)


def _pictures(result: StoredResult, leaf: Leaf, launch: str, activity: Activity | None) -> Iterator[Picture]:
    name = f"time_series_{launch}.csv" if launch else "time_series.csv"
    title = f"Hosts during {leaf.phase} {printable(leaf.name)}{f', {launch}' if launch else ''}"
    if name not in leaf.files or name in leaf.pruned:
        if activity is not None:
            why = f"What the hosts did meanwhile is not known: there is no {name} in the leaf."
            yield _alone(activity, (*activity.says, why))
        return
    read = _series(result, leaf, name)
    if isinstance(read, str):
        if activity is not None:
            yield _alone(activity, (*activity.says, read or f"What the hosts did meanwhile is not known: {name} could not be read."))
        elif read:
            yield Picture(title, (read,), folded=True)
        return
    record, seen, one_of = read
    sentences, panels = tuple(_sentences(seen, record, one_of)), tuple(_panels(seen, record))
    if activity is None:
        yield Picture(title, sentences, panels=panels, folded=True, stacked=True)
        return
    shift = _shift(activity.begin, leaf, seen)
    if shift is None:
        why = "Where on the axis of the hosts this lay was not recorded."
        yield _alone(activity, (*activity.says, why))
        yield Picture(title, sentences, panels=panels, folded=True, stacked=True)
        return
    done = tuple(dataclasses.replace(panel, begin=panel.begin + shift, axis=_AXIS) for panel in activity.panels)
    spans = tuple(Span(span.name, span.begin + shift, span.end + shift) for span in activity.spans)
    whose = printable(activity.begin.host) if activity.begin.host else "the host that led it"
    clocks = (f"Clocks were not corrected: what was done lies where the clock of {whose} had it.",)
    yield Picture(activity.title, (*sentences, *activity.says, *clocks), panels=(*done, *panels), spans=spans, folded=True, stacked=True)


def _alone(activity: Activity, says: tuple[str, ...]) -> Picture:
    panels = tuple(dataclasses.replace(panel, axis=activity.axis) for panel in activity.panels)
    return Picture(activity.title, says, panels=panels, spans=activity.spans, folded=True, stacked=True)


def _shift(begin: Begin, leaf: Leaf, read: Course) -> float | None:
    """Seconds from the first sample of the host to where an activity began; None where that cannot be told."""
    first = read.begin(begin.host)
    if begin.epoch_seconds is not None:
        shift = begin.epoch_seconds - first
        return shift if -_LATEST_SECONDS <= shift <= read.seconds + _LATEST_SECONDS else None
    if begin.wall is None:
        return None
    began = _as_utc(begin.wall)
    invoked = leaf.metadata.invocation_start_time if leaf.metadata is not None else None
    for anchor in ([_as_utc(invoked)] if invoked is not None else []) + [began]:
        shift = began - first - round((anchor - first) / _ZONE_SECONDS) * _ZONE_SECONDS
        if -_LATEST_SECONDS <= shift <= read.seconds + _LATEST_SECONDS:
            return shift
    return None


def _as_utc(wall: dt.datetime) -> float:
    return wall.replace(tzinfo=dt.timezone.utc).timestamp()


def _series(result: StoredResult, leaf: Leaf, name: str) -> tuple[SeriesRecord, Course, int] | str:
    """A series with one of how many of its blocks were read; or why there is nothing to draw, which is empty for what is no series."""
    record = _record(leaf, name)
    try:
        size = (leaf.path / name).stat().st_size
        if size > _MOST_BYTES:
            return f"The series of the hosts has {format_bytes(size)}, more than is drawn: see {name} in the leaf."
        lines = TreeFiles(result.root).text_lines(leaf.path / name, limit=_MOST_BYTES)
        one_of, block = math.ceil(size / _READ_BYTES), max(_BLOCK, len(record.hosts))
        columns, rows = read_rows(lines if one_of < 2 else _every(one_of, block, lines))
    except (OSError, ValueError):
        return ""
    # No step is shorter than the time from one block that is read to the next.
    apart = 1.0 if one_of < 2 else one_of * block / max(1, len(record.hosts))
    read = course(columns, rows, (record.interval_seconds or 1.0) * apart)
    return (record, read, one_of) if read.rows else ""


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
    for name, what, unit in (("busy", "CPU busy", "%"), ("read", "Disks read", "MiB/s"), ("written", "Disks wrote", "MiB/s")):
        means = {host: mean for host in read.hosts if (mean := read.mean(name, host)) is not None}
        if means:
            yield f"{what}: {_spread(means, unit)}."
    yield "CPU, memory, disks and network are of the whole host, whoever used them, and means of all of this time, start and end too."
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


def _panels(read: Course, record: SeriesRecord) -> Iterator[Panel]:
    many = len(read.hosts) > 1
    several = read.step > 1.5 * (record.interval_seconds or 1.0)
    for name, unit, wanted in _PANELS:
        lines = []
        for quantity, shown, fold in wanted:
            values = _rounded(read.together(quantity, of=fold))
            means = [mean for host in read.hosts if (mean := read.mean(quantity, host)) is not None]
            if means:
                mean = sum(means) if fold == "sum" else fmean(means) if fold == "mean" else _over_time(values, read)
                lows, highs = map(_rounded, read.bounds_together(quantity, of=fold)) if several else ((), ())
                lines.append(Line(shown, round(mean, _DIGITS), values, lows, highs))
        if lines:
            whose = "" if not many else ", mean of all hosts" if unit == "%" else ", all hosts together"
            yield Panel(f"{name}{whose}", read.seconds, tuple(lines), read.step, unit, _AXIS)


def _rounded(values: Sequence[float | None]) -> tuple[float | None, ...]:
    return tuple(None if value is None else round(value, _DIGITS) for value in values)


def _over_time(values: Sequence[float | None], read: Course) -> float:
    """Mean of steps by their lengths, of which the last is what is left."""
    lengths = [min(read.step, read.seconds - index * read.step) for index in range(len(values))]
    known = [(value, seconds) for value, seconds in zip(values, lengths, strict=True) if value is not None]
    return sum(value * seconds for value, seconds in known) / sum(seconds for _, seconds in known)
