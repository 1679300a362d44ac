"""What this version has no rules for, and what it does not understand: named, so that nothing is passed over in silence."""

from __future__ import annotations


def test_unjudged(check):
    """Say that something was seen and not judged."""
    check()
