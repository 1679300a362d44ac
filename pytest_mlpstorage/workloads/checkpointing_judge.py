"""The verdict of a checkpointing case: its plan before a run, its result after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlpstorage.verdict import Finding
from pytest_mlpstorage.workloads.base import Judged
from pytest_mlpstorage.workloads.checkpointing_records import result_of_plan
from pytest_mlpstorage.workloads.checkpointing_state import read_result
from pytest_mlpstorage.workloads.judging import judge_in_tree, plan_findings

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["judge_checkpointing", "preflight_rules"]


def preflight_rules(plan: CheckpointingPlan) -> Iterator[Finding]:
    """Findings of every rule that can judge a plan. In whatif an error of a rule is information: nothing is claimed."""
    yield from plan_findings(result_of_plan(plan))


def judge_checkpointing(plan: CheckpointingPlan) -> Judged | None:
    """Write the tables that the rules ask for, then judge the result as it stands in the tree; None before the first run."""
    from pytest_mlpstorage.results.checkpoint_tables import checkpoint_row, write_checkpoint_table
    from pytest_mlpstorage.results.tables import write_rollup
    from pytest_mlpstorage.rules import metrics_of

    root = plan.config.results_dir
    result = read_result(plan)
    if not result.runs:
        return None
    write_checkpoint_table(result)
    if len(result.runs) == len(plan.case.steps):
        # A row of a table is a claim: an unfinished result makes none.
        write_rollup(root, plan.config.division, plan.config.submitter, [checkpoint_row(result, metrics_of(result, plan.edition))])
    judged = judge_in_tree(plan.config, plan.edition, result.relpath)
    if judged is None:
        return None
    judgement, metrics, pictures = judged
    shown = {"write": metrics.get("Checkpointing - Write B/W (GiB/s)"), "read": metrics.get("Checkpointing - Read B/W (GiB/s)")}
    measured = ", ".join(f"{word} {rate:.3g} GiB/s" for word, rate in shown.items() if isinstance(rate, float))
    return Judged(result.relpath, judgement, metrics, plan.accelerator, measured, pictures=pictures)
