"""A connection to a Milvus server through pymilvus on which every call has a deadline and every failure is an EngineError."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import psutil

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.processes import start_ticks_of
from pytest_mlpstorage.vectordb.address import address_shown
from pytest_mlpstorage.vectordb.engine import EngineError, EngineUnavailableError, ProcessIdentity

__all__ = ["CALL_SECONDS", "CLIENT_INSTALL", "Connection", "client_versions"]

CLIENT_INSTALL: Final = "python -m pip install 'pytest-mlpstorage[milvus]' (or: python -m pip install 'pymilvus>=2.6.17')"
CALL_SECONDS: Final = 15.0
"""For a call whose work does not grow with the collection. Beyond it pymilvus may try once more to connect."""

_CONNECT_SECONDS: Final = 10.0
_DEFAULT_PORT: Final = 19530

_GONE: Final = ("UNAVAILABLE", "closed channel", "Fail connecting")
"""Words of failures that say that nobody is there."""

_T = TypeVar("_T")


class Connection:
    """One connection of its own, not shared with others of this process."""

    def __init__(self, where: str) -> None:
        self.pymilvus = _client()
        self.where = address_shown(where)
        self._address = _split(where, self.where)
        self._client: Any = None
        try:
            self._client = self.pymilvus.MilvusClient(uri=where, timeout=_CONNECT_SECONDS, dedicated=True)
        except self._failures as error:
            raise EngineError(
                "the Milvus server cannot be reached",
                details={"address": self.where},
                suggestion="see that it runs, hears on this address and lets this user in",
                cause=error,
                code="MLPS-E512",
            ) from error

    def call(self, what: str, function: Callable[..., _T], *arguments: Any, seconds: float = CALL_SECONDS, **named: Any) -> _T:
        """A call of ``client``'s with a deadline. ``what`` completes "cannot …"."""
        try:
            return function(*arguments, timeout=seconds, **named)
        except self._failures as error:
            raise self.failure(what, error, seconds) from error

    def failure(self, what: str, error: BaseException, seconds: float = CALL_SECONDS) -> EngineError:
        """The error for one of pymilvus's."""
        text, details = " ".join(str(error).split()), {"address": self.where}
        if "DEADLINE_EXCEEDED" in text:
            message, todo = f"Milvus did not {what} within {seconds:g} s", "see what the server does: it may hang, or have too much to do"
        elif any(word in text for word in _GONE):
            message, todo = f"Milvus cannot {what}: the server does not answer", "see the server's log: it was stopped, or it crashed"
        else:
            message, todo = f"Milvus cannot {what}", "see what the server says"
        return EngineError(message, details=details, suggestion=todo, cause=error)

    @property
    def client(self) -> Any:
        """The MilvusClient. EngineError once the connection is closed."""
        if self._client is None:
            raise EngineError("the connection to Milvus is closed", suggestion="use it before close")
        return self._client

    def server_processes(self) -> list[ProcessIdentity] | None:
        """The one process of a standalone server on this machine; None where it runs elsewhere, in a container, or as several."""
        host, port = self._address
        if not _is_here(host):
            return None
        try:
            listening = psutil.net_connections("tcp")
            ours = [each for each in listening if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port]
            pids = {each.pid for each in ours if each.pid}
            found = [psutil.Process(pid) for pid in pids]
            if len(found) != 1 or "standalone" not in found[0].cmdline():
                return None
            found[0].io_counters()
        except psutil.Error:
            return None
        ticks = start_ticks_of(found[0].pid)
        return None if ticks is None else [(found[0].pid, ticks)]

    def close(self) -> None:
        """End the connection; a second time does nothing."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*self._failures):
                client.close()

    @property
    def _failures(self) -> tuple[type[BaseException], ...]:
        import grpc

        # The last ones are what it raises of a server that answers in another way than it expects.
        return (self.pymilvus.exceptions.MilvusException, grpc.RpcError, grpc.FutureTimeoutError, ValueError, TypeError, OSError)


def client_versions() -> dict[str, str]:
    """Versions of what is installed here."""
    return {"client": f"pymilvus {_client().__version__}"}


def _client() -> Any:
    try:
        import pymilvus
    except (ImportError, OSError) as error:
        raise EngineUnavailableError("the client of the engine milvus is not installed", suggestion=CLIENT_INSTALL, cause=error) from error
    # It prints a trace for each failure that it raises.
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    return pymilvus


def _split(where: str, shown: str) -> tuple[str, int]:
    """Host and port. Other addresses would make pymilvus start a server of another kind."""
    try:
        parts = urlsplit(where)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"http", "https", "tcp"} or not host:
        raise ConfigurationError(
            f"{shown!r} is no address of a Milvus server",
            suggestion="write it as http://host:19530, or http://user:password@host:19530/database",
            code="MLPS-E160",
        )
    return host, port or (443 if parts.scheme == "https" else _DEFAULT_PORT)


def _is_here(host: str) -> bool:
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    own = {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
    return bool(found) and all(ipaddress.ip_address(str(name).partition("%")[0]).is_loopback or name in own for name in found)
