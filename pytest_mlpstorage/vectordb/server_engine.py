"""What the engines of servers have in common: which collection they work on, and the connections to where it is."""

from __future__ import annotations

import abc
from typing import ClassVar, Generic, Protocol, TypeVar

from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec, ProcessIdentity

__all__ = ["ServerConnection", "ServerEngine"]


class ServerConnection(Protocol):
    """A connection to a server; ``where`` is its address without the password."""

    where: str

    def server_processes(self) -> list[ProcessIdentity] | None:
        """The server's processes; None where they are not of this machine, or do not tell what they read."""

    def close(self) -> None:
        """End it; a second time does nothing."""


_ConnectionT = TypeVar("_ConnectionT", bound=ServerConnection)


class ServerEngine(abc.ABC, Generic[_ConnectionT]):
    """An engine whose collection ``spec.name`` is at an address. The builder has one connection, a searcher another."""

    product: ClassVar[str]
    """What errors call the database."""

    kind: ClassVar[str]
    """What the database calls a collection."""

    def __init__(self) -> None:
        self._spec: IndexSpec | None = None
        self._where = ""
        self._connection: _ConnectionT | None = None
        self._searching: _ConnectionT | None = None
        """That of the last searcher."""
        self._taken = False
        """Whether ``create`` or ``attach`` made the collection ours to drop."""

    def reads(self) -> list[ProcessIdentity] | None:
        """The server's processes, as far as the connection can see them."""
        connection = self._any_connection
        return connection.server_processes() if connection is not None else None

    def close(self) -> None:
        """End the builder's connection; a searcher has its own."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def drop(self) -> None:
        """Remove the collection with its index; that ends a build too."""
        if not self._taken or self._spec is None:
            return
        if self._connection is None:
            self._connection = self._reach(self._where)
        self._remove(self._connection, self._spec)
        self._taken = False
        self.close()

    @abc.abstractmethod
    def _reach(self, where: str) -> _ConnectionT:
        """A new connection."""

    @abc.abstractmethod
    def _remove(self, connection: _ConnectionT, spec: IndexSpec) -> None:
        """Remove the collection with its index."""

    @property
    def _any_connection(self) -> _ConnectionT | None:
        """The builder's connection, or else the searcher's."""
        return self._connection or self._searching

    def _connect(self, spec: IndexSpec, where: str) -> _ConnectionT:
        """Leave one collection for another, which is not ours to drop until it was made or found."""
        self.close()
        self._spec, self._where, self._taken = spec, where, False
        self._connection = self._reach(where)
        return self._connection

    def _opened(self) -> tuple[IndexSpec, _ConnectionT]:
        if self._spec is None or self._connection is None:
            raise EngineError(f"no {self.kind} of {self.product} is open", suggestion="create or attach one first")
        return self._spec, self._connection

    def _error(self, message: str, todo: str) -> EngineError:
        spec, connection = self._opened()
        details = {"address": connection.where, self.kind: spec.name, "index": f"{spec.family}, {spec.dim} dimensions, {spec.metric}"}
        return EngineError(f"{self.product}: {message}", details=details, suggestion=todo)
