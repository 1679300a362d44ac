"""The limits that the headlines of a result are held against, from its edition and from what was recorded with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.report.headline_text import Limit
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.rule_rows import RuleRow
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.records import StoredResult, TrainingResult, VectorDatabaseResult
from pytest_mlpstorage.results.vector_limits import recorded
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.round_v2_runs import finished_by_accelerator, is_round_v2, named
from pytest_mlpstorage.rules.runs import required_utilization_percent

__all__ = ["AU", "AU_RULES", "limits_of", "undoubted"]

AU: Final = "train_mean_of_au_percentage"
_RECALL: Final = "mean of recall"
_LEAST_RECALL: Final = "MLPS-VDB-01"
_CONTRADICTED: Final = "MLPS-METRIC-1"
"""The rule that a figure is what its own records give."""

AU_RULES: Final = {"1.0": "V1-7", "2.0": "V2-TRN-check_au_success"}
"""Editions whose rule on utilization is not that of the current one."""


def limits_of(result: StoredResult, edition: Edition) -> dict[str, Limit]:
    """Headline → limit. A headline without one has none in the rules; the own limits bind only what this suite measured."""
    if isinstance(result, TrainingResult):
        minimum = required_utilization_percent(edition, result.model)
        if minimum is None:
            return {}
        return dict.fromkeys(_utilizations(result, edition), Limit(minimum, AU_RULES.get(edition.name, "3.3.2")))
    if isinstance(result, VectorDatabaseResult):
        for leaf in reversed(result.runs):
            raw = leaf.summary.raw if leaf.summary is not None else None
            least = number(recorded(raw, _LEAST_RECALL).value)
            if value_at(raw, "mlps") is not None and least is not None:
                return {_RECALL: Limit(least, _LEAST_RECALL)}
    return {}


def _utilizations(result: TrainingResult, edition: Edition) -> list[str]:
    """The names of the utilizations that a result can have: in edition 2.0 one an accelerator."""
    groups = finished_by_accelerator(result) if is_round_v2(edition) else {}
    return [named(AU, accelerator, groups) for accelerator in groups] or [AU]


def undoubted(facts: ResultFacts, rows: Iterable[RuleRow]) -> ResultFacts:
    """The facts without the limits that a figure seems to keep and the rules say it does not; ``rows`` are what each rule said.

    That is a limit whose own rule failed, which is of each run where the figure is a mean of them, and every limit where a figure is not
    what its records give.
    """
    failed = {row.id for row in rows if row.outcome in ("failed", "would fail")}
    left = {
        name: limit
        for name, limit in facts.limits.items()
        if not failed & {limit.rule, _CONTRADICTED} or not limit.keeps(facts.figures.get(name, limit.value))
    }
    return dataclasses.replace(facts, limits=left, contradicted=_CONTRADICTED if _CONTRADICTED in failed else "")
