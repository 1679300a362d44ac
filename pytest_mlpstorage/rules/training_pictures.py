"""What training runs have to show: utilization and throughput epoch by epoch beside the limit, and both over the time of each run."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.pictures import Chart, Group, Limit, Line, Panel, Picture, Span, figure_text
from pytest_mlpstorage.results.reader import read_epoch_stats, read_rank_outputs
from pytest_mlpstorage.results.records import EpochStats, Leaf, RankOutput, StoredResult, Summary, TrainingResult
from pytest_mlpstorage.rules.activity import Activity, Begin, Course
from pytest_mlpstorage.rules.aggregate import mean
from pytest_mlpstorage.rules.round_v2_runs import finished_by_accelerator, is_round_v2
from pytest_mlpstorage.rules.runs import required_utilization_percent, warmup_count

__all__ = ["training_activities", "training_pictures"]

_MOST_RUNS: Final = 9
_MOST_EPOCHS: Final = 60
_MOST_RANKS: Final = 16
"""Ranks of which every step is read: a run of hundreds of them is drawn from so many, evenly spread."""

_RATE: Final = "MiB/s"


def training_pictures(result: StoredResult, edition: Edition) -> list[Picture]:
    """Utilization and throughput of each epoch of each run; none where no summary has any."""
    if not isinstance(result, TrainingResult):
        return []
    named = list(_named(result, edition))[:_MOST_RUNS]
    required = required_utilization_percent(edition, result.model)
    limit = Limit(required, of_means=True) if required is not None else None
    aus, rates = [], []
    unit = _RATE if all(_mib_per_sample(leaf.summary) for leaf, _, _ in named if leaf.summary is not None) else "samples/s"
    for leaf, name, aside in named:
        summary = leaf.summary
        if summary is None:
            continue
        about = "aside" if aside else ""
        metric = summary.metric
        aus.append(Group(name, _cut(metric.au_percent), metric.au_mean_percent, about=about))
        each = _mib_per_sample(summary) if unit == _RATE else 1.0
        samples = tuple(value * (each or 1.0) for value in metric.samples_per_second or ())
        total = metric.mean_samples_per_second * (each or 1.0) if metric.mean_samples_per_second is not None else None
        rates.append(Group(name, _cut(samples), total, about="aside" if aside else "write"))
    if not any(group.values for group in (*aus, *rates)):
        return []
    note = "The bar across a run is the mean of its epochs; the limit is of that." if limit is not None else ""
    charts = (Chart("accelerator utilization", "%", tuple(aus), "epoch", limit, note), Chart("throughput", unit, tuple(rates), "epoch"))
    drawn = tuple(chart for chart in charts if any(group.values for group in chart.groups))
    return [Picture("Epochs", tuple(_sentences(result, edition, named, limit)), charts=drawn, folded=True, opened=True)]


def _named(result: TrainingResult, edition: Edition) -> Iterator[tuple[Leaf, str, bool]]:
    """Each run with its name, and whether it is a warm-up."""
    warmups = warmup_count(result, edition)
    for index, leaf in enumerate(result.runs):
        if not leaf.planned:
            yield leaf, "warm-up" if index < warmups else f"run {index + 1 - warmups}", index < warmups


def _cut(values: Sequence[float] | None) -> tuple[float, ...]:
    return tuple(values or ())[:_MOST_EPOCHS]


def _mib_per_sample(summary: Summary | None) -> float | None:
    metric = summary.metric if summary is not None else None
    if metric is None or metric.io_mean_mib_per_second is None or not metric.mean_samples_per_second:
        return None
    return metric.io_mean_mib_per_second / metric.mean_samples_per_second


def _sentences(result: TrainingResult, edition: Edition, named: Sequence[tuple[Leaf, str, bool]], limit: Limit | None) -> Iterator[str]:
    counted = [(leaf.summary.metric, name) for leaf, name, aside in named if leaf.summary is not None and not aside]
    means = list(_means(result, edition, named))
    for on, values in means:
        runs = f"mean of {len(values)} run{'' if len(values) == 1 else 's'}{on}"
        demanded = f"; the edition demands {figure_text(limit.value)} % of each run" if limit is not None else ""
        yield f"Accelerators were busy {figure_text(mean(values))} % of the time ({runs}{demanded})."
    if not means and limit is None:
        yield "No least utilization is in force for this model."
    epochs = [(value, name, number) for metric, name in counted for number, value in enumerate(metric.au_percent or (), 1)]
    if len(epochs) > 1:
        least, name, number = min(epochs)
        yield f"The epoch of the least had {figure_text(least)} %: epoch {number} of {name}."
    if any(aside for _, _, aside in named):
        # Conflict C-17, as rule 3.3.2 has it: a warm-up below the minimum fails, though no figure is made of it.
        also = "; the edition demands the same of it" if limit is not None else ""
        yield f"The warm-up (hollow marks) enters no figure{also}."
    without = [name for leaf, name, _ in named if leaf.summary is None]
    if without:
        yield f"Without a summary that can be read, and not drawn: {', '.join(without)}."
    if len(result.runs) > _MOST_RUNS:
        yield f"The first {_MOST_RUNS} of {len(result.runs)} runs are drawn."
    if any(len(metric.au_percent or ()) > _MOST_EPOCHS for metric, _ in counted):
        yield f"The first {_MOST_EPOCHS} epochs of each run are drawn."


def _means(result: TrainingResult, edition: Edition, named: Sequence[tuple[Leaf, str, bool]]) -> Iterator[tuple[str, list[float]]]:
    """The mean utilizations of the counted runs; of edition 2.0, which keeps runs of several accelerators in one place, of each."""
    groups = finished_by_accelerator(result) if is_round_v2(edition) else {}
    of_leaf = {run.leaf.relpath: name for name, group in groups.items() for run in group} if len(groups) > 1 else {}
    found: dict[str, list[float]] = {}
    for leaf, _, aside in named:
        value = leaf.summary.metric.au_mean_percent if leaf.summary is not None else None
        if value is not None and not aside:
            on = f" on {of_leaf[leaf.relpath] or 'an unknown accelerator'}" if leaf.relpath in of_leaf else ""
            found.setdefault(on, []).append(value)
    yield from sorted(found.items())


def training_activities(result: StoredResult, edition: Edition) -> list[Activity]:
    """What the ranks of each run did step by step; none of a run whose ranks' files are not there or cannot be read."""
    if not isinstance(result, TrainingResult):
        return []
    made = []
    for leaf, name, _ in list(_named(result, edition))[:_MOST_RUNS]:
        title = f"{name[0].upper()}{name[1:]} over time ({leaf.name})"
        if (activity := _activity(leaf, title, result)) is not None:
            made.append(activity)
    return made


