"""What rules of several editions say of the time between two runs."""

from __future__ import annotations

from pytest_mlpstorage.rules.wording import seconds
from pytest_mlpstorage.verdict import Category, Finding, Severity

__all__ = ["overlap"]


def overlap(idle_seconds: float, file: str) -> Finding:
    """A later run began before the earlier one had ended, ``-idle_seconds`` apart: no edition has a word on it, so it is a warning."""
    return Finding(
        "a run starts before the one before it has ended",
        severity=Severity.WARNING,
        category=Category.CLOSED,
        measured=seconds(idle_seconds),
        required="at least 0 s",
        file=file,
        field="start",
    )
