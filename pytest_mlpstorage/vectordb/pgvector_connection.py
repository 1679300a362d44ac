"""A connection to a PostgreSQL server on which every call has a deadline and every failure is an EngineError that says what to do."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.processes import start_ticks_of
from pytest_mlpstorage.vectordb.address import address_shown
from pytest_mlpstorage.vectordb.deadline import Deadline
from pytest_mlpstorage.vectordb.engine import EngineError, EngineUnavailableError, ProcessIdentity

__all__ = ["CALL_SECONDS", "CLIENT_INSTALL", "Connection", "client_versions"]

CLIENT_INSTALL: Final = "python -m pip install 'pytest-mlpstorage[pgvector]' (or: python -m pip install 'psycopg[binary]' pgvector)"
CALL_SECONDS: Final = 20.0
"""For a call whose work does not grow with the collection."""

_CONNECT_SECONDS: Final = 10
_CANCEL_SECONDS: Final = 2.0


class Connection:
    """One connection, each statement its own transaction unless ``transaction`` is used."""

    def __init__(self, where: str) -> None:
        self.psycopg, adapt = _client()
        self.where = address_shown(where)
        self._deadline: Deadline | None = None
        self._late = ""
        if not where:
            raise ConfigurationError(
                "pgvector needs the address of its server", suggestion="as postgresql://user@host:5432/database", code="MLPS-E160"
            )
        try:
            self._connection = self.psycopg.connect(
                where,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                application_name="pytest-mlpstorage",
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
            )
        except self.psycopg.ProgrammingError as error:
            # The client's words hold pieces of the address.
            words = f": {error}" if self.where == where else ""
            raise ConfigurationError(
                f"{self.where!r} is no address of a PostgreSQL server{words}",
                suggestion="write it as postgresql://user@host:5432/database, or as host=… user=… dbname=…",
                code="MLPS-E160",
            ) from error
        except self.psycopg.Error as error:
            raise EngineError(
                "the PostgreSQL server cannot be reached",
                details={"address": self.where},
                suggestion="see that it runs, hears on this address and lets this user in",
                cause=error,
                code="MLPS-E512",
            ) from error
        self._deadline = Deadline(self._connection.fileno())
        try:
            with self.calls("prepare the connection"):
                # A server that works for a client that is gone would go on building, and hold its locks, for hours.
                if self._connection.info.server_version >= 140000:
                    self._connection.execute("set client_connection_check_interval = 1000")
                self._have_vector(adapt)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def calls(self, what: str, seconds: float = CALL_SECONDS) -> Iterator[Any]:
        """For calls of psycopg's connection inside: a deadline, and failures by their name. ``what`` completes "cannot …"."""
        if self._deadline is None:
            raise EngineError(f"pgvector cannot {what}: the connection is closed", suggestion="use it before close")
        try:
            with self._deadline.within(seconds):
                yield self._connection
        except self.psycopg.Error as error:
            raise self.failure(what, error, seconds) from error

    def failure(self, what: str, error: Exception, seconds: float = CALL_SECONDS) -> EngineError:
        """The error for one of psycopg's."""
        if self._deadline is not None and self._deadline.passed:
            # Later calls fail because of this one.
            self._late = self._late or f"pgvector did not {what} within {seconds:g} s"
            message = self._late
            todo = "see what the server does: it may hang, or wait for a lock or its disk"
        elif self._connection.broken:
            message, todo = f"pgvector cannot {what}: the server ended the connection", "see its log: it was stopped, or it crashed"
        else:
            message, todo = f"pgvector cannot {what}", "see what the server says"
        return EngineError(message, details={"address": self.where}, suggestion=todo, cause=error)

    def rows(self, what: str, statement: Any, values: Sequence[Any] = (), *, seconds: float = CALL_SECONDS) -> list[tuple[Any, ...]]:
        """Execute a statement; its rows, if it has any."""
        with self.calls(what, seconds) as connection:
            cursor = connection.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description is not None else []

    def searching(self) -> tuple[Any, Deadline]:
        """A cursor for binary answers, and the deadline, for calls that are timed."""
        if self._deadline is None:
            raise EngineError("pgvector cannot search: the connection is closed", suggestion="search before close")
        return self._connection.cursor(binary=True), self._deadline

    def renew(self) -> None:
        """Within ``calls``: one of several steps is done, and the next has its own time."""
        if self._deadline is not None:
            self._deadline.due = time.monotonic() + CALL_SECONDS

    def cancel(self) -> None:
        """Ask the server to give up what another thread has asked it, and cut the connection in case that it does not hear."""

        def ask() -> None:
            with contextlib.suppress(self.psycopg.Error):
                self._connection.cancel_safe(timeout=_CANCEL_SECONDS)

        # In a thread: where the client library is old it waits without a limit.
        asking = threading.Thread(target=ask, name="cancel", daemon=True)
        asking.start()
        asking.join(_CANCEL_SECONDS)
        if self._deadline is not None:
            self._deadline.due = 0.0

    def server_processes(self) -> list[ProcessIdentity] | None:
        """The server and its children where they run on this machine and tell what they read; else None.

        What a child read is counted in the server once it ended.
        """
        server = self._server_pid()
        if server is None or not os.access(f"/proc/{server}/io", os.R_OK):
            return None
        try:
            Path(f"/proc/{server}/io").read_bytes()
            pids = [server, *(child.pid for child in psutil.Process(server).children())]
        except (OSError, psutil.Error):
            return None
        return [(pid, ticks) for pid in pids if (ticks := start_ticks_of(pid)) is not None]

    def close(self) -> None:
        """End the connection; a second time does nothing."""
        if self._deadline is not None:
            self._deadline.close()
            self._deadline = None
        with contextlib.suppress(self.psycopg.Error):
            self._connection.close()

    def _server_pid(self) -> int | None:
        if self._deadline is None:
            return None
        if str(self._connection.info.host).startswith("/"):
            # Of a socket in the filesystem the kernel tells who listens on it.
            with socket.socket(fileno=os.dup(self._connection.fileno())) as ours:
                pid, _, _ = struct.unpack("3i", ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
            return int(pid) or None
        with socket.socket(fileno=os.dup(self._connection.fileno())) as ours:
            port = ours.getsockname()[1]
        # A number alone may be another's on this machine; the title of the right process names our end of the connection.
        try:
            backend = psutil.Process(self._connection.info.backend_pid)
            return int(backend.ppid()) if f"({port})" in " ".join(backend.cmdline()) else None
        except psutil.Error:
            return None

    def _have_vector(self, adapt: Any) -> None:
        """The type must be known to the database and to the client."""
        found = self._connection.execute("select 1 from pg_extension where extname = 'vector'").fetchone()
        if found is None:
            try:
                self._connection.execute("create extension if not exists vector")
            except self.psycopg.errors.UniqueViolation:
                pass  # another rank made it in the same moment
            except self.psycopg.Error as error:
                raise EngineError(
                    "the PostgreSQL server has no extension vector (pgvector) in this database, and it cannot be made",
                    details={"address": self.where},
                    suggestion="install pgvector on the server, and let its administrator say: create extension vector",
                    cause=error,
                    code="MLPS-E512",
                ) from error
        adapt(self._connection)


def client_versions() -> dict[str, str]:
    """Versions of what is installed here."""
    psycopg, _ = _client()
    return {"client": f"psycopg {psycopg.__version__}, libpq {psycopg.pq.version()}"}


def _client() -> tuple[Any, Any]:
    try:
        import psycopg
        from pgvector.psycopg import register_vector
    except (ImportError, OSError) as error:
        raise EngineUnavailableError(
            "the client of the vector database engine pgvector is not installed", suggestion=CLIENT_INSTALL, cause=error
        ) from error
    return psycopg, register_vector
