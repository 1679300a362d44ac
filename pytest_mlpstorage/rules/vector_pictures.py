"""What runs of a vector database have to show: searches a second, their times and what they read, cold and steady, and all over time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.pictures import Chart, Distribution, Group, Limit, Line, Panel, Picture, Span, figure_text
from pytest_mlpstorage.results.records import Leaf, StoredResult, VectorDatabaseResult
from pytest_mlpstorage.results.vector_records import VectorRecord, value_at
from pytest_mlpstorage.rules.activity import Activity, Begin
from pytest_mlpstorage.rules.vector_runs import record_of
from pytest_mlpstorage.verdict import NoEvidence

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.sample_course import SampleCourse

__all__ = ["vector_activities", "vector_pictures"]

_MOST_RUNS: Final = 12
_MOST_BYTES: Final = 128 * 1024**2
"""Of all samples of a run that are read: four million searches."""

_PHASES: Final[Mapping[str, str]] = {"cold": "read", "steady": "write"}
"""Phase → whose color it has: the first and the second."""

_POINTS: Final[Mapping[str, str]] = {"mean": "mean", "p50": "P50", "p95": "P95", "p99": "P99", "max": "max"}
_OFFICIAL: Final[Mapping[str, str]] = {"mean": "mean_latency_ms", "p95": "p95_latency_ms", "p99": "p99_latency_ms"}
_READS: Final = "mlps.thresholds.min_reads_per_query.value"

_Runs = Sequence[tuple[Leaf, str, VectorRecord]]
_Every = Sequence[tuple[str, VectorRecord | None]]
"""Each run, and None for one that cannot be read: a mean without it is none of the result."""


def vector_pictures(result: StoredResult, edition: Edition) -> list[Picture]:  # noqa: ARG001 - each family is asked the same way
    """Searches a second, reads a search and times of each phase of each run; of runs of the official tool the times that it gives."""
    if not isinstance(result, VectorDatabaseResult):
        return []
    runs = list(_runs(result))
    every: _Every = [(run, next((record for _, name, record in runs if name == run), None)) for _, run in _named(result)]
    left_out = list(_left_out(result))
    phases = {name: [(run, _phase(record, name)) for run, record in every] for name in _PHASES}
    there = {name: each for name, each in phases.items() if any(phase for _, phase in each)}
    if not there:
        return _official(every, left_out)
    limits = {value for _, _, record in runs if (value := record.given(_READS).number) is not None}
    limit = Limit(limits.pop(), "own limit") if len(limits) == 1 else None
    aside = {name for name in there if limit is not None and not all(_held(record, name) for _, _, record in runs)}
    of_reads = "Bytes read from storage over 4 KiB, of all searches of a phase."
    charts = (
        Chart("searches", "QPS", _groups(there, "qps"), "run"),
        Chart("reads of 4 KiB", "per search", _groups(there, "read_4kib_per_query", aside), "run", limit, of_reads),
    )
    times = [
        Distribution(f"{run}, {name}", tuple(values), _PHASES[name], why)
        for name, each in there.items()
        for run, phase in each
        for values, why in [_times(phase)]
    ]
    picture = Picture(
        "Searches, cold and steady",
        (*_sentences(there), *left_out),
        charts=tuple(chart for chart in charts if any(group.extremes for group in chart.groups)),
        points=tuple(_POINTS.values()),
        distributions=tuple(times),
        folded=True,
        opened=True,
        of_times="Time of a search as its client saw it, logarithmic; each client asks anew when it has its answer.",
    )
    return [picture]


def _named(result: VectorDatabaseResult) -> Iterator[tuple[Leaf, str]]:
    yield from ((leaf, f"run {count}") for count, leaf in enumerate(_measured(result)[:_MOST_RUNS], 1))


def _measured(result: VectorDatabaseResult) -> list[Leaf]:
    return [leaf for leaf in result.runs if not leaf.planned]


def _left_out(result: VectorDatabaseResult) -> Iterator[str]:
    if (runs := len(_measured(result))) > _MOST_RUNS:
        yield f"Of {runs} runs the first {_MOST_RUNS} are shown, and the means here are theirs."


def _runs(result: VectorDatabaseResult) -> Iterator[tuple[Leaf, str, VectorRecord]]:
    for leaf, name in _named(result):
        record = record_of(result, leaf)
        if not isinstance(record, NoEvidence):
            yield leaf, name, record


def _phase(record: VectorRecord | None, name: str) -> Mapping[str, Any]:
    if record is None:
        return {}
    phases = record.given("mlps.phases").raw
    found = [one for one in phases if isinstance(one, Mapping) and one.get("name") == name] if isinstance(phases, list) else []
    return found[0] if found else {}


def _held(record: VectorRecord, phase: str) -> bool:
    """Whether the limit of reads costs a run anything in a phase: an index that lies in memory is not read from storage."""
    residence = record.given("mlps.engine.residence").raw
    return residence != "memory" and (residence != "page-cache" or phase == "cold")


def _groups(phases: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]], key: str, aside: Collection[str] = ()) -> tuple[Group, ...]:
    """A group a phase; those ``aside`` are held against no limit."""
    made = []
    for name, each in phases.items():
        values = {run: number(phase.get(key)) for run, phase in each}
        mean = _mean(values)
        shown = name if mean is not None or not _having(values) else f"{name}, {_who(values)}"
        shown += " (no limit)" if name in aside else ""
        made.append(Group(shown, tuple(values.values()), mean, about="aside" if name in aside else _PHASES[name]))
    return tuple(made)


def _having(values: Mapping[str, float | None]) -> list[float]:
    return [value for value in values.values() if value is not None]


def _mean(values: Mapping[str, float | None]) -> float | None:
    """The mean over all runs; None where one has no value, as no figure of the result is formed then."""
    known = _having(values)
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _who(values: Mapping[str, float | None]) -> str:
    """Which runs have a value: ``runs 1, 3 and 4``."""
    numbers = [run.removeprefix("run ") for run, value in values.items() if value is not None]
    return f"run {numbers[0]}" if len(numbers) == 1 else f"runs {', '.join(numbers[:-1])} and {numbers[-1]}"


def _lacking(what: str, values: Mapping[str, float | None]) -> Iterator[str]:
    known = _having(values)
    if known and len(known) < len(values):
        yield f"{what} are known of {len(known)} of {len(values)} runs ({_who(values)}), so no mean is formed of them."


def _times(phase: Mapping[str, Any]) -> tuple[list[float], str]:
    values = [number(value_at(phase, f"latency_ms.{key}")) for key in _POINTS]
    known = [value for value in values if value is not None]
    return (known, "") if len(known) == len(values) else ([], "the summary does not have all of its times")


def _sentences(phases: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]) -> Iterator[str]:
    told: list[str] = []
    lacking: list[str] = []
    runs = max(len(each) for each in phases.values())
    for name, each in phases.items():
        rates, reads = ({run: number(phase.get(key)) for run, phase in each} for key in ("qps", "read_4kib_per_query"))
        rate, read = _mean(rates), _mean(reads)
        if rate is not None:
            each_read = f" with {figure_text(read)} reads of 4 KiB each" if read is not None else ""
            told.append(f"{name} {figure_text(rate)} searches a second{each_read}")
        lacking += _lacking(f"Searches a second of {name}", rates)
    if told:
        yield f"On average of {runs} run{'' if runs == 1 else 's'}: {', '.join(told)}."
    yield from lacking
    uncounted = sorted(
        {run for each in phases.values() for run, phase in each if phase and number(phase.get("read_4kib_per_query")) is None}
    )
    if uncounted:
        yield f"What searches of {', '.join(uncounted)} read was not counted in each phase."


def _official(every: _Every, left_out: Sequence[str]) -> list[Picture]:
    """What a run of the official tool tells: sums, and no phases."""
    times = []
    for run, record in every:
        values = [record.given(key).number for key in _OFFICIAL.values()] if record is not None else []
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            times.append(Distribution(run, tuple(known), "read"))
    rates = {run: record.given("throughput_qps").number if record is not None else None for run, record in every}
    measured, mean = _having(rates), _mean(rates)
    if not times and not measured:
        return []
    group = Group("all runs" if mean is not None or not measured else _who(rates), tuple(rates.values()), mean)
    chart = Chart("searches", "QPS", (group,), "run")
    sums = "The files of these runs hold sums alone: neither phases nor a course over time can be drawn."
    return [
        Picture(
            "Searches",
            (sums, *_lacking("Searches a second", rates), *left_out),
            charts=(chart,) if measured else (),
            points=tuple(_POINTS[key] for key in _OFFICIAL),
            distributions=tuple(times),
            folded=True,
            opened=True,
            of_times="Time of a search as the summary has it, logarithmic.",
        )
    ]


def vector_activities(result: StoredResult, edition: Edition) -> list[Activity]:  # noqa: ARG001 - the same
    """Searches and their times over the time of each run; none of a run whose samples are not there or cannot be read."""
    if not isinstance(result, VectorDatabaseResult):
        return []
    return [activity for leaf, run, record in _runs(result) if (activity := _activity(result, leaf, run, record)) is not None]


def _activity(result: VectorDatabaseResult, leaf: Leaf, run: str, record: VectorRecord) -> Activity | None:
    names = sorted(name for name in leaf.files - leaf.pruned if name.startswith("samples/"))
    if not names:
        return None
    from pytest_mlpstorage.vectordb.sample_course import course_of, host_of, samples_in  # numpy, which no other result needs

    files, left = TreeFiles(result.root), _MOST_BYTES
    workers, lacking = [], 0
    for name in names:
        host = host_of(name)
        if host is None:
            continue
        content = files.content(leaf.path / name, limit=left) if left > 0 else None
        samples = samples_in(content) if content is not None else None
        if content is None or samples is None:
            lacking += 1
            continue
        left -= len(content)
        workers.append((host, samples))
    offsets = record.given("mlps.clock_offsets_ns").raw
    known = {host: ns for host, value in offsets.items() if (ns := number(value)) is not None} if isinstance(offsets, Mapping) else {}
    read = course_of(workers, {host: int(ns) for host, ns in known.items()})
    if read is None:
        return None
    of_epoch = record.given("mlps.clock_epoch_ns").number
    began = None if of_epoch is None else (read.began_ns + of_epoch) / 1e9
    spans = tuple(Span(phase.name, phase.begin, phase.end) for phase in read.phases)
    title = f"{run[0].upper()}{run[1:]} over time ({leaf.name})"
    host = next((host for host, ns in known.items() if not ns), None)
    return Activity(leaf, title, tuple(_panels(read)), spans, tuple(_told(lacking)), begin=Begin(epoch_seconds=began, host=host))


def _told(lacking: int) -> Iterator[str]:
    yield "A search counts where it ended; those that failed do not."
    if lacking:
        yield f"The samples of {lacking} client{'' if lacking == 1 else 's'} are not in it: they cannot be read, or are more than is drawn."


def _panels(read: SampleCourse) -> Iterator[Panel]:
    rates = tuple(Line(phase.name, phase.searches / max(phase.end - phase.begin, 1e-9), phase.per_second) for phase in read.phases)
    yield Panel("searches", read.seconds, rates, read.step, "QPS")
    lines = []
    for name, key in (("median", "median_ms"), ("P99", "p99_ms")):
        values = [
            next((value for value in each if value is not None), None) for each in zip(*(getattr(p, key) for p in read.phases), strict=True)
        ]
        known = [value for value in values if value is not None]
        if known:
            lines.append(Line(f"{name} of each step", sum(known) / len(known), tuple(values), told=False))
    yield Panel("time of a search", read.seconds, tuple(lines), read.step, "ms")
