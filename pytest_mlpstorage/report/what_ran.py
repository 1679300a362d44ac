"""What was run for a result, in a few words each: ranks, hosts, sizes, runs and when, from the records of its runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.results.checkpoint_metric import PHASES, CheckpointMetric, CheckpointPhase, checkpoints_of_rank
from pytest_mlpstorage.results.coerce import integer, number
from pytest_mlpstorage.results.pictures import figure_text
from pytest_mlpstorage.results.reader import read_epoch_stats
from pytest_mlpstorage.results.records import (
    CheckpointingResult,
    EpochStats,
    KVCacheResult,
    Leaf,
    StoredResult,
    TrainingResult,
    VectorDatabaseResult,
)
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.checkpoints import checkpoint_count
from pytest_mlpstorage.rules.kv_cache_runs import with_summary
from pytest_mlpstorage.rules.round_v2_runs import by_accelerator, is_round_v2, run_directories, run_leaves
from pytest_mlpstorage.rules.runs import warmup_count
from pytest_mlpstorage.rules.vector_runs import run_records
from pytest_mlpstorage.units import GIB, format_bytes
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["what_ran"]

_MOST: Final = 1e18
"""No number of bytes, files or vectors of a real run reaches it."""

_MOST_RATE: Final = 1e9
_WORDS: Final[Mapping[CheckpointPhase, tuple[str, str]]] = {"save": ("write", "written"), "load": ("read", "read")}


def what_ran(result: StoredResult, edition: Edition) -> tuple[tuple[str, str], ...]:
    """Label and text of each thing that is known."""
    told: list[tuple[str, str]] = []
    if isinstance(result, TrainingResult):
        told += _training(result, edition)
    elif isinstance(result, CheckpointingResult):
        told += _checkpointing(result, edition)
    elif isinstance(result, VectorDatabaseResult):
        told += _vector_database(result)
    elif isinstance(result, KVCacheResult):
        told += _kv_cache(result)
    told += _when(result.runs)
    return tuple((label, plain(text, longest=200)) for label, text in told)


def _count(value: float | None, one: str) -> str:
    return f"{number} {one}{'' if value == 1 else 's'}" if (number := _number(value)) else ""


def _number(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None and 0 <= value < _MOST else ""


def _told(label: str, *parts: str) -> Iterator[tuple[str, str]]:
    if any(parts):
        yield label, ", ".join(filter(None, parts))


def _last(runs: Sequence[Leaf]) -> Leaf | None:
    """The last run that left a summary, else the last one."""
    return next((leaf for leaf in reversed(runs) if leaf.summary is not None), runs[-1] if runs else None)


def _hosts(leaf: Leaf) -> int | None:
    system = leaf.metadata.system if leaf.metadata is not None else None
    told = leaf.summary.num_hosts if leaf.summary is not None else None
    return told if told is not None else system.num_hosts if system is not None else None


def _ranks(leaf: Leaf) -> int | None:
    told = leaf.metadata.num_processes if leaf.metadata is not None else None
    return told if told is not None or leaf.summary is None else leaf.summary.num_accelerators


def _engine(leaf: Leaf) -> str:
    engine = leaf.metadata.mlps.get("engine") if leaf.metadata is not None else None
    name, version = value_at(engine, "name"), value_at(engine, "version")
    return f"{name} {version if isinstance(version, str) else ''}".strip() if isinstance(name, str) else ""


def _finished(leaf: Leaf) -> bool:
    """Whether a run left a summary that says something."""
    return leaf.summary is not None and bool(leaf.summary.raw)


def _others(runs: Sequence[Leaf]) -> Iterator[str]:
    """How many runs left no summary, which did not finish, and how many one that says nothing or was withheld."""
    without = [leaf for leaf in runs if not _finished(leaf)]
    silent = sum(leaf.summary is not None or any(name.endswith("summary.json") for name in leaf.files) for leaf in without)
    yield f"{len(without) - silent} unfinished" if silent < len(without) else ""
    yield f"{silent} without a readable summary" if silent else ""


def _training(result: TrainingResult, edition: Edition) -> Iterator[tuple[str, str]]:
    leaf = _last(result.runs)
    if leaf is None:
        return
    yield from _told("emulated accelerators", *_accelerators(result, edition))
    yield from _told("hosts", _number(_hosts(leaf)))
    yield from _told("data set", *_data_set(leaf, edition))
    runs, first = run_leaves(result, edition), warmup_count(result, edition)
    warm, measured = (sum(map(_finished, part)) for part in (runs[:first], runs[first:]))
    yield from _told("runs", _count(warm, "warm-up") if warm else "", f"{measured} measured", *_others(runs))
    yield from _told("engine", _engine(leaf))


def _accelerators(result: TrainingResult, edition: Edition) -> Iterator[str]:
    """Each accelerator of the runs with its ranks: edition 2.0 holds runs of several in one place, elsewhere that is a contradiction."""
    groups: dict[str, list[Leaf]] = {}
    if is_round_v2(edition):
        groups = {accelerator: [run.leaf for run in group] for accelerator, group in by_accelerator(run_directories(result)).items()}
    else:
        spelled: dict[str, str] = {}
        for leaf in result.runs:
            name = (leaf.metadata.accelerator if leaf.metadata is not None else None) or result.accelerator or ""
            groups.setdefault(spelled.setdefault(name.lower(), name), []).append(leaf)
    if len(groups) > 1:
        groups.pop("", None)
    for accelerator, leaves in groups.items():
        last = _last(leaves)
        ranks = _number(_ranks(last)) if last is not None else ""
        yield (f"{ranks} × {accelerator}" if accelerator else ranks) if ranks else ""


def _data_set(leaf: Leaf, edition: Edition) -> tuple[str, str]:
    """Files and bytes: as our own record has them, else the recorded number of files times their nominal size."""
    metadata = leaf.metadata
    if metadata is None:
        return _count(leaf.summary.num_files_train if leaf.summary is not None else None, "file"), ""
    files = metadata.parameter_number("dataset.num_files_train")
    size = number(value_at(metadata.mlps, "dataset.bytes"))
    samples, record = (metadata.parameter_number(f"dataset.{key}") for key in ("num_samples_per_file", edition.training.record_key))
    if size is None and None not in (files, samples, record):
        size = (files or 0) * (samples or 0) * (record or 0)
    return _count(files, "file"), format_bytes(size) if size is not None and 0 < size < _MOST else ""


def _checkpointing(result: CheckpointingResult, edition: Edition) -> Iterator[tuple[str, str]]:
    leaf = _last(result.runs)
    if leaf is None:
        return
    yield from _told("ranks", _number(_ranks(leaf)))
    yield from _told("hosts", _number(_hosts(leaf)))
    size = CheckpointMetric.of(leaf.summary).size_gib if leaf.summary is not None else None
    yield from _told("checkpoint", format_bytes(size * GIB) if size is not None and 0 < size < _MOST / GIB else "")
    runs = run_leaves(result, edition)
    timed = [(one, read_epoch_stats(one, root=result.root)[0]) for one in runs if _finished(one)]
    done = {phase: sum(_done(one, stats, phase) for one, stats in timed) for phase in PHASES}
    yield from _told("checkpoints", *(f"{count:,} {_WORDS[phase][1]}" for phase, count in done.items() if count))
    if not is_round_v2(edition):
        yield from _told("spread by the summary", *_deviations(timed))
    others = tuple(filter(None, _others(runs)))
    yield from _told("runs", f"{len(timed)} finished" if others else _number(len(runs)) if runs else "", *others)
    yield from _told("engine", _engine(leaf))


def _done(leaf: Leaf, ranks: Sequence[EpochStats], phase: CheckpointPhase) -> int:
    """Checkpoints that every rank made whose times are there; where no rank tells of any, what the run was asked for and finished."""
    if any(checkpoints_of_rank(rank, either) for rank in ranks for either in PHASES):
        return len(set.intersection(*(_ended(rank, phase) for rank in ranks)))
    count = checkpoint_count(leaf.metadata, phase) if leaf.metadata is not None else None
    return count if count is not None and 0 < count < 10**9 else 0


def _ended(rank: EpochStats, phase: CheckpointPhase) -> set[tuple[int, int]]:
    made = checkpoints_of_rank(rank, phase)
    return {(one.epoch, one.number) for one in made if (seconds := one.span.wall_seconds) is not None and seconds >= 0}


def _deviations(timed: Sequence[tuple[Leaf, Sequence[EpochStats]]]) -> Iterator[str]:
    """Standard deviation of the rates of the one run of a phase that left no times of its ranks, of which the figures have no spread.

    Not in edition 2.0, whose figures are not those of the summary.
    """
    for phase, (word, _) in _WORDS.items():
        key = f"metric.{phase}_checkpoint_io_stdev_GB_per_second"
        told = [(number(value_at(leaf.summary.raw, key)), ranks) for leaf, ranks in timed if leaf.summary is not None]
        known = [(deviation, ranks) for deviation, ranks in told if deviation is not None]
        if len(known) == 1 and not known[0][1] and 0 < known[0][0] < _MOST_RATE:
            yield f"{word} ± {figure_text(known[0][0])} GiB/s"


def _vector_database(result: VectorDatabaseResult) -> Iterator[tuple[str, str]]:
    records = [run for run in run_records(result) if not isinstance(run, NoEvidence)]
    if records:
        given = records[-1][1].given
        vectors, dimension, hosts = (given(key).integer for key in ("num_vectors", "dimension", "disk_io.host_count"))
        phases = value_at(records[-1][0].summary.raw if records[-1][0].summary is not None else None, "mlps.phases")
        workers = integer(value_at(phases[-1], "workers")) if isinstance(phases, list) and phases else None
        yield from _told("searching processes", _number(workers))
        yield from _told("hosts", _number(hosts))
        of = f"of {dimension} dimensions" if dimension is not None and 0 < dimension < _MOST else ""
        yield from _told("data set", f"{count} {of}".strip() if (count := _count(vectors, "vector")) else "")
    yield from _told("runs", _number(len(result.runs)) if result.runs else "")
    yield from _told("engine", _engine(result.runs[-1]) if result.runs else "")


def _kv_cache(result: KVCacheResult) -> Iterator[tuple[str, str]]:
    found = with_summary(result)
    if isinstance(found, NoEvidence):
        return
    leaf, summary = found
    yield from _told("clients", _number(summary.total_ranks))
    yield from _told("hosts", _number(summary.host_count))
    yield from _told("options", ", ".join(map(str, summary.options)))
    yield from _told("trials of each", _number(summary.trials_per_option))
    yield from _told("engine", _engine(leaf))


def _when(runs: Sequence[Leaf]) -> Iterator[tuple[str, str]]:
    """From the start of the first run to the end of the last, by the clock of the site."""
    starts = [leaf.summary.start for leaf in runs if leaf.summary is not None and leaf.summary.start is not None]
    ends = [leaf.summary.end for leaf in runs if leaf.summary is not None and leaf.summary.end is not None]
    asked = [time for leaf in runs if leaf.metadata is not None and (time := leaf.metadata.invocation_start_time) is not None]
    named = [time for leaf in runs if (time := _named(leaf.name)) is not None]
    begin = min((time.replace(tzinfo=None) for time in starts or asked or named), default=None)
    end = max((time.replace(tzinfo=None) for time in ends), default=None)
    if begin is not None:
        first = f"{begin:%Y-%m-%d %H:%M}"
        last = f"{end:%Y-%m-%d %H:%M}" if end is not None and end > begin else first
        until = "" if last == first else f" to {last[11:] if last[:10] == first[:10] else last}"
        yield "measured", f"{first}{until}"


def _named(name: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(name, "%Y%m%d_%H%M%S")
    except ValueError:
        return None
