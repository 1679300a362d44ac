"""The server engine Milvus at a given address, through pymilvus: the only database that the rules of CLOSED allow.

Run here against a server 2.3.5, which has no DiskANN. Milvus 2.6 and later, and with it DISKANN and AISAQ, was *not run here*.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.vectordb.check import check_spec, vectors_problem
from pytest_mlpstorage.vectordb.engine import (
    BuildReport,
    Capabilities,
    EngineError,
    EngineStats,
    IndexSpec,
    Progress,
)
from pytest_mlpstorage.vectordb.long_call import LongCall
from pytest_mlpstorage.vectordb.milvus_collection import (
    ID_FIELD,
    INDEX,
    VECTOR_FIELD,
    completeness_of,
    effective,
    load_collection,
    require_collection,
)
from pytest_mlpstorage.vectordb.milvus_connection import Connection, client_versions
from pytest_mlpstorage.vectordb.milvus_searcher import MilvusSearcher
from pytest_mlpstorage.vectordb.milvus_tables import BATCH, CAPABILITIES, LARGEST_SHARDS, index_parameters
from pytest_mlpstorage.vectordb.server_engine import ServerEngine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MilvusEngine"]

_POLL_SECONDS: Final = 1.0
_LEAST_SETTLE_SECONDS, _MOST_SETTLE_SECONDS = 2.0, 10.0
"""An index must stay complete as long as its build took, within these: the server may join segments afterwards, and index them anew."""

_FLUSH_SECONDS: Final = 30.0
_LONG_FLUSH_SECONDS: Final = 3600.0
_IDS_A_QUERY: Final = 16_384


class MilvusEngine(ServerEngine[Connection]):
    """A collection ``spec.name`` of the server at ``where`` (http://[user:password@]host:port[/database])."""

    name, product, kind = "milvus", "Milvus", "collection"

    def __init__(self) -> None:
        super().__init__()
        self._unflushed = True
        self._loaded: list[range] = []
        """Ids that this object inserted: Milvus takes an id twice without a word."""

    def version(self) -> Mapping[str, str]:
        """Of the client, and once there is a connection, of the server."""
        told = {**client_versions(), "licence": "Apache-2.0"}
        connection = self._any_connection
        if connection is None:
            return {"engine": "Milvus", **told}
        server = str(connection.call("tell its version", connection.client.get_server_version))
        return {"engine": f"Milvus {server}", "server": f"Milvus {server}", **told}

    def capabilities(self) -> Capabilities:
        """What Milvus 2.6 offers; an older server refuses what it does not know, or never ends to build it."""
        return CAPABILITIES

    def create(self, spec: IndexSpec, where: str, *, replace: bool = False) -> None:
        """Make an empty collection with its index, as the official tool: the server indexes while rows come in."""
        values = check_spec(CAPABILITIES, spec, self.name, shards=LARGEST_SHARDS).values
        connection = self._connect(spec, where)
        client, types = connection.client, connection.pymilvus.DataType
        if connection.call("look for the collection", client.has_collection, spec.name):
            if not replace:
                raise self._error("there is a collection of this name already", "replace it, or choose another name")
            connection.call("remove the collection", client.drop_collection, spec.name)
        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(ID_FIELD, types.INT64, is_primary=True)
        schema.add_field(VECTOR_FIELD, types.FLOAT_VECTOR, dim=spec.dim)
        index = client.prepare_index_params()
        native = CAPABILITIES.families[spec.family].native
        parameters = index_parameters(spec.family, values)
        index.add_index(VECTOR_FIELD, index_type=native, metric_type=spec.metric, index_name=INDEX, params=parameters)
        connection.call("make the collection", client.create_collection, spec.name, schema=schema, num_shards=spec.shards)
        self._taken = True
        try:
            connection.call(f"make an index {native}", client.create_index, spec.name, index)
        except EngineError:
            self.drop()
            raise

    def attach(self, spec: IndexSpec, where: str) -> None:
        """Take up the collection, if it is of this dimension and has this index."""
        check_spec(CAPABILITIES, spec, self.name, shards=LARGEST_SHARDS)
        require_collection(self._connect(spec, where), spec)
        self._taken = True

    def load(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> int:
        """Insert a block in batches. Rows of earlier batches stay where one is refused."""
        spec, connection = self._opened()
        if problem := vectors_problem(ids, vectors, spec.dim):
            raise self._error(f"the block cannot be loaded: {problem}", "correct the data; nothing of the block was loaded")
        block = range(int(ids[0]), int(ids[-1]) + 1)
        if again := next((old for old in self._loaded if old.start < block.stop and block.start < old.stop), None):
            raise self._error(f"id {max(again.start, block.start)} was loaded already, and Milvus would take it twice", "load each id once")
        self._unflushed = True
        for start in range(0, len(ids), BATCH):
            rows = [{ID_FIELD: int(ids[row]), VECTOR_FIELD: vectors[row]} for row in range(start, min(start + BATCH, len(ids)))]
            done = connection.call(f"insert the rows from id {ids[start]}", connection.client.insert, spec.name, rows)
            if done["insert_count"] != len(rows):
                raise self._error(f"the server took {done['insert_count']} of {len(rows)} rows", "see the server's log, and load it anew")
        self._loaded.append(block)
        return len(ids)

    def build(self, progress: Progress) -> BuildReport:
        """Flush, and wait until all rows are indexed and stay so, at most for ten seconds.

        A server that cannot build an index may try for ever; what ``progress`` raises ends the wait, and ``drop`` the trying.
        """
        spec, connection = self._opened()
        began = complete_at = time.perf_counter()
        if self._unflushed:
            self._flush(connection, progress)
            settled_at, ours = math.inf, sum(map(len, self._loaded))
            while time.perf_counter() < settled_at:
                told, now = self._index_state(connection), time.perf_counter()
                share = completeness_of(told) if int(told.get("total_rows", 0)) >= ours else 0.0
                if share < 1.0:
                    settled_at = math.inf
                elif settled_at == math.inf:
                    complete_at = now
                    settled_at = now + max(_LEAST_SETTLE_SECONDS, min(_MOST_SETTLE_SECONDS, now - began))
                progress(share)
                time.sleep(_POLL_SECONDS)
            self._unflushed = False
        return BuildReport(complete_at - began, effective(spec, self._index_state(connection)))

    def stats(self) -> EngineStats:
        """Rows by the server's count; once the index is complete the collection is loaded and its ids are asked for one by one."""
        spec, connection = self._opened()
        told, client = self._index_state(connection), connection.client
        if self._unflushed:
            connection.call("flush the collection", client.flush, spec.name, seconds=_FLUSH_SECONDS)
            told = self._index_state(connection)
        completeness, rows = completeness_of(told), int(told.get("total_rows", 0))
        distinct = None
        if completeness == 1.0 and not self._unflushed:
            load_collection(connection, spec)
            (counted,) = connection.call(
                "count the rows", client.query, spec.name, filter="", output_fields=["count(*)"], consistency_level="Strong"
            )
            rows = int(counted["count(*)"])
            distinct = sum(self._ids_between(connection, start, start + _IDS_A_QUERY) for start in range(0, rows, _IDS_A_QUERY))
        # Where its files are, and of which size, it does not say.
        return EngineStats(rows, distinct, completeness, {})

    def open(self, spec: IndexSpec, where: str, *, threads: int) -> MilvusSearcher:  # noqa: ARG002 - the server's threads are its own
        """A connection for searches; the server loads the collection first, unless it has."""
        check_spec(CAPABILITIES, spec, self.name, shards=LARGEST_SHARDS)
        connection = Connection(where)
        try:
            require_collection(connection, spec)
            load_collection(connection, spec)
        except BaseException:
            connection.close()
            raise
        self._spec, self._where, self._searching = spec, where, connection
        return MilvusSearcher(connection, spec, VECTOR_FIELD)

    def evict(self) -> str:
        """Release the collection, which takes its index out of the server's memory until it is opened again."""
        if self._spec is None or self._connection is None:
            return ""
        self._connection.call("release the collection", self._connection.client.release_collection, self._spec.name)
        return "collection released"

    def index_files(self) -> list[Path] | None:
        """None: where a server keeps its files it does not say."""
        return None

    def server(self) -> None:
        """None: a server of Milvus is always somebody's."""

    def _reach(self, where: str) -> Connection:
        return Connection(where)

    def _remove(self, connection: Connection, spec: IndexSpec) -> None:
        connection.call("remove the collection", connection.client.drop_collection, spec.name)

    def _connect(self, spec: IndexSpec, where: str) -> Connection:
        self._unflushed, self._loaded = True, []
        return super()._connect(spec, where)

    def _flush(self, connection: Connection, progress: Progress) -> None:
        """In a thread, for it takes as long as there is to write; whether the server still answers is asked meanwhile."""
        assert self._spec is not None
        name = self._spec.name

        def flush() -> None:
            connection.call("flush the collection", connection.client.flush, name, seconds=_LONG_FLUSH_SECONDS)

        def answers() -> None:
            self._index_state(connection)

        flushing = LongCall("milvus flush", flush)
        flushing.wait(progress, answers)
        flushing.result()

    def _index_state(self, connection: Connection) -> Mapping[str, Any]:
        """What the server says of the index. EngineError where it says that it failed."""
        assert self._spec is not None
        told = connection.call("describe the index", connection.client.describe_index, self._spec.name, INDEX) or {}
        if str(told.get("state")) == "Failed":
            raise self._error(
                f"the index cannot be built: {told.get('index_state_fail_reason') or 'no reason given'}", "see the server's log"
            )
        return told

    def _ids_between(self, connection: Connection, start: int, end: int) -> int:
        assert self._spec is not None
        found = connection.call(
            "count the ids",
            connection.client.query,
            self._spec.name,
            filter=f"{ID_FIELD} >= {start} and {ID_FIELD} < {end}",
            output_fields=[ID_FIELD],
            limit=_IDS_A_QUERY,
            consistency_level="Strong",
        )
        return len({row[ID_FIELD] for row in found})
