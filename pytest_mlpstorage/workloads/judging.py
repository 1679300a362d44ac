"""What the verdicts of all families share: the rules on a plan before a run, and on a result as it stands in the tree after."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from pytest_mlpstorage.verdict import Finding

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.editions import Edition
    from pytest_mlpstorage.results.pictures import Picture
    from pytest_mlpstorage.results.records import Result, StoredResult
    from pytest_mlpstorage.verdict import Judgement

__all__ = ["judge_in_tree", "plan_findings"]


def plan_findings(planned: Result) -> Iterator[Finding]:
    """Findings of every rule that can judge a planned result. In whatif an error of a rule is information: nothing is claimed."""
    from pytest_mlpstorage.rules import evaluate_preflight, weighed

    for evaluation in evaluate_preflight(planned):
        for finding in weighed(evaluation.findings, planned.division):
            # The leaf that a planned result names does not exist: a reader must not look for it.
            yield dataclasses.replace(finding, file="the plan")


def judge_in_tree(
    config: SuiteConfig, edition: Edition, relpath: str
) -> tuple[Judgement, Mapping[str, float | int | str | None], tuple[Picture, ...]] | None:
    """Verdict, metrics and pictures of a result as it is read back from the tree; None where somebody took it away meanwhile."""
    from pytest_mlpstorage.results.tree import read_tree
    from pytest_mlpstorage.rules import judge_place, metrics_of
    from pytest_mlpstorage.rules.pictures import pictures_of

    tree = read_tree(config.results_dir, edition=config.edition)
    place = tree.place(relpath)
    if place is None:
        return None
    result = cast("StoredResult", tree.load(place))
    return judge_place(tree, place), metrics_of(result, edition), tuple(pictures_of(result, edition))
