"""Searches of an open zvec collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_mlpstorage.vectordb.check import query_problem
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec, Value
from pytest_mlpstorage.vectordb.zvec_tables import CAPABILITIES, query_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ZvecSearcher"]


class ZvecSearcher:
    """One collection, open for reading. The vector goes to zvec as it is, an array: nothing is converted within the time of a search."""

    def __init__(self, zvec: Any, collection: Any, spec: IndexSpec, field: str) -> None:
        self._zvec, self._collection, self._spec, self._field = zvec, collection, spec, field
        self._prepared: tuple[Mapping[str, Value], int, Any] | None = None
        self._turned = spec.metric == "IP"

    def search(self, vector: NDArray[np.float32], k: int, params: Mapping[str, Value]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and distances of the nearest rows, best first. EngineError for a query that cannot be, and where zvec fails."""
        if problem := query_problem(vector, k, self._spec.dim):
            # zvec answers a query that is not a number with k ids and says nothing.
            raise EngineError(f"the query cannot be asked: {problem}", suggestion="correct the query vectors")
        if self._collection is None:
            raise EngineError("a search in a collection that is closed", suggestion="search before close")
        if self._prepared is None or self._prepared[0] is not params or self._prepared[1] != k:
            self._prepared = (params, k, query_parameters(self._zvec, self._spec.family, params, k))
        query = self._zvec.Query(self._field, vector=vector, param=self._prepared[2])
        try:
            hits = self._collection.query(query, topk=k, output_fields=[])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise EngineError(
                f"zvec failed in a search of {self._spec.name}",
                details={"k": k, "index": self._spec.family},
                suggestion="look at the engine's log; build the collection anew if its files are damaged",
                cause=error,
            ) from error
        count = len(hits)
        ids = np.fromiter((int(hit.id) for hit in hits), np.int64, count)
        scores = np.fromiter((hit.score for hit in hits), np.float32, count)
        return ids, -scores if self._turned else scores

    def effective(self) -> Mapping[str, Value | None]:
        """Zvec reports what it was told, not what it uses: nothing is known."""
        return {parameter.name: None for parameter in CAPABILITIES.families[self._spec.family].search}

    def close(self) -> None:
        """Release the collection and its lock."""
        if self._collection is not None:
            self._collection.close()
            self._collection = None
