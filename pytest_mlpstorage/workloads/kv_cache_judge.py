"""The verdict of the KV cache case: its plan before the first pass, its result when the series is whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from pytest_mlpstorage.verdict import Finding
from pytest_mlpstorage.workloads.base import Judged
from pytest_mlpstorage.workloads.kv_cache_records import result_of_plan

if TYPE_CHECKING:
    from pytest_mlpstorage.results.records import KVCacheResult
    from pytest_mlpstorage.workloads.base import Workload
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["judge_kv_cache", "preflight_rules"]


def preflight_rules(plan: KVCachePlan) -> Iterator[Finding]:
    """Findings of every rule that can judge a plan. In whatif an error of a rule is information: nothing is claimed."""
    from pytest_mlpstorage.rules import evaluate_preflight, weighed

    for evaluation in evaluate_preflight(result_of_plan(plan)):
        for finding in weighed(evaluation.findings, plan.config.division):
            # The leaf that a planned result names does not exist: a reader must not look for it.
            yield dataclasses.replace(finding, file="the plan")


def judge_kv_cache(plan: KVCachePlan, workload: Workload) -> Judged | None:
    """Make a whole series the leaf of the run, write its row of the table, then judge the result as it stands in the tree.

    None where there is neither a run nor a pass of one. Raises FileSystemError where passes are missing: a part is no result.
    """
    from pytest_mlpstorage.results.kv_cache_tables import cache_row
    from pytest_mlpstorage.results.tables import write_rollup
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import judge_place, metrics_of
    from pytest_mlpstorage.rules.pictures import pictures_of
    from pytest_mlpstorage.workloads.kv_cache_series import moved_passes, publish, standing_run

    publish(plan, workload)
    run = standing_run(plan)
    if run is None:
        return None
    root = plan.config.results_dir
    tree = read_tree(root, edition=plan.config.edition)
    relpath = plan.result_dir().relative_to(root).as_posix()
    place = tree.place(relpath)
    if place is None:  # somebody took it away while it was judged
        return None
    result = cast("KVCacheResult", tree.load(place))
    metrics = metrics_of(result, plan.edition)
    write_rollup(root, plan.config.division, plan.config.submitter, [cache_row(result, metrics)])
    judgement = judge_place(tree, place)
    from pytest_mlpstorage.workloads.kv_cache_figures import both_views, shown

    views = both_views(root / run)
    return Judged(
        relpath,
        judgement,
        {**views, **metrics},
        measured=shown(views),
        pictures=tuple(pictures_of(result, plan.edition)),
        moved=moved_passes(plan, run),
    )
