"""The rule book: pure functions from a subject to findings."""

from pytest_mlpstorage.rules import book
from pytest_mlpstorage.rules.aggregate import aggregate_training
from pytest_mlpstorage.rules.judging import (
    PROFILES,
    STRICT,
    Profile,
    Said,
    edition_of,
    evaluate,
    evaluate_preflight,
    failing,
    rules_for,
    said_of,
    weighed,
)
from pytest_mlpstorage.rules.metrics import metrics_of
from pytest_mlpstorage.rules.registry import REGISTRY, Evaluation, Registry, Rule, all_rules, rule
from pytest_mlpstorage.rules.verdicts import TreeJudgement, judge_place, judge_result, judge_submission, judge_tree

__all__ = [
    "PROFILES",
    "REGISTRY",
    "STRICT",
    "Evaluation",
    "Profile",
    "Registry",
    "Rule",
    "Said",
    "TreeJudgement",
    "aggregate_training",
    "all_rules",
    "book",
    "edition_of",
    "evaluate",
    "evaluate_preflight",
    "failing",
    "judge_place",
    "judge_result",
    "judge_submission",
    "judge_tree",
    "metrics_of",
    "rule",
    "rules_for",
    "said_of",
    "weighed",
]
