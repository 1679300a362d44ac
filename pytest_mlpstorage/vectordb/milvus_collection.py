"""A collection of Milvus as its server describes it, and how it is loaded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec, Value
from pytest_mlpstorage.vectordb.milvus_connection import Connection
from pytest_mlpstorage.vectordb.milvus_tables import CAPABILITIES, CHECKED_BY_SERVER

__all__ = ["ID_FIELD", "INDEX", "VECTOR_FIELD", "completeness_of", "effective", "load_collection", "require_collection"]

ID_FIELD, VECTOR_FIELD, INDEX = "id", "vector", "vector_index"

_LOAD_SECONDS: Final = 3600.0
_POLL_SECONDS: Final = 0.1


def require_collection(connection: Connection, spec: IndexSpec) -> None:
    """Raise EngineError where the collection is not there, or is of another dimension, index or metric."""
    details, client = {"address": connection.where, "collection": spec.name}, connection.client
    if not connection.call("look for the collection", client.has_collection, spec.name):
        raise EngineError("Milvus: there is no such collection", details=details, suggestion="create and load it first", code="MLPS-E513")
    described = connection.call("describe the collection", client.describe_collection, spec.name)
    dims = [field["params"].get("dim") for field in described["fields"] if field["name"] == VECTOR_FIELD]
    if dims != [spec.dim]:
        raise EngineError(
            f"Milvus: the collection holds vectors of {dims[0] if dims else 'no'} dimensions, not {spec.dim}",
            details=details,
            suggestion="create it anew",
            code="MLPS-E513",
        )
    told = connection.call("describe the index", client.describe_index, spec.name, INDEX) or {}
    found = (told.get("index_type"), told.get("metric_type"))
    if found != (CAPABILITIES.families[spec.family].native, spec.metric):
        raise EngineError(
            f"Milvus: the collection has the index {found}, not {spec.family} for {spec.metric}",
            details=details,
            suggestion="create it anew",
            code="MLPS-E513",
        )


def load_collection(connection: Connection, spec: IndexSpec) -> None:
    """Have the server load the collection, and wait for it."""
    client, until = connection.client, time.monotonic() + _LOAD_SECONDS
    connection.call("load the collection", client.load_collection, spec.name, _async=True)
    while (told := connection.call("tell how far it is loaded", client.get_load_state, spec.name))["state"].name != "Loaded":
        if time.monotonic() > until:
            message = f"Milvus did not load the collection {spec.name} within {_LOAD_SECONDS:g} s"
            raise EngineError(message, details=dict(told), suggestion="see the server's log")
        time.sleep(_POLL_SECONDS)


def completeness_of(told: Mapping[str, Any]) -> float:
    """The share of the rows that are indexed. ``state`` is "Finished" also while none is, so it is not asked."""
    total, pending = int(told.get("total_rows", 0)), int(told.get("pending_index_rows", 0))
    if total == 0:
        return 1.0
    return min(1.0, max(0, min(int(told.get("indexed_rows", 0)), total - pending)) / total)


def effective(spec: IndexSpec, told: Mapping[str, Any]) -> Mapping[str, Value | None]:
    """What the server reports, where it checks what it is told. Of the others it repeats any word, so nothing is known."""
    table = CAPABILITIES.families[spec.family].build
    known = told if spec.family in CHECKED_BY_SERVER else {}
    return {parameter.name: int(known[parameter.engine_name]) if parameter.engine_name in known else None for parameter in table}
