"""Limits that the benchmark, the official program and the configuration share."""

from __future__ import annotations

from typing import Final

__all__ = ["MOST_WORKERS"]

MOST_WORKERS: Final = 500
"""Requests in service at a time, whatever the number of users; those beyond them share a worker."""
