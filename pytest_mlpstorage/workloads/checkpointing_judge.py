"""The verdict of a checkpointing case: its plan before a run, its result after."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from pytest_mlpstorage.verdict import Finding
from pytest_mlpstorage.workloads.base import Judged
from pytest_mlpstorage.workloads.checkpointing_records import result_of_plan
from pytest_mlpstorage.workloads.checkpointing_state import read_result

if TYPE_CHECKING:
    from pytest_mlpstorage.results.records import StoredResult
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["judge_checkpointing", "preflight_rules"]


def preflight_rules(plan: CheckpointingPlan) -> Iterator[Finding]:
    """Findings of every rule that can judge a plan. In whatif an error of a rule is information: nothing is claimed."""
    from pytest_mlpstorage.rules import evaluate_preflight, weighed

    for evaluation in evaluate_preflight(result_of_plan(plan)):
        for finding in weighed(evaluation.findings, plan.config.division):
            # The leaf that a planned result names does not exist: a reader must not look for it.
            yield dataclasses.replace(finding, file="the plan")


def judge_checkpointing(plan: CheckpointingPlan) -> Judged | None:
    """Write the tables that the rules ask for, then judge the result as it stands in the tree; None before the first run."""
    from pytest_mlpstorage.results.checkpoint_tables import checkpoint_row, write_checkpoint_table
    from pytest_mlpstorage.results.tables import write_rollup
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import judge_place, metrics_of

    root = plan.config.results_dir
    result = read_result(plan)
    if not result.runs:
        return None
    write_checkpoint_table(result)
    if len(result.runs) == len(plan.case.steps):
        # A row of a table is a claim: an unfinished result makes none.
        write_rollup(root, plan.config.division, plan.config.submitter, [checkpoint_row(result, metrics_of(result, plan.edition))])
    tree = read_tree(root, edition=plan.config.edition)
    place = tree.place(result.relpath)
    if place is None:  # somebody took it away while it was judged
        return None
    judgement = judge_place(tree, place)
    metrics = metrics_of(cast("StoredResult", tree.load(place)), plan.edition)
    shown = {"write": metrics.get("Checkpointing - Write B/W (GiB/s)"), "read": metrics.get("Checkpointing - Read B/W (GiB/s)")}
    measured = ", ".join(f"{word} {rate:.3g} GiB/s" for word, rate in shown.items() if isinstance(rate, float))
    return Judged(result.relpath, judgement, metrics, plan.accelerator, measured)
