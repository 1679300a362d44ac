"""The rule book: pure functions from a subject to findings."""

from pytest_mlpstorage.rules import book
from pytest_mlpstorage.rules.aggregate import aggregate_training
from pytest_mlpstorage.rules.judging import edition_of, evaluate, evaluate_preflight, failing, judge_result, judge_said, rules_for, weighed
from pytest_mlpstorage.rules.registry import REGISTRY, Evaluation, Registry, Rule, all_rules, rule

__all__ = [
    "REGISTRY",
    "Evaluation",
    "Registry",
    "Rule",
    "aggregate_training",
    "all_rules",
    "book",
    "edition_of",
    "evaluate",
    "evaluate_preflight",
    "failing",
    "judge_result",
    "judge_said",
    "rule",
    "rules_for",
    "weighed",
]
