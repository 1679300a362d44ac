"""The runs of a training case as they stand in the tree: which are whole, and what holds a series together (2.1.18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.results.coerce import wall_time
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.results.state import LEAF_MANIFEST, Complete, read_dataset_state
from pytest_mlpstorage.workloads.resume import Limit, Standing
from pytest_mlpstorage.workloads.run_faults import faults_of_runs
from pytest_mlpstorage.workloads.series import Series
from pytest_mlpstorage.workloads.training_state import refuse_foreign

if TYPE_CHECKING:
    from pytest_mlpstorage.results.records import Leaf, TrainingResult
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["OF_ONE_RUN", "training_series", "withdraw_row"]

OF_ONE_RUN: Final = ("2.1.19", "2.1.20", "3.3.2")
"""Rules that a run breaks by itself and that a new run can keep: its files, its configuration, its utilization.

What another run would break in the same way (a parameter, a host, the code) is no reason to do hours of work again.
"""


def training_series(plan: TrainingPlan, *, forced: bool) -> Series:
    """The runs of a case for resuming. Raises FileSystemError where one is of another plan, unless all is done anew (``forced``)."""
    root = plan.config.results_dir
    result = read_training_result(plan.result_dir(), root=root)
    if not forced:
        for leaf in result.runs:
            refuse_foreign(plan, leaf)
    faults = faults_of_runs(result, plan.edition, OF_ONE_RUN)
    gap = plan.edition.training.run_gap
    rule = "2.1.18" if gap.measure == "start_to_start" else f"the run gap of edition {plan.edition.name}"
    return Series(
        [_standing(leaf, faults) for leaf in result.runs],
        (Limit.of_edition(gap, rule),),
        plan.warmup_runs,
        _other_data(plan, result) if result.runs else "",
        (f"{result.relpath}/run/results.json",),
    )


def _standing(leaf: Leaf, faults: Mapping[str, str]) -> Standing:
    summary = leaf.summary
    start, end = (summary.start, summary.end) if summary is not None else (None, None)
    step: Any = leaf.metadata.mlps.get("step") if leaf.metadata is not None else None
    return Standing(leaf.relpath, wall_time(leaf.name), start, end, step if isinstance(step, str) else "", _fault(leaf, faults))


def _fault(leaf: Leaf, faults: Mapping[str, str]) -> str:
    """Why a leaf does not count as a run; empty for one that does."""
    summary = leaf.summary
    for record, what in ((summary, "summary"), (leaf.metadata, "metadata")):
        if record is None:
            problem = next((f": {p.message}" for p in leaf.problems if what in p.file), "")
            return f"its {what} cannot be read{problem}"
    assert summary is not None
    if summary.duration_seconds is None or summary.duration_seconds <= 0:
        return "its summary does not say from when to when it ran"
    return faults.get(leaf.relpath, "")


def _other_data(plan: TrainingPlan, result: TrainingResult) -> str:
    """Why the data set of now is not the one that the runs read; empty where it is, or where either does not say."""
    state = read_dataset_state(plan.config.data_dir, plan.model)
    if not isinstance(state, Complete):
        return ""
    files = TreeFiles(plan.config.results_dir)
    for leaf in result.runs:
        if LEAF_MANIFEST in leaf.files:
            read = (files.json_object(leaf.path / LEAF_MANIFEST) or {}).get("run_id")
            if isinstance(read, str) and read != state.manifest.run_id:
                return f"{leaf.name} read another data set than the one that is there now, which was generated anew"
    return ""


def withdraw_row(plan: TrainingPlan) -> None:
    """Take the result's row out of the submitter's table, which claims what is about to be set aside."""
    from pytest_mlpstorage.results.tables import rollup_row, withdraw_rollup

    root = plan.config.results_dir
    result = read_training_result(plan.result_dir(), root=root)
    withdraw_rollup(root, plan.config.division, plan.config.submitter, rollup_row(result, warmup_runs=plan.warmup_runs))
