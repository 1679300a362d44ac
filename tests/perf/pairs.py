"""What every script here ends with: a table of pairs, then ``ratio=… goal=…`` and an exit code."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

MET, MISSED, INCONCLUSIVE = 0, 1, 2


def conclude(ratios: Sequence[float], goal: float) -> int:
    """Print the closing line; 0 goal met by the median, 1 missed by every pair, 2 missed by the median but not by all."""
    middle = statistics.median(ratios)
    print(f"pairs={len(ratios)} min={min(ratios):.4f} median={middle:.4f} max={max(ratios):.4f}")
    print(f"ratio={middle:.4f} goal={goal}")
    if middle <= goal:
        return MET
    return MISSED if min(ratios) > goal else INCONCLUSIVE
