"""What checkpointing runs have to show: rate and duration of each write and read over all ranks, and the rate over the time of each run."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.checkpoint_metric import PHASES, CheckpointMetric, CheckpointPhase, RankCheckpoint, checkpoints_of_rank
from pytest_mlpstorage.results.pictures import Chart, Group, Line, Panel, Picture, Span, figure_text
from pytest_mlpstorage.results.reader import read_epoch_stats
from pytest_mlpstorage.results.records import CheckpointingResult, EpochStats, Leaf, StoredResult
from pytest_mlpstorage.rules.activity import Activity, Begin, Course
from pytest_mlpstorage.rules.aggregate import mean
from pytest_mlpstorage.rules.round_v2_runs import is_round_v2, run_leaves

__all__ = ["checkpointing_activities", "checkpointing_pictures"]

_MOST_RUNS: Final = 6
_MOST_EACH: Final = 40
_MOST_RANKS: Final = 1024
_LEAST_SECONDS: Final = 1e-9
_MOST_SECONDS: Final = 1e9
_MOST_GIB: Final = 1e15
"""Foreign figures beyond these are none: rates that are made of them would have no end."""

_UNIT: Final = "GiB/s"
_WORDS: Final[Mapping[CheckpointPhase, str]] = {"save": "write", "load": "read"}


@dataclasses.dataclass(frozen=True)
class _Run:
    """One run with what its ranks timed, the first rank before the others; ``gib`` is the size of a checkpoint.

    ``whole``: the times of every rank that left any were read.
    """

    leaf: Leaf
    name: str
    ranks: tuple[EpochStats, ...]
    gib: float | None
    whole: bool = True

    def checkpoints(self, phase: CheckpointPhase) -> list[list[RankCheckpoint]]:
        """Each checkpoint of a phase, as each rank that knows it timed it."""
        return self.every_checkpoint(phase)[:_MOST_EACH]

    def every_checkpoint(self, phase: CheckpointPhase) -> list[list[RankCheckpoint]]:
        """The same, also of those beyond what is drawn."""
        found: dict[tuple[int, int], list[RankCheckpoint]] = {}
        for rank in self.ranks:
            for one in checkpoints_of_rank(rank, phase):
                found.setdefault((one.epoch, one.number), []).append(one)
        return [found[place] for place in sorted(found)]


@dataclasses.dataclass(frozen=True)
class _Told:
    """What is drawn of the checkpoints of one phase of a run: the figure of each as the edition forms it, and the values of its ranks."""

    firsts: tuple[float | None, ...]
    mean: float | None
    ranks: tuple[list[float], ...]

    def group(self, name: str, word: str) -> Group:
        spread = any(len(each) > 1 for each in self.ranks)
        lows = tuple(min(each) if each else None for each in self.ranks) if spread else ()
        highs = tuple(max(each) if each else None for each in self.ranks) if spread else ()
        return Group(name, self.firsts, self.mean, lows, highs, word)


def _leaves(result: CheckpointingResult, edition: Edition) -> list[Leaf]:
    return [leaf for leaf in run_leaves(result, edition) if not leaf.planned]


def _runs(result: CheckpointingResult, edition: Edition) -> Iterator[_Run]:
    leaves = _leaves(result, edition)[:_MOST_RUNS]
    for number, leaf in enumerate(leaves, 1):
        stats, damage = read_epoch_stats(leaf, root=result.root)
        gib = CheckpointMetric.of(leaf.summary).size_gib if leaf.summary is not None else None
        name = "" if len(leaves) == 1 else f"run {number}"
        size = gib if gib is not None and 0 < gib < _MOST_GIB else None
        yield _Run(leaf, name, stats[:_MOST_RANKS], size, not damage and len(stats) <= _MOST_RANKS)


def checkpointing_pictures(result: StoredResult, edition: Edition) -> list[Picture]:
    """Rate and duration of each checkpoint of each run; none where no rank's file tells of any."""
    if not isinstance(result, CheckpointingResult):
        return []
    runs, all_ranks = list(_runs(result, edition)), is_round_v2(edition)
    rates, lasted = [], []
    for run in runs:
        for phase, word in _WORDS.items():
            name = f"{run.name} {word}".strip()
            if run.checkpoints(phase):
                rate, duration = _of_all_ranks(run, phase) if all_ranks else _of_first_rank(run, phase)
                rates.append(rate.group(name, word))
                lasted.append(duration.group(name, word))
    if not any(group.extremes for group in (*rates, *lasted)):
        return []
    several = any(len(run.ranks) > 1 for run in runs)
    spread = "The pale bar goes from the slowest rank to the quickest." if several else ""
    over = "from the first start to the last end over all ranks" if all_ranks else "of the first rank"
    whose = "rank that took longest" if all_ranks else "first rank"
    of_rate = f"Size of a checkpoint over the time {over}, as the rule book has it. {spread}".strip()
    charts = (
        Chart("rate", _UNIT, tuple(rates), "checkpoint", note=of_rate),
        Chart("duration", "s", tuple(lasted), "checkpoint", note=f"Time of the {whose}. {spread}".strip()),
    )
    drawn = tuple(chart for chart in charts if any(group.extremes for group in chart.groups))
    return [Picture("Each write and read", tuple(_sentences(result, runs, edition)), charts=drawn, folded=True, opened=True)]


