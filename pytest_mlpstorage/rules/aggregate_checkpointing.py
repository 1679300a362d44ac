"""Metrics of a checkpointing result from its runs (rules.md §4.4, rule 4.3.6): pure arithmetic on records."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.checkpoint_metric import PHASES, CheckpointMetric, CheckpointPhase, RankCheckpoint, checkpoints_of_rank
from pytest_mlpstorage.results.reader import read_epoch_stats
from pytest_mlpstorage.results.records import CheckpointingResult, EpochStats, Leaf, Summary
from pytest_mlpstorage.rules.aggregate import AggregationProblem, mean
from pytest_mlpstorage.rules.checkpoints import checkpoint_count, is_subset

__all__ = [
    "DP_INSTANCES",
    "MODE",
    "RATE_COLUMNS",
    "CheckpointAggregate",
    "aggregate_checkpointing",
    "aggregate_checkpointing_v2",
]

MODE: Final = "Checkpointing - Checkpoint Mode"
DP_INSTANCES: Final = "Checkpointing - DP Instances"
RATE_COLUMNS: Final[Mapping[CheckpointPhase, tuple[str, str]]] = {
    "save": ("Checkpointing - Write B/W (GiB/s)", "Checkpointing - Write Duration (secs)"),
    "load": ("Checkpointing - Read B/W (GiB/s)", "Checkpointing - Read Duration (secs)"),
}
"""Columns of the official table: bandwidth and duration of each phase."""

_DONE: Final[Mapping[CheckpointPhase, str]] = {"save": "wrote", "load": "read"}


@dataclasses.dataclass(frozen=True)
class CheckpointAggregate:
    """Metrics by their official column names (units in them), the leaves they come from, and what stood in the way.

    Bandwidths in GiB/s, durations in seconds, ``Checkpoint Mode`` (Full or Subset) and ``DP Instances``. A metric that cannot be
    had is absent, never 0.
    """

    metrics: Mapping[str, float | str] = dataclasses.field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    problems: tuple[AggregationProblem, ...] = ()


def aggregate_checkpointing(result: CheckpointingResult, edition: Edition) -> CheckpointAggregate:
    """Reduce the runs to the metrics of one row of the results table; no run is a warm-up.

    The write figures are the mean over the runs that were asked to write of their summaries' means, the read figures the same
    of those that were asked to read. Where one of them lacks its figure the phase has none. A run that does not say what
    it was asked counts with what it has.
    """
    names = tuple(leaf.relpath for leaf in result.runs)
    if edition.checkpointing is None:
        return CheckpointAggregate({}, names)
    metrics: dict[str, float | str] = {}
    problems: list[AggregationProblem] = []
    for phase in PHASES:
        rates, durations = (_Column(column) for column in RATE_COLUMNS[phase])
        for leaf in result.runs:
            _add_run(leaf, phase, rates, durations, problems)
        metrics |= {**rates.mean(), **durations.mean()}
    if result.runs:
        metrics |= _identity(result, edition)
    return CheckpointAggregate(metrics, names, tuple(problems))


@dataclasses.dataclass
class _Column:
    """Values of one column, one a run; ``lacks``: a run that must have one has none."""

    name: str
    values: list[float] = dataclasses.field(default_factory=list)
    lacks: bool = False

    def mean(self) -> dict[str, float | str]:
        if self.lacks or not self.values:
            return {}
        value = mean(self.values)
        return {self.name: value} if math.isfinite(value) else {}


def _add_run(leaf: Leaf, phase: CheckpointPhase, rates: _Column, durations: _Column, problems: list[AggregationProblem]) -> None:
    count = checkpoint_count(leaf.metadata, phase) if leaf.metadata is not None else None
    if count is not None and count <= 0:
        return
    if leaf.summary is None:
        # The rule on files speaks of it; what it measured is not known, so neither is the mean.
        rates.lacks = durations.lacks = True
        return
    metric = CheckpointMetric.of(leaf.summary).phase(phase)
    for column, value, field in (
        (rates, metric.gib_per_second, metric.rate_field),
        (durations, metric.duration_seconds, metric.duration_field),
    ):
        if value is not None and value > 0:
            column.values.append(value)
        elif count is not None or value is not None:
            column.lacks = True
            what = "is missing or no number" if value is None else "is not above 0"
            message = f"a figure of a run that {_DONE[phase]} checkpoints {what}"
            problems.append(AggregationProblem(message, leaf.summary.path or leaf.relpath, field))


def _identity(result: CheckpointingResult, edition: Edition) -> dict[str, float | str]:
    subset = any(leaf.metadata is not None and is_subset(leaf.metadata) for leaf in result.runs)
    found: dict[str, float | str] = {MODE: "Subset" if subset else "Full"}
    model = edition.checkpointing.models.get(result.model) if edition.checkpointing is not None else None
    if model is not None:
        found[DP_INSTANCES] = model.configured_data_parallel
    return found


def aggregate_checkpointing_v2(result: CheckpointingResult) -> CheckpointAggregate:
    """Reduce the runs to the metrics of edition 2.0, which come from the clocks of all ranks.

    A checkpoint takes from the first rank's start to the last rank's end; the bandwidth of a run is the mean over its
    checkpoints of size over that time, its duration the mean of the longest rank's. The result is the mean over the runs; one
    that left no summary did not finish and is none. That edition asks for rank 0's files only, so the ranks are those whose
    files are there.
    """
    problems: list[AggregationProblem] = []
    columns = {name: _Column(name) for names in RATE_COLUMNS.values() for name in names}
    for leaf in result.runs:
        if leaf.summary is None or leaf.planned:
            continue
        stats, damage = read_epoch_stats(leaf, root=result.root)
        problems += [AggregationProblem(f"the times of a rank cannot be read: {p.message}", p.file, "") for p in damage]
        for phase in PHASES:
            rates, durations = (columns[name] for name in RATE_COLUMNS[phase])
            found = [_over_ranks(ranks, leaf, problems) for ranks in _checkpoints(stats, phase)]
            whole = [times for times in found if times is not None]
            if _expected(leaf, leaf.summary, phase) and not found:
                problems.append(AggregationProblem(f"a run that {_DONE[phase]} checkpoints left no times of them", leaf.relpath, ""))
                rates.lacks = durations.lacks = True
            if damage or len(whole) != len(found):
                rates.lacks = durations.lacks = True
            elif whole:
                durations.values.append(mean([longest for _, longest in whole]))
                _add_rate(rates, leaf.summary, [seconds for seconds, _ in whole], problems)
    metrics = {name: value for column in columns.values() for name, value in column.mean().items()}
    return CheckpointAggregate(metrics, tuple(leaf.relpath for leaf in result.runs), tuple(problems))


def _expected(leaf: Leaf, summary: Summary, phase: CheckpointPhase) -> bool:
    """Whether a run made checkpoints of a phase: it was asked to, or its summary has a figure of them."""
    count = checkpoint_count(leaf.metadata, phase) if leaf.metadata is not None else None
    return count > 0 if count is not None else CheckpointMetric.of(summary).phase(phase).gib_per_second is not None


def _add_rate(rates: _Column, summary: Summary, seconds: Sequence[float], problems: list[AggregationProblem]) -> None:
    size = CheckpointMetric.of(summary).size_gib
    if size is not None and size > 0:
        rates.values.append(mean([size / each for each in seconds]))
    else:
        rates.lacks = True
        problems.append(AggregationProblem("the size of a checkpoint is not known", summary.path, "metric.checkpoint_size_GB"))


def _checkpoints(stats: Sequence[EpochStats], phase: CheckpointPhase) -> Iterator[list[RankCheckpoint | None]]:
    """Each checkpoint as all ranks timed it; None for a rank that did not."""
    ranks = [{(c.epoch, c.number): c for c in checkpoints_of_rank(part, phase)} for part in stats]
    for place in sorted(set().union(*ranks)):
        yield [rank.get(place) for rank in ranks]


def _over_ranks(ranks: Sequence[RankCheckpoint | None], leaf: Leaf, problems: list[AggregationProblem]) -> tuple[float, float] | None:
    """Seconds of a checkpoint from the first start to the last end, and of the rank that took longest."""
    spans = [rank.span for rank in ranks if rank is not None]
    starts = [span.start for span in spans if span.start is not None]
    ends = [span.end for span in spans if span.end is not None]
    longest = [span.wall_seconds for span in spans if span.wall_seconds is not None]
    name = next((rank.field for rank in ranks if rank is not None), "")
    if not len(starts) == len(ends) == len(ranks):
        problems.append(AggregationProblem("not every rank has the start and end of a checkpoint", leaf.relpath, name))
        return None
    seconds = (max(ends) - min(starts)).total_seconds()
    if seconds <= 0:
        problems.append(AggregationProblem("a checkpoint ends before it starts", leaf.relpath, name))
        return None
    return seconds, max(longest)
