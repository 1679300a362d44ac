"""Judges rates of ours over another's, measured in adjacent pairs: the median must reach a goal, and be known well enough."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence

MET, MISSED, INCONCLUSIVE = 0, 1, 2

CELL_GOAL = 0.85
"""The lower bound of every cell's median, at 90 %."""

WIDEST = 0.1
"""An interval that reaches further than this from its middle decides nothing."""

_RESAMPLES = 2000


def interval(ratios: Sequence[float], *, seed: int = 1) -> tuple[float, float]:
    """The 90 % bootstrap interval of a median."""
    draw = random.Random(seed)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
    return medians[_RESAMPLES // 20], medians[-(_RESAMPLES // 20) - 1]


def conclude(cells: Mapping[str, Sequence[float]], goal: float) -> int:
    """Print a line a cell and the closing line; 0 met, 1 missed, 2 the intervals are too wide to say."""
    pooled = [ratio for ratios in cells.values() for ratio in ratios]
    middle = statistics.median(pooled)
    worst, wide = 1.0, False
    for name, ratios in cells.items():
        low, high = interval(ratios)
        worst, wide = min(worst, low), wide or (high - low) / 2 > WIDEST
        print(f"{name}: pairs={len(ratios)} median={statistics.median(ratios):.3f} 90%=[{low:.3f}, {high:.3f}]")
    low, high = interval(pooled)
    print(f"pooled: pairs={len(pooled)} 90%=[{low:.3f}, {high:.3f}] worst cell's lower bound={worst:.3f} (goal {CELL_GOAL})")
    print(f"ratio={middle:.4f} goal={goal}")
    if middle < goal and high < goal:
        return MISSED
    if wide or middle < goal:
        return INCONCLUSIVE
    return MET if worst >= CELL_GOAL else MISSED
