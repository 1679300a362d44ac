"""The rules on each training result of the tree."""

from __future__ import annotations

KIND = "training"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
