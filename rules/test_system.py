"""The rules on the description of each system."""

from __future__ import annotations

KIND = "system"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
