"""Reading what a checkpointing run left: exit code 0 is no proof, so every count is checked before a leaf may stand in the tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.results.page_cache import write_page_cache
from pytest_mlpstorage.results.reader import read_leaf
from pytest_mlpstorage.units import GIB, format_seconds
from pytest_mlpstorage.workloads.base import Collected
from pytest_mlpstorage.workloads.checkpointing_verify import Rates, verify_files, verify_run
from pytest_mlpstorage.workloads.training_collect import engine_block, evidence_of_ranks, page_cache_record
from pytest_mlpstorage.workloads.training_job import EVIDENCE

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["collect"]

_WORDS = {"save": "write", "load": "read"}

_APART = 0.1
"""Share by which the two ways to a rate may differ before a reader is told."""


def collect(plan: CheckpointingPlan, step: Step, *, staged: Path, scratch: Path, outcome: Outcome) -> Collected:
    """Check a finished run and return its figures. Raises BenchmarkExecutionError for anything less."""
    engine = plan.engine.record() if plan.engine.is_own else _dlio_engine(plan, scratch)
    not_shown = [] if plan.engine.is_own else _dlio_reads(plan, step, scratch, staged)
    leaf = read_leaf(staged, root=staged.parent, phase="run", family="checkpointing")
    rates = verify_run(plan, step, leaf, root=staged.parent)
    files = verify_files(plan, step)
    metrics: dict[str, float] = {"checkpoint_size_GiB": plan.total_bytes / GIB, "launch_seconds": outcome.elapsed_seconds}
    for phase in rates:
        metrics |= phase.metrics()
    if files:
        metrics["bytes_on_disk"] = files["bytes_on_disk"]
    mlps: dict[str, Any] = {"engine": engine, "recomputed": {rate.phase: rate.metrics() for rate in rates}}
    if files:
        mlps["files"] = files
    notes = [*(note for rate in rates for note in _apart(rate)), *not_shown]
    if step.name in plan.handovers and outcome.started is not None:
        handover = plan.handovers[step.name]
        # The launch begins some milliseconds after the invocation, which the metadata times.
        mlps["handover"] = record = handover.record(outcome.started.replace(tzinfo=None), plan.rules.failover_gap_seconds)
        metrics["write_to_read_gap_seconds"] = record["gap_seconds"]
        notes.append(_gap_note(plan, record["gap_seconds"]))
    headline = ", ".join(f"{_WORDS[rate.phase]} {rate.rank_0:.3g} GiB/s" for rate in rates)
    return Collected(metrics, tuple(notes), mlps, headline)


def _gap_note(plan: CheckpointingPlan, seconds: float) -> str:
    limit = plan.rules.failover_gap_seconds
    text = f"{format_seconds(seconds)} passed between the run that wrote and this one"
    if limit is None:
        return text
    return f"{text}, of {limit:g} s allowed (4.7.1)" if seconds <= limit else f"{text}, and {limit:g} s are allowed (4.7.1)"


def _apart(rates: Rates) -> list[str]:
    """What to say where rank 0 is not like the others: a submission reports rank 0's rate."""
    if abs(rates.rank_0 - rates.all_ranks) <= _APART * rates.rank_0:
        return []
    return [
        f"rank 0 alone gives {rates.rank_0:.4g} GiB/s to {_WORDS[rates.phase]} (the figure of the official tool); "
        f"from the first rank's start to the last rank's end it is {rates.all_ranks:.4g} GiB/s"
    ]


def _dlio_reads(plan: CheckpointingPlan, step: Step, scratch: Path, staged: Path) -> list[str]:
    """Put what DLIO's ranks noted of the page cache into the leaf; what to say where they read and noted nothing."""
    _, reads = plan.counts(step)
    if not reads:
        return []
    folder = scratch / EVIDENCE
    if not (folder / "0_page_cache.json").is_file():
        return ["this DLIO does not tell when it begins to read checkpoints: that its reads were cold is not shown"]
    record = page_cache_record(folder, evidence_of_ranks(folder, plan.ranks, "io"), asked_bytes=plan.total_bytes * reads)
    assert record is not None
    write_page_cache(staged, record)
    return []


def _dlio_engine(plan: CheckpointingPlan, scratch: Path) -> dict[str, Any]:
    """What DLIO's ranks said of themselves; raises where one did not reach its end."""
    evidence_of_ranks(scratch / EVIDENCE, plan.ranks, "end")
    engine: dict[str, Any] = engine_block(evidence_of_ranks(scratch / EVIDENCE, plan.ranks, "effective"))["engine"]
    return engine
