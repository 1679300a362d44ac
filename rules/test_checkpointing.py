"""The rules on each checkpointing result of the tree."""

from __future__ import annotations

KIND = "checkpointing"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
