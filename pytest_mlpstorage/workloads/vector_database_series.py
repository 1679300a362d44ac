"""The runs of a vector database case as they stand in the tree: which are whole, and whether they searched the collection of now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlpstorage.results.coerce import wall_time
from pytest_mlpstorage.workloads.resume import Standing
from pytest_mlpstorage.workloads.series import Series
from pytest_mlpstorage.workloads.vector_database_records import result_of_plan
from pytest_mlpstorage.workloads.vector_database_state import StandingLeaf, leaves, read_state, refuse_foreign

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan

__all__ = ["vector_series", "withdraw_row"]


def vector_series(plan: VectorPlan, *, forced: bool) -> Series:
    """The runs for resuming; no edition says how far apart they may lie. Raises FileSystemError where one is of another plan."""
    standing = leaves(plan, "run")
    if not forced:
        for leaf in standing:
            refuse_foreign(plan, leaf, "run")
    return Series([_standing(leaf) for leaf in standing], broken=_other_data(plan, standing))


def withdraw_row(plan: VectorPlan) -> None:
    """Take the result's row out of the submitter's table, which claims what is about to be set aside."""
    from pytest_mlpstorage.results.tables import withdraw_rollup
    from pytest_mlpstorage.results.vector_tables import vector_row

    withdraw_rollup(plan.config.results_dir, plan.config.division, plan.config.submitter, vector_row(result_of_plan(plan), {}))


def _standing(leaf: StandingLeaf) -> Standing:
    metadata = leaf.metadata
    step = metadata.mlps.get("step") if metadata is not None else None
    start, end = (metadata.invocation_start_time, metadata.invocation_end_time) if metadata is not None else (None, None)
    invalid = "its metadata cannot be read" if metadata is None else "its summary cannot be read" if leaf.summary is None else ""
    return Standing(leaf.relpath, wall_time(leaf.path.name), start, end, step if isinstance(step, str) else "", invalid)


def _other_data(plan: VectorPlan, standing: list[StandingLeaf]) -> str:
    """Why the collection of now is not the one that the runs searched; empty where it is, or where either does not say."""
    state = read_state(plan)
    for leaf in standing:
        dataset = leaf.metadata.mlps.get("dataset") if leaf.metadata is not None else None
        searched = dataset.get("sha256") if isinstance(dataset, dict) else None
        if state.dataset_sha256 and isinstance(searched, str) and searched != state.dataset_sha256:
            return f"{leaf.path.name} searched another data set than the one that is loaded now"
    return ""
