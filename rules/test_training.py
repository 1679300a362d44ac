"""The training rules, each on each training result of the tree."""

from __future__ import annotations

BENCHMARK = "training"


def test_rule(rule, subject, mlps_judge):
    """Evaluate one rule on one result."""
    mlps_judge(rule, subject)
