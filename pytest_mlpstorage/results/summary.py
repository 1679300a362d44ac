"""What DLIO wrote about one run: ``summary.json``, ``<rank>_output.json`` and per-epoch statistics, as records."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping

from pytest_mlpstorage.results.coerce import JSONObject, Reading, number, wall_time

__all__ = ["EpochStats", "RankEpoch", "RankOutput", "Span", "Summary", "TrainingMetric"]


@dataclasses.dataclass(frozen=True)
class TrainingMetric:
    """``metric`` of a training summary. A value that is missing or no finite number is None, never 0; ``()`` is an empty list."""

    au_percent: tuple[float, ...] | None = None
    au_mean_percent: float | None = None
    au_stdev_percent: float | None = None
    au_meets_expectation: str | None = None  # "success" | "fail"
    samples_per_second: tuple[float, ...] | None = None
    mean_samples_per_second: float | None = None
    stdev_samples_per_second: float | None = None
    io_mean_mib_per_second: float | None = None  # the files say MB: they are MiB
    io_stdev_mib_per_second: float | None = None

    @classmethod
    def read(cls, fields: Reading) -> TrainingMetric:
        """From the ``metric`` object of summary.json."""
        return cls(
            au_percent=fields.numbers("train_au_percentage"),
            au_mean_percent=fields.number("train_au_mean_percentage"),
            au_stdev_percent=fields.number("train_au_stdev_percentage"),
            au_meets_expectation=fields.text("train_au_meet_expectation"),
            samples_per_second=fields.numbers("train_throughput_samples_per_second"),
            mean_samples_per_second=fields.number("train_throughput_mean_samples_per_second"),
            stdev_samples_per_second=fields.number("train_throughput_stdev_samples_per_second"),
            io_mean_mib_per_second=fields.number("train_io_mean_MB_per_second"),
            io_stdev_mib_per_second=fields.number("train_io_stdev_MB_per_second"),
        )


@dataclasses.dataclass(frozen=True)
class Summary:
    """``summary.json`` of one run. ``path`` is relative to the tree; ``problems`` names fields that could not be read.

    Times are the naive wall clock of the test site. Of ``host_memory_gib`` only the sum is right (DLIO fills the slots as
    if ranks were placed block-wise), so use ``total_host_memory_gib``.
    """

    path: str = ""
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    num_accelerators: int | None = None
    num_hosts: int | None = None
    hostname: str | None = None
    host_memory_gib: tuple[float, ...] = ()
    num_files_train: int | None = None
    num_files_eval: int | None = None
    num_samples_per_file: int | None = None
    epochs: int | None = None
    metric: TrainingMetric = TrainingMetric()
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @property
    def total_host_memory_gib(self) -> float | None:
        """Memory of all client hosts in GiB, or None when it was not recorded."""
        return sum(self.host_memory_gib) if self.host_memory_gib else None

    @property
    def duration_seconds(self) -> float | None:
        """End less start, or None when either is unknown."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None

    @classmethod
    def from_json(cls, raw: JSONObject, path: str = "") -> Summary:
        """From a parsed summary.json of any edition (``start``/``end`` or ``start_time``/``end_time``)."""
        fields = Reading(raw)
        metric = Reading(fields.mapping("metric") or {}, "metric.", fields.problems)
        return cls(
            path=path,
            start=fields.time("start_time", "start"),
            end=fields.time("end_time", "end"),
            num_accelerators=fields.integer("num_accelerators"),
            num_hosts=fields.integer("num_hosts"),
            hostname=fields.text("hostname"),
            host_memory_gib=fields.numbers("host_memory_GB") or (),
            num_files_train=fields.integer("num_files_train"),
            num_files_eval=fields.integer("num_files_eval"),
            num_samples_per_file=fields.integer("num_samples_per_file"),
            epochs=fields.integer("epochs"),
            metric=TrainingMetric.read(metric),
            problems=tuple(fields.problems),
            raw=raw,
        )


@dataclasses.dataclass(frozen=True)
class RankEpoch:
    """One epoch of one rank, by block name: seconds per step, AU in percent, samples/s."""

    load_seconds: Mapping[str, tuple[float, ...]]
    step_seconds: Mapping[str, tuple[float, ...]]  # "proc": the whole step, load and compute
    compute_seconds: Mapping[str, tuple[float, ...]]
    au_percent: Mapping[str, float]
    samples_per_second: Mapping[str, float]


