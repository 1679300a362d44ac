"""The verdict of a vector database case: its plan before the load, its result after the runs, by the rule book and by own limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.verdict import Finding, fold
from pytest_mlpstorage.workloads.base import Judged
from pytest_mlpstorage.workloads.judging import judge_in_tree, plan_findings
from pytest_mlpstorage.workloads.vector_database_checks import load_findings, run_findings, series_findings
from pytest_mlpstorage.workloads.vector_database_records import result_of_plan
from pytest_mlpstorage.workloads.vector_database_state import leaves

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan

OWN_RULES: Final = "MLPS-VDB-"
"""How ids of own limits begin."""

__all__ = ["judge_vector_database", "own_findings", "preflight_rules"]


def preflight_rules(plan: VectorPlan) -> Iterator[Finding]:
    """Findings of every rule that can judge a plan. In whatif an error of a rule is information: nothing is claimed."""
    yield from plan_findings(result_of_plan(plan))


def own_findings(plan: VectorPlan) -> tuple[Finding, ...]:
    """What the own limits say of the leaves in the tree. They are this configuration's, so they weigh in every division alike."""
    found: list[Finding] = []
    for leaf in leaves(plan, "datagen"):
        if leaf.summary is not None:
            found += load_findings(plan, leaf.summary, f"{leaf.relpath}/summary.json")
    summaries = [(leaf, leaf.summary) for leaf in leaves(plan, "run") if leaf.summary is not None]
    for leaf, summary in summaries:
        found += run_findings(plan, summary, f"{leaf.relpath}/summary.json")
    parent = plan.result_dir().relative_to(plan.config.results_dir).as_posix()
    found += series_findings(plan, [summary for _, summary in summaries], f"{parent}/run")
    return fold(found)


def judge_vector_database(plan: VectorPlan) -> Judged | None:
    """Judge the result as it stands in the tree, and write the row of a whole one into the submitter's table; None before the first run.

    Own limits can fail it and change no category.
    """
    from pytest_mlpstorage.results.tables import write_rollup
    from pytest_mlpstorage.results.vector_tables import vector_row

    if not leaves(plan, "run"):
        return None
    relpath = plan.result_dir().relative_to(plan.config.results_dir).as_posix()
    judged = judge_in_tree(plan.config, plan.edition, relpath)
    if judged is None:
        return None
    judgement, metrics, pictures = judged
    if len(leaves(plan, "run")) == sum(step.phase == "run" for step in plan.case.steps):
        # A row of a table is a claim: an unfinished series makes none.
        write_rollup(plan.config.results_dir, plan.config.division, plan.config.submitter, [vector_row(result_of_plan(plan), metrics)])
    own = own_findings(plan)
    # The rules of the same ids told the limits that were recorded, as they weigh for a reviewer; here those of this start count.
    around, mine = ((f for f in found if not f.rule.startswith(OWN_RULES)) for found in (judgement.findings, judgement.own))
    judgement = dataclasses.replace(judgement, findings=(*around, *own), own=(*mine, *own))
    limits = plan.thresholds
    shown = _shown(metrics)
    if plan.family.residence == "memory":
        shown = f"{shown}, memory-resident: no verdict on storage"
    return Judged(relpath, judgement, metrics, None, shown, f"recall ≥ {limits['MLPS-VDB-01'].value:g} (own threshold)", pictures)


def _shown(metrics: Mapping[str, float | int | str | None]) -> str:
    rate, recall = metrics.get("mean of throughput_qps"), metrics.get("mean of recall")
    words = [f"{rate:.0f} QPS"] if isinstance(rate, float) else []
    words += [f"recall {recall:.3f}"] if isinstance(recall, float) else []
    return ", ".join(words)
