"""AU and throughput of a training run, recomputed from the files that its ranks left (rules 3.3.2 and 3.3.8)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytest_mlpstorage.results.summary import EpochStats, RankOutput

__all__ = [
    "BlockTimes",
    "Disagreement",
    "EpochValues",
    "compare",
    "epoch_values",
    "recompute_block",
    "reported_values",
    "values_from_times",
]

AU_TOLERANCE_POINTS = 0.1
"""Allowed difference of a block's AU in percentage points (0.03 were seen on an idle machine)."""

RATE_TOLERANCE = 0.002
"""Allowed relative difference of a block's samples/s, for the same reason (0.02 % were seen)."""

CLOCK_SECONDS = 0.02
"""DLIO reads its clock again between the figure and the time it writes down: on a busy machine that is some milliseconds,
which weigh more the shorter a block is."""

SUM_TOLERANCE = 1e-6
"""Means and sums over ranks involve no clock: they must agree but for the last digits."""


@dataclasses.dataclass(frozen=True)
class BlockTimes:
    """One block of one rank: wall seconds, and per step the seconds of compute and of the whole step."""

    wall_seconds: float
    compute_seconds: Sequence[float]
    step_seconds: Sequence[float]


class EpochValues(NamedTuple):
    """AU in percent and samples/s of one epoch; ``wall_seconds`` where they came from clock readings."""

    au_percent: float
    samples_per_second: float
    wall_seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """A reported value that its own raw files do not give."""

    epoch: int
    field: str
    reported: float
    recomputed: float


def recompute_block(block: BlockTimes, batch_size: int, *, first_step_counts: bool) -> EpochValues:
    """AU and samples/s of one block.

    The window is every step but the first. AU = 100 Σ compute(window) / (wall - time of the excluded step). Samples/s
    counts all steps over the whole wall time where ``first_step_counts`` (registry DLIO, as the rule's wording wants:
    conflict C-5), else the window over its own time. A block of one step has no window and gives 0 as DLIO does.
    """
    steps, samples = len(block.step_seconds), float(batch_size)
    window = steps - 1
    if window <= 0 or block.wall_seconds <= block.step_seconds[0]:
        rate = steps * samples / block.wall_seconds if first_step_counts and block.wall_seconds > 0 else 0.0
        return EpochValues(0.0, rate, block.wall_seconds)
    window_seconds = block.wall_seconds - block.step_seconds[0]
    au = 100.0 * sum(block.compute_seconds[1:]) / window_seconds
    rate = steps * samples / block.wall_seconds if first_step_counts else window * samples / window_seconds
    return EpochValues(au, rate, block.wall_seconds)


def _weighted(parts: Sequence[tuple[int, EpochValues]]) -> EpochValues | None:
    """Blocks of one epoch as one value, weighted by their steps; None where there is no step."""
    if len(parts) == 1 and parts[0][0]:  # as nearly always
        return parts[0][1]
    steps = sum(count for count, _ in parts)
    if not steps:
        return None
    au = sum(count * value.au_percent for count, value in parts) / steps
    rate = sum(count * value.samples_per_second for count, value in parts) / steps
    return EpochValues(au, rate, sum(value.wall_seconds for _, value in parts))


def reported_values(output: RankOutput) -> dict[int, EpochValues]:
    """One rank's own values by epoch; a value that is not there is NaN, which agrees with nothing."""
    values = {}
    for number, epoch in output.epochs.items():
        parts = [
            (len(steps), EpochValues(epoch.au_percent.get(block, math.nan), epoch.samples_per_second.get(block, math.nan)))
            for block, steps in epoch.step_seconds.items()
        ]
        value = _weighted(parts)
        if value is not None:
            values[number] = value
    return values


def values_from_times(stats: EpochStats, output: RankOutput, batch_size: int, *, first_step_counts: bool) -> dict[int, EpochValues]:
    """One rank's values from its block and step times; an epoch whose times are incomplete is left out."""
    values = {}
    for number, epoch in output.epochs.items():
        spans = stats.parts.get(number, {})
        parts = []
        for block, steps in epoch.step_seconds.items():
            span = spans.get(f"block{block}") or spans.get(block)
            wall, compute = span.wall_seconds if span else None, epoch.compute_seconds.get(block, ())
            if wall is not None and len(compute) == len(steps):
                parts.append(
                    (len(steps), recompute_block(BlockTimes(wall, compute, steps), batch_size, first_step_counts=first_step_counts))
                )
        value = _weighted(parts)
        if value is not None and len(parts) == len(epoch.step_seconds):
            values[number] = value
    return values


def epoch_values(ranks: Sequence[Mapping[int, EpochValues]], epoch: int) -> EpochValues:
    """One epoch of the job: AU is the mean over the ranks, samples/s their sum."""
    values = [rank[epoch] for rank in ranks]
    return EpochValues(sum(v.au_percent for v in values) / len(values), sum(v.samples_per_second for v in values))


def _differs(reported: float, recomputed: float, *, absolute: float = 0.0, relative: float = 0.0) -> bool:
    # Written so that NaN, which compares false with everything, differs; of what is beyond a float any part is as large.
    return not math.isfinite(recomputed) or not abs(reported - recomputed) <= max(absolute, relative * abs(recomputed))


def compare(reported: Mapping[int, EpochValues], recomputed: Mapping[int, EpochValues], *, from_clocks: bool) -> list[Disagreement]:
    """Epochs whose reported values are not those recomputed; ``from_clocks`` allows for DLIO's own clock readings."""
    found = []
    for epoch, mine in sorted(recomputed.items()):
        theirs = reported.get(epoch)
        if theirs is None:
            found.append(Disagreement(epoch, "au", float("nan"), mine.au_percent))
            continue
        skew = CLOCK_SECONDS / mine.wall_seconds if mine.wall_seconds else 0.0
        au = max(AU_TOLERANCE_POINTS, 100 * skew) if from_clocks else SUM_TOLERANCE * 100
        rate = max(RATE_TOLERANCE, skew) if from_clocks else SUM_TOLERANCE
        if _differs(theirs.au_percent, mine.au_percent, absolute=au):
            found.append(Disagreement(epoch, "au", theirs.au_percent, mine.au_percent))
        if _differs(theirs.samples_per_second, mine.samples_per_second, relative=rate):
            found.append(Disagreement(epoch, "throughput", theirs.samples_per_second, mine.samples_per_second))
    return found
