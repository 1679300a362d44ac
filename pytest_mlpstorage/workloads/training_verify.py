"""Checks of a finished run against its plan: ranks, epochs, steps, and figures recomputed from the raw files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.results.reader import read_epoch_stats, read_rank_outputs
from pytest_mlpstorage.results.recompute import Disagreement, EpochValues, compare, epoch_values, reported_values, values_from_times
from pytest_mlpstorage.results.records import EpochStats, Leaf, RankOutput, Summary
from pytest_mlpstorage.units import MIB

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["Verified", "verify_run"]


@dataclasses.dataclass(frozen=True)
class Verified:
    """Figures of a run that agree with its raw files; ``record`` is what the leaf keeps of the comparison."""

    au_percent: float
    samples_per_second: float
    mib_per_second: float
    notes: tuple[str, ...]
    record: Mapping[str, Any]


def _bad(message: str, *, code: str = "MLPS-E542", **details: object) -> BenchmarkExecutionError:
    return BenchmarkExecutionError(message, details=details, code=code)


def verify_run(plan: TrainingPlan, leaf: Leaf, *, root: Path, first_step_counts: bool) -> Verified:
    """Check every count of a finished run and recompute its AU and throughput.

    ``first_step_counts``: whether this DLIO counts the first step of a block in samples/s (training.md §6). Raises
    BenchmarkExecutionError naming what is missing or wrong; a missing metric is an error and never 0.
    """
    summary = leaf.summary
    assert summary is not None
    outputs = _outputs(plan, leaf, root)
    stats, _ = read_epoch_stats(leaf, root=root)
    _counts(plan, summary, outputs)
    metric = summary.metric
    figures = (metric.au_mean_percent, metric.mean_samples_per_second, metric.io_mean_mib_per_second)
    au, rate, mib = (_number(name, value) for name, value in zip(("au", "throughput", "io"), figures, strict=True))
    found = _recompute(plan, stats, summary, outputs, first_step_counts=first_step_counts)
    notes = tuple(
        f"{d.field} of epoch {d.epoch}: reported {d.reported:.4f}, recomputed from the ranks' files {d.recomputed:.4f}" for d in found
    )
    true_mib = rate * plan.size.record_bytes / MIB
    return Verified(
        au,
        rate,
        mib,
        notes,
        {
            "from": "per-rank output and per-epoch files",
            "agrees": not found,
            "disagreements": [dataclasses.asdict(d) for d in found],
            "mib_per_second_from_samples": true_mib,
        },
    )


def _number(name: str, value: float | None) -> float:
    if value is None or value != value or value < 0:
        raise _bad(f"summary.json has no usable figure for {name}", given=value, code="MLPS-E540")
    return value


def _outputs(plan: TrainingPlan, leaf: Leaf, root: Path) -> list[RankOutput]:
    """Every rank's output file, by rank; raises where one is missing or unreadable."""
    found, problems = read_rank_outputs(leaf, root=root)
    by_rank = {output.rank: output for output in found}
    missing = [rank for rank in range(plan.ranks) if rank not in by_rank]
    if missing:
        raise _bad(
            f"rank {', '.join(map(str, missing))} of {plan.ranks} left no readable output file",
            problems="; ".join(f"{p.file}: {p.message}" for p in problems) or "none",
            code="MLPS-E540",
        )
    return [by_rank[rank] for rank in range(plan.ranks)]


def _counts(plan: TrainingPlan, summary: Summary, outputs: list[RankOutput]) -> None:
    if summary.num_accelerators != plan.ranks:
        raise _bad("DLIO ran on another number of ranks than asked", asked=plan.ranks, ran=summary.num_accelerators)
    reported = len(summary.metric.au_percent or ())
    if reported != plan.epochs:
        raise _bad("DLIO did not finish all epochs", asked=plan.epochs, finished=reported)
    for rank, output in enumerate(outputs):
        for epoch in range(1, plan.epochs + 1):
            done = output.epochs.get(epoch)
            steps = sum(len(seconds) for seconds in done.step_seconds.values()) if done is not None else 0
            if steps != plan.steps_per_epoch:
                raise _bad(
                    f"rank {rank} did {steps} steps in epoch {epoch} instead of {plan.steps_per_epoch}",
                    files=plan.files,
                    batch_size=plan.batch_size,
                    ranks=plan.ranks,
                )


def _recompute(
    plan: TrainingPlan, all_stats: Sequence[EpochStats], summary: Summary, outputs: list[RankOutput], *, first_step_counts: bool
) -> list[Disagreement]:
    found: list[Disagreement] = []
    for stats in all_stats:
        if stats.rank < len(outputs):
            mine = values_from_times(stats, outputs[stats.rank], plan.batch_size, first_step_counts=first_step_counts)
            found += compare(reported_values(outputs[stats.rank]), mine, from_clocks=True)
    ranks = [reported_values(output) for output in outputs]
    totals = {epoch: epoch_values(ranks, epoch) for epoch in range(1, plan.epochs + 1)}
    metric = summary.metric
    told = {
        epoch: EpochValues(au, rate)
        for epoch, (au, rate) in enumerate(zip(metric.au_percent or (), metric.samples_per_second or (), strict=False), start=1)
    }
    return found + compare(told, totals, from_clocks=False)