def _of_first_rank(run: _Run, phase: CheckpointPhase) -> tuple[_Told, _Told]:
    """Rate and duration of each checkpoint by the first rank's clock; their means are those of the summary."""
    made = run.checkpoints(phase)
    rates, durations = [_rates(one, run.gib) for one in made], [_durations(one) for one in made]
    metric = CheckpointMetric.of(run.leaf.summary).phase(phase) if run.leaf.summary is not None else None
    firsts, seconds = (tuple(each[0] if each else None for each in values) for values in (rates, durations))
    return (
        _Told(firsts, metric.gib_per_second if metric is not None else None, tuple(rates)),
        _Told(seconds, metric.duration_seconds if metric is not None else None, tuple(durations)),
    )


def _of_all_ranks(run: _Run, phase: CheckpointPhase) -> tuple[_Told, _Told]:
    """Rate and duration of each checkpoint by the clocks of all ranks, as edition 2.0 forms its figures of them.

    A checkpoint that one of the ranks did not time has neither, and a phase with such a checkpoint has no mean.
    """
    every = run.every_checkpoint(phase)
    times = [_over_ranks(one, len(run.ranks)) for one in every]
    rates = [run.gib / spent[0] if spent is not None and run.gib is not None else None for spent in times]
    durations = [spent[1] if spent is not None else None for spent in times]
    made = every[:_MOST_EACH]
    return (
        _Told(tuple(rates[:_MOST_EACH]), _mean(rates, run), tuple(_rates(one, run.gib) if run.gib is not None else [] for one in made)),
        _Told(tuple(durations[:_MOST_EACH]), _mean(durations, run), tuple(_durations(one) for one in made)),
    )


def _over_ranks(ranks: Sequence[RankCheckpoint], count: int) -> tuple[float, float] | None:
    """Seconds of a checkpoint from the first start to the last end, and of the rank that took longest."""
    spans = [(one.span.start, one.span.end) for one in ranks]
    whole = [(start, end) for start, end in spans if start is not None and end is not None]
    if len(whole) != count:
        return None
    seconds = (max(end for _, end in whole) - min(start for start, _ in whole)).total_seconds()
    longest = max((end - start).total_seconds() for start, end in whole)
    return (seconds, longest) if _LEAST_SECONDS <= seconds < _MOST_SECONDS and longest > 0 else None


def _mean(values: Sequence[float | None], run: _Run) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) and run.whole else None


def _durations(ranks: Sequence[RankCheckpoint]) -> list[float]:
    return [seconds for one in ranks if (seconds := _seconds(one)) is not None]


def _seconds(one: RankCheckpoint) -> float | None:
    """As the rank wrote it, else by its clock; None where neither can be the time of a checkpoint."""
    told = (one.span.duration_seconds, one.span.wall_seconds)
    return next((seconds for seconds in told if seconds is not None and _LEAST_SECONDS <= seconds < _MOST_SECONDS), None)


def _rates(ranks: Sequence[RankCheckpoint], gib: float | None) -> list[float]:
    if gib is not None:
        return [gib / seconds for seconds in _durations(ranks)]
    return [one.gib_per_second for one in ranks if one.gib_per_second is not None]


