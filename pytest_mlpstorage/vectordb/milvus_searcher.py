"""Searches in a loaded collection of Milvus, on a connection of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlpstorage.vectordb.check import query_problem
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec, Value
from pytest_mlpstorage.vectordb.milvus_connection import CALL_SECONDS, Connection
from pytest_mlpstorage.vectordb.milvus_tables import CAPABILITIES, LARGEST_K, search_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MilvusSearcher"]


class MilvusSearcher:
    """One collection. Within the time of a search pymilvus packs the vector into a message and unpacks the answer."""

    def __init__(self, connection: Connection, spec: IndexSpec, field: str) -> None:
        self.connection = connection
        self._spec, self._field = spec, field
        self._prepared: tuple[Mapping[str, Value], int, dict[str, Any]] | None = None
        self._sign = -1.0 if spec.metric == "L2" else 1.0

    def search(self, vector: NDArray[np.float32], k: int, params: Mapping[str, Value]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and similarities of the nearest rows, best first. EngineError for a query that cannot be, and where the server fails."""
        if problem := query_problem(vector, k, self._spec.dim):
            raise EngineError(f"the query cannot be asked: {problem}", suggestion="correct the query vectors")
        if k > LARGEST_K:
            raise EngineError(f"Milvus gives at most {LARGEST_K} rows a search, not {k}", suggestion="ask for fewer")
        if self._prepared is None or self._prepared[0] is not params or self._prepared[1] != k:
            self._prepared = (params, k, search_parameters(self._spec.family, self._spec.metric, params, k))
        (hits,) = self.connection.call(
            "search",
            self.connection.client.search,
            self._spec.name,
            data=[vector],
            anns_field=self._field,
            limit=k,
            search_params=self._prepared[2],
            output_fields=[],
            seconds=CALL_SECONDS,
        )
        count = len(hits)
        ids = np.fromiter((hit["id"] for hit in hits), np.int64, count)
        return ids, np.fromiter((self._sign * hit["distance"] for hit in hits), np.float32, count)

    def effective(self) -> Mapping[str, Value | None]:
        """Milvus does not say what it uses for a search."""
        return {spec.name: None for spec in CAPABILITIES.families[self._spec.family].search}

    def close(self) -> None:
        """End the connection; the server keeps the collection loaded, for others."""
        self.connection.close()
