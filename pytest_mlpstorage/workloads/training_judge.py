"""The verdict of a training case: its plan before a run, its result after."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.verdict import Finding
from pytest_mlpstorage.workloads.base import Judged
from pytest_mlpstorage.workloads.training_records import result_of_plan

if TYPE_CHECKING:
    from pytest_mlpstorage.results.records import StoredResult
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["judge_training", "preflight_rules"]


def preflight_rules(plan: TrainingPlan) -> Iterator[Finding]:
    """Findings of every rule that can judge a plan. In whatif an error of a rule is information: nothing is claimed."""
    from pytest_mlpstorage.rules import evaluate_preflight, weighed

    for evaluation in evaluate_preflight(result_of_plan(plan)):
        for finding in weighed(evaluation.findings, plan.config.division):
            # The leaf that a planned result names does not exist: a reader must not look for it.
            yield dataclasses.replace(finding, file="the plan")


def judge_training(plan: TrainingPlan) -> Judged | None:
    """Write the tables that the rules ask for, then judge the result as it stands in the tree; None before the first run."""
    from pytest_mlpstorage.results.tables import rollup_row, write_rollup, write_run_table
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import judge_place, metrics_of

    root = plan.config.results_dir
    result = read_training_result(plan.result_dir(), root=root)
    if not result.runs:
        return None
    write_run_table(result)
    warmups = plan.warmup_runs
    if len(result.runs) == sum(step.phase == "run" for step in plan.case.steps):
        # A row of a table is a claim: an unfinished series makes none.
        write_rollup(root, plan.config.division, plan.config.submitter, [rollup_row(result, warmup_runs=warmups)])
    tree = read_tree(root, edition=plan.config.edition)
    place = tree.place(result.relpath)
    if place is None:  # somebody took it away while it was judged
        return None
    judgement = judge_place(tree, place)
    metrics = metrics_of(cast("StoredResult", tree.load(place)), plan.edition)
    au, minimum = metrics.get("train_mean_of_au_percentage"), plan.edition.training.au_minimum.get(plan.model)
    measured = f"AU {au:.2f} %" if au is not None else ""
    return Judged(result.relpath, judgement, metrics, plan.accelerator, measured, f"≥ {minimum:.0%}" if minimum is not None else "")
