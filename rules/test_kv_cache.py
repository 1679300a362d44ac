"""The rules on each KV cache result of the tree."""

from __future__ import annotations

KIND = "kv_cache"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
