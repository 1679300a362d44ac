"""What the benchmark asks of a vector database: the interface that every engine plug-in fills, and the records that pass through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from pytest_mlpstorage.errors import EngineError, EngineUnavailableError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BuildReport",
    "Capabilities",
    "Engine",
    "EngineError",
    "EngineStats",
    "EngineUnavailableError",
    "IndexFamily",
    "IndexSpec",
    "Metric",
    "ParameterSpec",
    "ProcessIdentity",
    "Progress",
    "Residence",
    "Searcher",
    "ServerHandle",
    "Value",
]

Value: TypeAlias = "int | float | str"
Metric = Literal["COSINE", "L2", "IP"]
Kind = Literal["int", "float", "choice"]

Residence = Literal["disk", "page-cache", "memory"]
"""Where a search reads: from the device each time, through the operating system's page cache, or from memory after loading."""

Progress: TypeAlias = "Callable[[float | None], None]"
"""Called with the finished fraction of a build, or None where the engine does not tell it: a sign of life either way."""

ProcessIdentity: TypeAlias = "tuple[int, int]"
"""A process id with its start time in clock ticks since boot (field 22 of /proc/<pid>/stat): together they name one process."""


@dataclasses.dataclass(frozen=True)
class ParameterSpec:
    """One parameter of an index or of its search, named as the rule book names it; ``native`` is the engine's spelling where it differs.

    ``least`` and ``most`` bound numbers; a ``choice`` is one of ``choices``. ``default`` holds where nobody says otherwise.
    """

    name: str
    kind: Kind
    least: float | None
    most: float | None
    default: Value
    choices: tuple[str, ...] = ()
    native: str = ""

    @property
    def engine_name(self) -> str:
        """How the engine spells it."""
        return self.native or self.name


@dataclasses.dataclass(frozen=True)
class IndexFamily:
    """One kind of index: ``token`` is its name in results (upper case, as the rule book's), ``native`` the engine's own."""

    token: str
    native: str
    build: tuple[ParameterSpec, ...]
    search: tuple[ParameterSpec, ...]
    residence: Residence


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What an engine can do. ``families`` by token. ``higher_is_better`` is the orientation of its scores for all its metrics."""

    families: Mapping[str, IndexFamily]
    metrics: frozenset[str]
    form: Literal["embedded", "server"]
    max_insert_batch: int
    readers: Literal["many", "one"]
    threads_ok: bool
    deterministic_build: bool
    appends_after_build: bool
    higher_is_better: bool


@dataclasses.dataclass(frozen=True)
class IndexSpec:
    """A collection to be made: its name, the dimension of its vectors, the metric and the index. ``build`` goes by rule book names."""

    name: str
    dim: int
    metric: Metric
    family: str
    build: Mapping[str, Value]
    shards: int = 1


@dataclasses.dataclass(frozen=True)
class BuildReport:
    """How long a build took and with which parameters by the engine's own word; None where it does not say."""

    seconds: float
    effective: Mapping[str, Value | None]


@dataclasses.dataclass(frozen=True)
class EngineStats:
    """What an engine says that it holds. ``completeness`` of the index is 0 to 1; bytes by kind: vectors, index, log, metadata."""

    rows: int
    distinct_ids: int | None
    completeness: float
    bytes_on_disk: Mapping[str, int]


class Searcher(Protocol):
    """An open collection in this process, for searches only."""

    def search(self, vector: NDArray[np.float32], k: int, params: Mapping[str, Value]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and scores of the nearest rows, best first; fewer than ``k`` where the engine finds fewer.

        ``params`` were checked by the caller once (``check.check_parameters``): a call that is timed checks nothing again but
        what would give a wrong answer without an error (dimension, numbers that are not finite).
        """

    def effective(self) -> Mapping[str, Value | None]:
        """The search parameters of the last search by the engine's own word; None where it does not say."""

    def close(self) -> None:
        """Release everything; a second time does nothing."""


class ServerHandle(Protocol):
    """A server that the suite starts itself; never used on a server whose address the user gave."""

    def start(self, directory: Path) -> str:
        """Start with its data below ``directory`` and wait until it answers; the address for ``where``."""

    def stop(self) -> None:
        """End it and all its processes; a second time does nothing. Its data stay."""


class Engine(Protocol):
    """One vector database. ``where`` is a directory of the collections (embedded) or an address (server).

    An embedded engine puts the collection of ``spec`` at ``where/<spec.name>`` and leaves ``where`` alone otherwise. Every failure is an
    ``EngineError`` (``ConfigurationError`` for a spec that it cannot build, ``EngineUnavailableError`` where its package is not installed);
    nothing returns a status to be looked at. Packages of third parties are imported inside the calls, never with the module.
    An engine object belongs to one collection at a time: ``create`` or ``attach`` first, then the others, ``close`` at the end.
    """

    name: str
    """As it is written to ``database.database``."""

    def version(self) -> Mapping[str, str]:
        """Versions of ``engine`` and, where there are such, ``server`` and ``client``; its ``licence``; its ``io_backend``."""

    def capabilities(self) -> Capabilities:
        """What it can do; known without its package and without a server."""

    def create(self, spec: IndexSpec, where: str, *, replace: bool = False) -> None:
        """Make an empty collection. EngineError where one is there, unless it is to be replaced."""

    def attach(self, spec: IndexSpec, where: str) -> None:
        """Take up a collection that exists, to load, build, ask or drop it. EngineError where none is or its dimension differs."""

    def load(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> int:
        """Insert one block and give the number of rows accepted: all, or EngineError (also for what ``vectors_problem`` finds)."""

    def build(self, progress: Progress) -> BuildReport:
        """Flush, build and wait; calls ``progress`` at least every 2 s. A second time does nothing but report."""

    def stats(self) -> EngineStats:
        """What the collection holds now."""

    def open(self, spec: IndexSpec, where: str, *, threads: int) -> Searcher:
        """A searcher in this process with that many threads of the engine's own for a query; the builder must be closed."""

    def reads(self) -> list[ProcessIdentity] | None:
        """Processes whose /proc/<pid>/io counts as this engine's reads; None where they cannot be seen."""

    def evict(self) -> str:
        """Do what the engine can do towards a cold state, and say what that was; "" for nothing."""

    def index_files(self) -> list[Path] | None:
        """Files that hold the collection, for looking at their pages in the cache; None where they cannot be seen."""

    def server(self) -> ServerHandle | None:
        """How the suite starts a server of this engine; None where it cannot (and for an embedded engine)."""

    def close(self) -> None:
        """Release the collection, so that other processes may open it; a second time does nothing."""

    def drop(self) -> None:
        """Remove the collection of the last ``create`` or ``attach`` that succeeded and nothing else; a second time does nothing."""
