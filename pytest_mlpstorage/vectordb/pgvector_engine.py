"""The server engine pgvector: a table with a graph or list index in PostgreSQL, read through the operating system's page cache."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.errors import ConfigurationError
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
from pytest_mlpstorage.vectordb.pgvector_connection import CALL_SECONDS, Connection, client_versions
from pytest_mlpstorage.vectordb.pgvector_searcher import PgvectorSearcher
from pytest_mlpstorage.vectordb.pgvector_server import PostgresServer
from pytest_mlpstorage.vectordb.pgvector_table import build_index, effective, index_of, is_file_of, quoted, require_table
from pytest_mlpstorage.vectordb.pgvector_tables import BATCH, CAPABILITIES, LARGEST_DIMENSION
from pytest_mlpstorage.vectordb.server_engine import ServerEngine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PgvectorEngine"]

_GIVE_UP_SECONDS: Final = 10.0
_ROWS_A_SECOND: Final = 50_000
"""That a server surely counts, on a bad day."""

_PROGRESS: Final = """
    select case when tuples_total > 0 then tuples_done::float8 / tuples_total
                when blocks_total > 0 then blocks_done::float8 / blocks_total end
    from pg_stat_progress_create_index where relid = %s::regclass"""


class PgvectorEngine(ServerEngine[Connection]):
    """A table ``spec.name`` of the database at ``where``, which is an address as libpq takes it (postgresql://user@host/database)."""

    name = product = "pgvector"
    kind = "table"

    def __init__(self) -> None:
        super().__init__()
        self._server = PostgresServer()

    def version(self) -> Mapping[str, str]:
        """Of the extension, and once there is a connection, of the server."""
        told = {**client_versions(), "licence": "PostgreSQL"}
        connection = self._any_connection
        if connection is None:
            return {"engine": "pgvector", **told}
        ((extension, server, method),) = connection.rows(
            "tell its version",
            "select extversion, current_setting('server_version'), current_setting('io_method', true) "
            "from pg_extension where extname = 'vector'",
        )
        return {"engine": f"pgvector {extension}", "server": f"PostgreSQL {server}", **told, "io_backend": method or "sync"}

    def capabilities(self) -> Capabilities:
        """What pgvector 0.8 offers."""
        return CAPABILITIES

    def create(self, spec: IndexSpec, where: str, *, replace: bool = False) -> None:
        """Make an empty table. Its index is built after the load: so it is faster, and lists need rows."""
        values = check_spec(CAPABILITIES, spec, self.name).values
        if spec.dim > LARGEST_DIMENSION:
            raise ConfigurationError(
                f"pgvector indexes vectors of at most {LARGEST_DIMENSION} dimensions, not {spec.dim}",
                suggestion="choose fewer, or another engine",
                code="MLPS-E161",
            )
        if spec.family == "HNSW" and int(values["ef_construction"]) < 2 * int(values["M"]):
            raise ConfigurationError(
                f"pgvector needs an ef_construction of at least twice M, not {values['ef_construction']} for M {values['M']}",
                suggestion="raise ef_construction, or lower M",
                code="MLPS-E161",
            )
        connection = self._connect(spec, where)
        table = quoted(spec.name)
        if replace:
            connection.rows(f"remove the table {spec.name}", f"drop table if exists {table}")
        elif connection.rows("look for the table", "select to_regclass(%s)", [table])[0][0] is not None:
            raise self._error("there is a table of this name already", "replace it, or choose another name")
        connection.rows(f"make the table {spec.name}", f"create table {table} (id int8 primary key, v vector({spec.dim}) not null)")
        self._taken = True

    def attach(self, spec: IndexSpec, where: str) -> None:
        """Take up the table, if it is of this dimension."""
        check_spec(CAPABILITIES, spec, self.name)
        connection = self._connect(spec, where)
        require_table(connection, spec)
        self._taken = True

    def load(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> int:
        """Copy a block in, whole or not at all."""
        spec, connection = self._opened()
        if problem := vectors_problem(ids, vectors, spec.dim):
            raise self._error(f"the block cannot be loaded: {problem}", "correct the data; nothing of the block was loaded")
        what, statement = f"load the rows from id {int(ids[0])}", f"copy {quoted(spec.name)} (id, v) from stdin with (format binary)"
        with connection.calls(what) as inner, inner.transaction():
            for start in range(0, len(ids), BATCH):
                connection.renew()
                with inner.cursor().copy(statement) as copy:
                    copy.set_types(["int8", "vector"])
                    for row in range(start, min(start + BATCH, len(ids))):
                        copy.write_row((int(ids[row]), vectors[row]))
            connection.renew()
        return len(ids)

    def build(self, progress: Progress) -> BuildReport:
        """Vacuum and build the index, in a thread, while another connection looks how far it is."""
        spec, connection = self._opened()
        began, watcher = time.perf_counter(), Connection(self._where)

        def fraction() -> float | None:
            found = watcher.rows("say how far the index is", _PROGRESS, [quoted(spec.name)])
            return min(1.0, found[0][0]) if found and found[0][0] is not None else None

        try:
            building = LongCall("pgvector build", lambda: build_index(connection, spec))
            try:
                building.wait(progress, fraction)
            except BaseException:
                connection.cancel()
                building.ended(_GIVE_UP_SECONDS)
                raise
        finally:
            watcher.close()
        building.result()
        return BuildReport(time.perf_counter() - began, effective(spec, index_of(connection, spec)))

    def stats(self) -> EngineStats:
        """Rows and ids by counting them; a valid index of PostgreSQL is always complete."""
        spec, connection = self._opened()
        table, found = quoted(spec.name), index_of(connection, spec)
        ((estimate, table_bytes, all_index_bytes, ann_bytes),) = connection.rows(
            "tell the sizes",
            "select reltuples::int8, pg_table_size(oid), pg_indexes_size(oid), pg_relation_size(%s::regclass) "
            "from pg_class where oid = %s::regclass",
            [found[0] if found else table, table],
        )
        index_bytes = ann_bytes if found else 0
        counting = f"select count(*), count(distinct id) from {table}"  # noqa: S608 - the name is checked and quoted
        ((rows, distinct),) = connection.rows("count the rows", counting, seconds=CALL_SECONDS + max(0, estimate) / _ROWS_A_SECOND)
        sizes = {"vectors": table_bytes, "index": index_bytes, "log": 0, "metadata": all_index_bytes - index_bytes}
        return EngineStats(rows, distinct, 1.0 if found else 0.0, sizes)

    def open(self, spec: IndexSpec, where: str, *, threads: int) -> PgvectorSearcher:  # noqa: ARG002 - one query is served by one process there
        """A connection for searches, on a table of this dimension whose index PostgreSQL really uses."""
        check_spec(CAPABILITIES, spec, self.name)
        connection = Connection(where)
        try:
            require_table(connection, spec)
            found = index_of(connection, spec)
            if found is None:
                raise EngineError(
                    f"pgvector: the table {spec.name} has no valid index {spec.family}", suggestion="build it first", code="MLPS-E513"
                )
            searcher = PgvectorSearcher(connection, spec, CAPABILITIES.families[spec.family], quoted(spec.name), found[0])
        except BaseException:
            connection.close()
            raise
        self._spec, self._where, self._searching = spec, where, connection
        return searcher

    def evict(self) -> str:
        """Nothing of a server whose address was given: its buffers are its owner's. One of ours is stopped and started by who holds it."""
        return ""

    def index_files(self) -> list[Path] | None:
        """The files of the table, of what it keeps aside and of its indexes; None where the server's directory is not of this machine."""
        connection = self._any_connection
        if connection is None or self._spec is None or connection.server_processes() is None:
            return None
        try:
            found = connection.rows(
                "name its files",
                "select current_setting('data_directory'), pg_relation_filepath(c.oid) from pg_class t, lateral (select t.oid union all "
                "select t.reltoastrelid where t.reltoastrelid <> 0 union all "
                "select indexrelid from pg_index where indrelid in (t.oid, t.reltoastrelid)) as c(oid) where t.oid = %s::regclass",
                [quoted(self._spec.name)],
            )
        except EngineError:
            return None  # the directory is told to the server's administrators only
        # Beside each file its further gigabytes, as NAME.1, and the maps of its pages, as NAME_vm.
        paths = [Path(data, name) for data, name in found]
        files = [each for path in paths for each in path.parent.glob(f"{path.name}*") if is_file_of(each.name, path.name)]
        return sorted(path for path in files if path.is_file()) or None

    def server(self) -> PostgresServer:
        """A server of the suite's own."""
        return self._server

    def _reach(self, where: str) -> Connection:
        return Connection(where)

    def _remove(self, connection: Connection, spec: IndexSpec) -> None:
        connection.rows(f"remove the table {spec.name}", f"drop table if exists {quoted(spec.name)}")
