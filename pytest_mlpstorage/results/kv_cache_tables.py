"""The row of a KV cache result in the organisation's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.records import KVCacheResult
from pytest_mlpstorage.results.tables import Row, whose

__all__ = ["cache_row"]


def cache_row(result: KVCacheResult, metrics: Mapping[str, Any]) -> Row:
    """One row of the organisation's table: ``metrics`` are those of the result by their official columns; one it lacks is blank."""
    known = {**whose(result), "KVCache - Logs": {"text": "Logs", "href": result.relpath}, **metrics}
    return {column: known.get(column, "") for column in COLUMNS}
