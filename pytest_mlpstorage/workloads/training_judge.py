"""The verdict of a training case: its plan before a run, its result after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.verdict import Finding
from pytest_mlpstorage.workloads.base import Judged
from pytest_mlpstorage.workloads.judging import judge_in_tree, plan_findings
from pytest_mlpstorage.workloads.training_records import result_of_plan

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["judge_training", "preflight_rules"]


def preflight_rules(plan: TrainingPlan) -> Iterator[Finding]:
    """Findings of every rule that can judge a plan. In whatif an error of a rule is information: nothing is claimed."""
    yield from plan_findings(result_of_plan(plan))


def judge_training(plan: TrainingPlan) -> Judged | None:
    """Write the tables that the rules ask for, then judge the result as it stands in the tree; None before the first run."""
    from pytest_mlpstorage.results.tables import rollup_row, write_rollup, write_run_table

    root = plan.config.results_dir
    result = read_training_result(plan.result_dir(), root=root)
    if not result.runs:
        return None
    write_run_table(result)
    warmups = plan.warmup_runs
    if len(result.runs) == sum(step.phase == "run" for step in plan.case.steps):
        # A row of a table is a claim: an unfinished series makes none.
        write_rollup(root, plan.config.division, plan.config.submitter, [rollup_row(result, warmup_runs=warmups)])
    judged = judge_in_tree(plan.config, plan.edition, result.relpath)
    if judged is None:
        return None
    judgement, metrics, pictures = judged
    au, minimum = metrics.get("train_mean_of_au_percentage"), plan.edition.training.au_minimum.get(plan.model)
    measured = f"AU {au:.2f} %" if au is not None else ""
    required = f"≥ {minimum:.0%}" if minimum is not None else ""
    return Judged(result.relpath, judgement, metrics, plan.accelerator, measured, required, pictures)