def _lists(epoch: Reading, name: str) -> dict[str, tuple[float, ...]]:
    fields = _part(epoch, name)
    read = {str(key): fields.numbers(key) for key in fields.raw}
    return {key: value for key, value in read.items() if value is not None}


def _numbers(epoch: Reading, name: str) -> dict[str, float]:
    fields = _part(epoch, name)
    read = {str(key): fields.number(key) for key in fields.raw}
    return {key: value for key, value in read.items() if value is not None}


def _part(epoch: Reading, name: str) -> Reading:
    return Reading(epoch.mapping(name) or {}, f"{epoch.prefix}{name}.", epoch.problems)


@dataclasses.dataclass(frozen=True)
class RankOutput:
    """``<rank>_output.json``: what one rank measured, epochs by number."""

    rank: int
    path: str = ""
    hostname: str | None = None
    host_memory_gib: float | None = None
    epochs: Mapping[int, RankEpoch] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, raw: JSONObject, rank: int, path: str = "") -> RankOutput:
        """From a parsed file; a key that is a whole number is an epoch."""
        fields = Reading(raw)
        epochs: dict[int, RankEpoch] = {}
        for key in sorted((k for k in raw if k.isdecimal() and len(k) < 9), key=int):
            epoch = Reading(fields.mapping(key) or {}, f"{key}.", fields.problems)
            epochs[int(key)] = RankEpoch(
                load_seconds=_lists(epoch, "load"),
                step_seconds=_lists(epoch, "proc"),
                compute_seconds=_lists(epoch, "compute"),
                au_percent=_numbers(epoch, "au"),
                samples_per_second=_numbers(epoch, "throughput"),
            )
        return cls(
            rank=rank,
            path=path,
            hostname=fields.text("hostname"),
            host_memory_gib=fields.number("host_memory_GB"),
            epochs=epochs,
            problems=tuple(fields.problems),
            raw=raw,
        )


@dataclasses.dataclass(frozen=True)
class Span:
    """A stretch of time; end and duration are missing where the writer never closed it."""

    start: dt.datetime | None
    end: dt.datetime | None
    duration_seconds: float | None

    @property
    def wall_seconds(self) -> float | None:
        """End less start in full resolution (durations are rounded to 10 ms), else the duration as written."""
        return (self.end - self.start).total_seconds() if self.start and self.end else self.duration_seconds


def _span(raw: JSONObject, prefix: str, problems: list[str]) -> Span:
    start, end, duration = raw.get("start"), raw.get("end"), raw.get("duration")
    span = Span(wall_time(start), wall_time(end), number(duration))
    if None not in (span.start, span.end) and (span.duration_seconds is not None or duration is None):
        return span
    # Anew, to say of each field what is wrong with it.
    fields = Reading(raw, prefix, problems)
    return Span(fields.time("start"), fields.time("end"), fields.number("duration"))


@dataclasses.dataclass(frozen=True)
class EpochStats:
    """``[<rank>_]per_epoch_stats.json``: per epoch its span and the spans inside it (``block1``, ``ckpt1``, ``eval`` …)."""

    rank: int
    path: str = ""
    epochs: Mapping[int, Span] = dataclasses.field(default_factory=dict)
    parts: Mapping[int, Mapping[str, Span]] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()
    raw: JSONObject = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_json(cls, raw: JSONObject, rank: int = 0, path: str = "") -> EpochStats:
        """From a parsed file; a file without a rank in its name is rank 0's."""
        fields = Reading(raw)
        epochs: dict[int, Span] = {}
        parts: dict[int, dict[str, Span]] = {}
        for key in sorted((k for k in raw if k.isdecimal() and len(k) < 9), key=int):
            epoch = fields.mapping(key)
            if epoch is None:
                continue
            epochs[int(key)] = _span(epoch, f"{key}.", fields.problems)
            inner = {name: part for name, part in epoch.items() if isinstance(part, Mapping)}
            parts[int(key)] = {name: _span(part, f"{key}.{name}.", fields.problems) for name, part in inner.items()}
        return cls(rank, path, epochs, parts, tuple(fields.problems), raw)