@dataclasses.dataclass(frozen=True)
class _Step:
    """One step of one rank, in seconds of the run: when it began, how long it took, how much of that was compute."""

    begin: float
    seconds: float
    compute: float
    samples: float


def _activity(leaf: Leaf, title: str, result: TrainingResult) -> Activity | None:
    files = sorted(name for name in leaf.files - leaf.pruned if name.endswith("_output.json"))
    chosen = [files[index * len(files) // _MOST_RANKS] for index in range(_MOST_RANKS)] if len(files) > _MOST_RANKS else files
    outputs, _ = read_rank_outputs(dataclasses.replace(leaf, files=frozenset(chosen)), root=result.root)
    ranks = {output.rank for output in outputs}
    # Times of blocks are written by the first rank alone, or by each; all ranks begin a block together.
    wanted = {name for name in leaf.files if name.endswith("per_epoch_stats.json") and _rank_of(name) in {0, *ranks}}
    stats, _ = read_epoch_stats(dataclasses.replace(leaf, files=frozenset(wanted)), root=result.root)
    zero = min((span.start for one in stats for span in one.epochs.values() if span.start is not None), default=None)
    if not outputs or zero is None:
        return None
    steps = [step for output in outputs for step in _steps(output, stats, zero, _batch_size(leaf))]
    seconds = max((step.begin + step.seconds for step in steps), default=0.0)
    if seconds <= 0:
        return None
    asked, work, present = Course(seconds), Course(seconds), Course(seconds)
    each, of_all = _mib_per_sample(leaf.summary), len(files) / len(outputs)
    for step in steps:
        end = step.begin + step.seconds
        asked.add(step.begin, end, step.samples * (each or 1.0) * of_all)
        work.add(step.begin, end, step.compute)
        present.add(step.begin, end, step.seconds)
    if present.total <= 0:
        return None  # the clocks of its ranks lie too far apart for one axis
    unit = _RATE if each else "samples/s"
    panels = []
    if any(step.samples for step in steps):
        line = Line("consumed", asked.total / asked.seconds, asked.rates)
        panels.append(Panel("training", asked.seconds, (line,), asked.step, unit))
    busy = tuple(100 * done / there if there > 1e-9 else None for done, there in zip(work.rates, present.rates, strict=True))
    panels.append(Panel("accelerators busy", work.seconds, (Line("busy", 100 * work.total / present.total, busy),), work.step, "%"))
    spans = tuple(_spans(stats[0], zero))
    host = outputs[0].hostname or (leaf.summary.hostname if leaf.summary is not None else None)
    return Activity(leaf, title, tuple(panels), spans, tuple(_told(len(outputs), len(files))), begin=Begin(wall=zero, host=host))


def _told(drawn: int, there: int) -> Iterator[str]:
    yield "Consumed are the samples of each step over its time, first steps too; readers are ahead of it, so disks tell another course."
    if drawn < there:
        yield f"Drawn from {drawn} of {there} ranks, and multiplied up to all."


def _rank_of(name: str) -> int:
    rank = name.partition("_")[0]
    return int(rank) if rank.isdecimal() and len(rank) < 9 else 0


def _batch_size(leaf: Leaf) -> int | None:
    given = integer(leaf.metadata.parameter("reader.batch_size")) if leaf.metadata is not None else None
    return given if given is not None and 0 < given < 10**9 else None


def _steps(output: RankOutput, stats: Sequence[EpochStats], zero: dt.datetime, batch: int | None) -> Iterator[_Step]:
    own = next((one for one in stats if one.rank == output.rank), stats[0])
    for number, epoch in output.epochs.items():
        parts: Mapping[str, object] = own.parts.get(number, {})
        for block, seconds in epoch.step_seconds.items():
            start = getattr(parts.get(block), "start", None)
            if start is None:
                continue
            at = (start - zero).total_seconds()
            compute = epoch.compute_seconds.get(block, ())
            samples = float(batch or 0)
            for index, lasted in enumerate(seconds):
                if not 0 <= lasted < 1e9:
                    return
                yield _Step(at, lasted, compute[index] if index < len(compute) else 0.0, samples)
                at += lasted


def _spans(stats: EpochStats, zero: dt.datetime) -> Iterator[Span]:
    for number, span in stats.epochs.items():
        if span.start is not None and span.end is not None and span.end >= span.start:
            yield Span(f"epoch {number}", (span.start - zero).total_seconds(), (span.end - zero).total_seconds())
