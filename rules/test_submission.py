"""The rules on everything that one submitter hands in for one division."""

from __future__ import annotations

KIND = "submission"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
