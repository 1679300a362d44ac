"""The row of a vector database result in the organisation's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.records import VectorDatabaseResult
from pytest_mlpstorage.results.tables import Row, whose

__all__ = ["vector_row"]

_COUNTS: Final = ("VDB - # Client Nodes", "VDB - Vector Count", "VDB - Vector Dimension")


def vector_row(result: VectorDatabaseResult, metrics: Mapping[str, Any]) -> Row:
    """One row of the organisation's table: ``metrics`` are those of the result by their official columns; one it lacks is blank.

    The table leaves the model blank and has no column for the database: two databases with one index differ in their logs.
    """
    logs = {"text": "Logs", "href": result.relpath}
    known = {**whose(result), "Model": "", "VDB - Index Type": result.index, "VDB - Logs": logs, **metrics}
    for column in _COUNTS:
        value = known.get(column)
        if isinstance(value, float) and value.is_integer():
            known[column] = int(value)
    return {column: known.get(column, "") for column in COLUMNS}
