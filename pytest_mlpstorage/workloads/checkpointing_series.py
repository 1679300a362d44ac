"""The runs of a checkpointing case as they stand in the tree: which are whole, and how far writing and reading may lie apart (4.7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.results.coerce import wall_time
from pytest_mlpstorage.units import format_seconds
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.checkpointing_state import read_result, refuse_foreign, step_of
from pytest_mlpstorage.workloads.resume import Limit, Standing
from pytest_mlpstorage.workloads.run_faults import faults_of_runs
from pytest_mlpstorage.workloads.series import Series

if TYPE_CHECKING:
    from pytest_mlpstorage.results.records import Leaf
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["OF_ONE_RUN", "checkpointing_series", "withdraw_row"]

OF_ONE_RUN: Final = ("2.1.25", "2.1.26")
"""Rules that a run breaks by itself and that a new run can keep: its files and its configuration."""


def checkpointing_series(plan: CheckpointingPlan, *, forced: bool) -> Series:
    """The runs of a case for resuming. Raises FileSystemError where one is of another plan, unless all is done anew (``forced``)."""
    result = read_result(plan)
    faults = faults_of_runs(result, plan.edition, OF_ONE_RUN)
    standing: list[Standing] = []
    for leaf in result.runs:
        if not forced:
            refuse_foreign(plan, leaf)
        standing.append(_standing(plan, leaf, standing[-1] if standing else None, faults))
    gap, limit = plan.rules.run_gap, plan.rules.failover_gap_seconds
    limits = [Limit("4.7.1", "idle", seconds=limit, equal_passes=True)] if limit is not None else []
    if gap is not None:
        limits.append(Limit.of_edition(gap, "2.1.24"))
    return Series(standing, tuple(limits), tables=(f"{result.relpath}/results.json",))


def _standing(plan: CheckpointingPlan, leaf: Leaf, before: Standing | None, faults: Mapping[str, str]) -> Standing:
    """One leaf; the rule takes the times of the invocations, which are wider than those of the summaries."""
    metadata, step = leaf.metadata, step_of(leaf)
    start, end = (metadata.invocation_start_time, metadata.invocation_end_time) if metadata is not None else (None, None)
    invalid = ""
    for record, what in ((leaf.summary, "summary"), (metadata, "metadata")):
        if record is None:
            problem = next((f": {p.message}" for p in leaf.problems if what in p.file), "")
            invalid = invalid or f"its {what} cannot be read{problem}"
    invalid = invalid or faults.get(leaf.relpath, "")
    if not invalid and (start is None or end is None):
        invalid = "its metadata do not say from when to when it ran"
    if not invalid and step == "read":
        invalid = _unpaired(plan, Standing(leaf.relpath, None, start, end), before)
    return Standing(leaf.relpath, wall_time(leaf.name), start, end, step, invalid)


def _unpaired(plan: CheckpointingPlan, read: Standing, before: Standing | None) -> str:
    """Why a run that reads has none that wrote for it; empty where it has."""
    if before is None or before.step != "write" or before.invalid:
        return "the run that wrote what it read is not there"
    limit = plan.rules.failover_gap_seconds
    if limit is None or plan.config.division is Division.WHATIF or before.end is None or read.start is None:
        return ""
    if before.start is not None and read.start < before.start:
        return "by the clock it began before the run that wrote what it read"
    gap = (read.start - before.end).total_seconds()
    return f"it began {format_seconds(gap)} after its checkpoints were written, and {limit:g} s may pass (4.7.1)" if gap > limit else ""


def withdraw_row(plan: CheckpointingPlan) -> None:
    """Take the result's row out of the submitter's table, which claims what is about to be set aside."""
    from pytest_mlpstorage.results.checkpoint_tables import checkpoint_row
    from pytest_mlpstorage.results.tables import withdraw_rollup

    withdraw_rollup(plan.config.results_dir, plan.config.division, plan.config.submitter, checkpoint_row(read_result(plan), {}))