def _sentences(result: CheckpointingResult, runs: Sequence[_Run], edition: Edition) -> Iterator[str]:
    all_ranks = is_round_v2(edition)
    for run in runs:
        told = []
        for phase, word in _WORDS.items():
            count, rate = _rate_of_all_ranks(run, phase) if all_ranks else _rate_of_slowest(run, phase)
            if rate is not None:
                told.append(f"{count} × {word} at {figure_text(rate)} {_UNIT}")
        if told:
            whose = f"{run.name[0].upper()}{run.name[1:]}: " if run.name else ""
            over = "from the first start to the last end" if all_ranks else "over the time of the slowest"
            size = f" ({figure_text(run.gib)} GiB each, {over} of {len(run.ranks)} ranks)" if run.gib else ""
            yield f"{whose}{', '.join(told)}{size}."
    without = [run.leaf.name for run in runs if not run.ranks]
    if without:
        yield f"No rank's file of times can be read of {', '.join(without)}: nothing of it is drawn."
    if (count := len(_leaves(result, edition))) > _MOST_RUNS:
        yield f"The first {_MOST_RUNS} of {count} runs are drawn."
    if any(len(checkpoints_of_rank(rank, phase)) > _MOST_EACH for run in runs for rank in run.ranks[:1] for phase in PHASES):
        yield f"The first {_MOST_EACH} writes and reads of each run are drawn."


def _rate_of_slowest(run: _Run, phase: CheckpointPhase) -> tuple[int, float | None]:
    slowest = [max(lasted) for one in run.checkpoints(phase) if (lasted := _durations(one))]
    return len(slowest), run.gib * len(slowest) / sum(slowest) if slowest and run.gib is not None else None


def _rate_of_all_ranks(run: _Run, phase: CheckpointPhase) -> tuple[int, float | None]:
    return len(run.every_checkpoint(phase)), _of_all_ranks(run, phase)[0].mean


def checkpointing_activities(result: StoredResult, edition: Edition) -> list[Activity]:
    """The rate of writing and reading over the time of each run; none of a run whose ranks' files tell no times."""
    if not isinstance(result, CheckpointingResult):
        return []
    return [activity for run in _runs(result, edition) if (activity := _activity(run)) is not None]


def _activity(run: _Run) -> Activity | None:
    timed = [one.span for phase in PHASES for ranks in run.checkpoints(phase) for one in ranks]
    zero = min((span.start for span in timed if span.start is not None), default=None)
    last = max((span.end for span in timed if span.end is not None), default=None)
    if zero is None or last is None or last <= zero or run.gib is None:
        return None
    seconds = _since(zero, last)
    lines, marks = [], []
    for phase, word in _WORDS.items():
        moved, own = Course(seconds), list[Span]()
        for number, ranks in enumerate(run.checkpoints(phase), 1):
            times = [(one.span.start, one.span.end) for one in ranks]
            whole = [(_since(zero, start), _since(zero, end)) for start, end in times if start is not None and end is not None]
            for begin, end in whole:
                moved.add(begin, end, run.gib / len(whole))
            if whole:
                own.append(Span(f"{word} {number}", min(begin for begin, _ in whole), max(end for _, end in whole)))
        busy = sum(span.end - span.begin for span in own)
        if busy > 0:
            active = moved.between(min(span.begin for span in own), max(span.end for span in own))
            lines.append(Line(word, moved.total / busy, active))
        marks += own
    if not lines:
        return None
    panel = Panel("checkpoints", seconds, tuple(lines), Course(seconds).step, _UNIT)
    title = f"{run.name[0].upper()}{run.name[1:]} over time" if run.name else "The run over time"
    told = ("Each rank's share of a checkpoint lies evenly over the time in which that rank moved it, by the clock of its own host.",)
    began = Begin(wall=zero, host=run.leaf.summary.hostname if run.leaf.summary is not None else None)
    spans = tuple(sorted(marks, key=lambda span: span.begin))
    return Activity(run.leaf, f"{title} ({run.leaf.name})", (panel,), spans, told, begin=began)


def _since(zero: dt.datetime, time: dt.datetime) -> float:
    return (time - zero).total_seconds()
