"""What single runs of a result break by themselves, as the rule book sees them: a second start does only those again."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pytest_mlpstorage.verdict import Finding, Severity, figures

if TYPE_CHECKING:
    from pytest_mlpstorage.editions import Edition
    from pytest_mlpstorage.results.records import CheckpointingResult, TrainingResult

__all__ = ["faults_of_runs"]


def faults_of_runs(result: TrainingResult | CheckpointingResult, edition: Edition, rules: Collection[str]) -> dict[str, str]:
    """The first error that one of these rules (by id) finds in each run, by the path of its leaf."""
    from pytest_mlpstorage.rules import rules_for

    found: dict[str, str] = {}
    for rule in rules_for(result):
        if rule.id not in rules:
            continue
        # Asked directly: evaluating folds what several runs break alike into one finding, and here each run counts.
        for said in rule.function(result, edition):
            if isinstance(said, Finding) and said.severity is Severity.ERROR:
                leaf = next((leaf.relpath for leaf in result.runs if f"{said.file}/".startswith(f"{leaf.relpath}/")), None)
                if leaf is not None:
                    found.setdefault(leaf, _words(said, rule.id))
    return found


def _words(said: Finding, rule: str) -> str:
    return f"{', '.join((said.message, *figures(said.measured, said.required)))} ({rule})"
