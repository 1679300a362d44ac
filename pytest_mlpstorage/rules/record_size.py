"""What a leaf's metadata says of the size of one record of its data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.records import LeafMetadata

__all__ = ["record_keys"]


def record_keys(metadata: LeafMetadata) -> dict[str, Any]:
    """What the record size is made of, in native types, for ``sizing.record_bytes``; columns only where each has whole numbers."""
    found: dict[str, Any] = {key: metadata.parameter(f"dataset.{key}") for key in ("record_length_bytes", "record_length")}
    parquet = metadata.parameter("dataset.parquet")
    columns = parquet.get("columns") if isinstance(parquet, Mapping) else None
    if isinstance(columns, (list, tuple)):
        sound = all(isinstance(c, Mapping) and all(integer(c.get(key, 1)) is not None for key in ("size", "count")) for c in columns)
        found["parquet"] = {"columns": columns if sound else ()}
    return found
