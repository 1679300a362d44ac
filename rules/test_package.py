"""The rules on the package: what stands at the top of the tree, and the code images."""

from __future__ import annotations

KIND = "package"


def test_rule(check):
    """Ask one rule about one subject."""
    check()
