"""Searches in a table of pgvector, on a connection of their own."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlpstorage.vectordb.check import query_problem
from pytest_mlpstorage.vectordb.engine import EngineError, IndexFamily, IndexSpec, Value
from pytest_mlpstorage.vectordb.pgvector_connection import CALL_SECONDS, Connection
from pytest_mlpstorage.vectordb.pgvector_tables import OPERATORS, search_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PgvectorSearcher"]

_LARGEST_K: Final = 1000
"""The index gives no more candidates than this."""


class PgvectorSearcher:
    """One prepared statement. Within the time of a search the vector is turned into PostgreSQL's byte order, as it must be."""

    def __init__(self, connection: Connection, spec: IndexSpec, family: IndexFamily, table: str, index: str) -> None:
        self.connection = connection
        self._spec, self._family = spec, family
        self._prepared: tuple[Mapping[str, Value], int] | None = None
        self._cursor: Any
        self._cursor, self._deadline = connection.searching()
        self._statement = f"select id, v {OPERATORS[spec.metric]} %b as score from {table} order by v {OPERATORS[spec.metric]} %b limit %s"  # noqa: S608 - the name is checked and quoted
        # Without these the planner may sort the whole table, or make a new plan for each query.
        for setting in ("enable_seqscan = off", "max_parallel_workers_per_gather = 0", "plan_cache_mode = force_generic_plan"):
            connection.rows("set up the session", f"set {setting}")
        self._require_index(index)

    def search(self, vector: NDArray[np.float32], k: int, params: Mapping[str, Value]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and distances of the nearest rows, best first. EngineError for a query that cannot be, and where the server fails."""
        if problem := query_problem(vector, k, self._spec.dim):
            raise EngineError(f"the query cannot be asked: {problem}", suggestion="correct the query vectors")
        if self._prepared is None or self._prepared[0] is not params or self._prepared[1] != k:
            self._prepare(params, k)
        deadline = self._deadline
        deadline.due = time.monotonic() + CALL_SECONDS
        try:
            rows = self._cursor.execute(self._statement, (vector, vector, k), prepare=True).fetchall()
        except self.connection.psycopg.Error as error:
            raise self.connection.failure("search", error, CALL_SECONDS) from error
        finally:
            deadline.due = math.inf
        count = len(rows)
        return np.fromiter((row[0] for row in rows), np.int64, count), np.fromiter((row[1] for row in rows), np.float32, count)

    def effective(self) -> Mapping[str, Value | None]:
        """The session's settings by the server's word."""
        found: dict[str, Value | None] = {}
        for spec in self._family.search:
            ((value,),) = self.connection.rows("tell its settings", "select current_setting(%s)", [spec.engine_name])
            found[spec.name] = int(value)
        return found

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def _prepare(self, params: Mapping[str, Value], k: int) -> None:
        if k > _LARGEST_K:
            raise EngineError(f"pgvector's index gives at most {_LARGEST_K} rows a search, not {k}", suggestion="ask for fewer")
        for name, value in search_settings(self._family, params, k).items():
            self.connection.rows(f"set {name}", f"set {name} = {value}")
        self._prepared = (params, k)

    def _require_index(self, index: str) -> None:
        """Raise EngineError where the server would answer without the index."""
        vector = np.full(self._spec.dim, 1 / math.sqrt(self._spec.dim), np.float32)
        plan = "\n".join(row[0] for row in self.connection.rows("explain a search", f"explain {self._statement}", (vector, vector, 10)))
        if f"Index Scan using {index.rpartition('.')[2]}" not in plan:
            raise EngineError(
                f"pgvector: the server does not use the index {index} for a search",
                details={"table": self._spec.name, "plan": " | ".join(line.strip() for line in plan.splitlines())[:500]},
                suggestion="build the index for this metric, and let enable_indexscan be on",
                code="MLPS-E513",
            )
