"""The rules on each vector database result of the tree."""

from __future__ import annotations

KIND = "vector_database"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
