"""Checks of a finished checkpointing run against its plan: every count, every byte, and the rates formed both ways."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.results.checkpoint_metric import CheckpointMetric, CheckpointPhase, RankCheckpoint, checkpoints_of_rank
from pytest_mlpstorage.results.reader import read_epoch_stats, read_rank_outputs
from pytest_mlpstorage.results.records import EpochStats, Leaf
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.workloads.checkpointing_state import files_of_checkpoints, is_whole

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["Rates", "verify_files", "verify_run"]

_EXACT = 1e-6
"""Relative difference that sums in another order may have."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """One phase of a run, rates in GiB/s.

    ``rank_0`` is the mean over the checkpoints of their size over rank 0's duration, as the original forms it, ``seconds`` the mean of
    these durations. ``all_ranks`` is the mean of their size over the time from the first rank's start to the last rank's end.
    """

    phase: CheckpointPhase
    count: int
    rank_0: float
    all_ranks: float
    seconds: float

    def metrics(self) -> dict[str, float]:
        """By name, with units in the names."""
        return {
            f"{self.phase}_checkpoint_io_mean_GiB_per_second": self.rank_0,
            f"{self.phase}_checkpoint_all_ranks_GiB_per_second": self.all_ranks,
            f"{self.phase}_checkpoint_duration_mean_seconds": self.seconds,
        }


def _bad(message: str, *, code: str = "MLPS-E542", **details: object) -> BenchmarkExecutionError:
    return BenchmarkExecutionError(message, details=details, code=code)


def verify_run(plan: CheckpointingPlan, step: Step, leaf: Leaf, *, root: Path) -> tuple[Rates, ...]:
    """Check every count of a finished run and recompute its rates from the ranks' files.

    Raises BenchmarkExecutionError naming what is missing or wrong; a missing metric is an error and never 0.
    """
    summary = leaf.summary
    if summary is None:
        why = "; ".join(f"{p.file}: {p.message}" for p in leaf.problems) or "it is missing"
        raise _bad(f"the run ended with 0 but left no usable summary.json: {why}", code="MLPS-E540")
    assert plan.size is not None
    if summary.num_accelerators != plan.ranks:
        raise _bad("the job ran on another number of ranks than asked", asked=plan.ranks, ran=summary.num_accelerators)
    metric = CheckpointMetric.of(summary)
    if metric.size_gib is None or not math.isclose(metric.size_gib, plan.size.total_gib, rel_tol=_EXACT):
        raise _bad("a checkpoint has another size than planned", planned=f"{plan.size.total_gib} GiB", reported=metric.size_gib)
    outputs, _ = read_rank_outputs(leaf, root=root)
    stats, problems = read_epoch_stats(leaf, root=root)
    for what, there in (("output", {o.rank for o in outputs}), ("times", {s.rank for s in stats})):
        missing = [rank for rank in range(plan.ranks) if rank not in there]
        if missing:
            shown = ", ".join(map(str, missing[:8])) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise _bad(
                f"rank {shown} of {plan.ranks} left no readable file of its {what}",
                problems="; ".join(f"{p.file}: {p.message}" for p in problems) or "none",
                code="MLPS-E540",
            )
    writes, reads = plan.counts(step)
    found: list[Rates] = []
    asked: tuple[tuple[CheckpointPhase, int], ...] = (("save", writes), ("load", reads))
    for phase, count in asked:
        ranks = _checkpoints(stats, phase, count)
        if count:
            found.append(_rates(phase, ranks, plan.size.total_gib))
            reported = metric.phase(phase).gib_per_second
            if reported is None or not math.isclose(reported, found[-1].rank_0, rel_tol=_EXACT):
                raise _bad(
                    f"{metric.phase(phase).rate_field} of summary.json is not what rank 0's checkpoints give",
                    reported=reported,
                    recomputed=found[-1].rank_0,
                )
    return tuple(found)


def _checkpoints(stats: Sequence[EpochStats], phase: CheckpointPhase, count: int) -> list[tuple[RankCheckpoint, ...]]:
    done = "wrote" if phase == "save" else "read"
    ranks = []
    for of_rank in stats:
        made = checkpoints_of_rank(of_rank, phase)
        if len(made) != count:
            raise _bad(f"rank {of_rank.rank} {done} {len(made)} checkpoints instead of {count}", file=of_rank.path)
        for checkpoint in made:
            span = checkpoint.span
            if span.start is None or span.end is None or span.duration_seconds is None or span.duration_seconds <= 0:
                raise _bad(f"rank {of_rank.rank} left no usable times of {checkpoint.field}", file=of_rank.path, code="MLPS-E540")
        ranks.append(made)
    return ranks


def _rates(phase: CheckpointPhase, ranks: Sequence[Sequence[RankCheckpoint]], size_gib: float) -> Rates:
    first = [checkpoint.span.duration_seconds or math.nan for checkpoint in ranks[0]]
    spans = []
    for number in range(len(ranks[0])):
        parts = [made[number].span for made in ranks]
        begin = min(part.start for part in parts if part.start is not None)
        end = max(part.end for part in parts if part.end is not None)
        spans.append((end - begin).total_seconds())
    if min(spans) <= 0:
        raise _bad(f"a checkpoint ended before it began by the clocks of the ranks: {phase}", seconds=min(spans))
    return Rates(
        phase,
        len(first),
        rank_0=statistics.fmean(size_gib / seconds for seconds in first),
        all_ranks=statistics.fmean(size_gib / seconds for seconds in spans),
        seconds=statistics.fmean(first),
    )


def verify_files(plan: CheckpointingPlan, step: Step) -> dict[str, Any]:
    """Count files and bytes of every checkpoint that the run wrote, as far as this host sees them; empty where it does not.

    Raises BenchmarkExecutionError for a file that is missing or has other bytes than the formula gives.
    """
    writes, _ = plan.counts(step)
    if not writes or not plan.seen_here:
        return {}
    files = total = 0
    for number, path, size, there in files_of_checkpoints(plan, writes):
        if there is None:
            raise _bad(f"checkpoint {number} lacks a file", file=path, bytes=size, code="MLPS-E540")
        if not is_whole(plan, there, size):
            raise _bad(f"a file of checkpoint {number} has other bytes than the formula gives", file=path, given=there, wanted=size)
        files, total = files + 1, total + there
    return {"files": files, "bytes_on_disk": total, "bytes_by_formula": writes * plan.total_bytes, "gib": total / GIB}
