"""The embedded engine zvec: DISKANN read from the device by direct I/O at every query, and memory-resident kinds to compare with."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlpstorage.results.processes import start_ticks_of
from pytest_mlpstorage.vectordb.check import check_spec, vectors_problem
from pytest_mlpstorage.vectordb.engine import (
    BuildReport,
    Capabilities,
    EngineError,
    EngineStats,
    EngineUnavailableError,
    IndexSpec,
    ProcessIdentity,
    Progress,
)
from pytest_mlpstorage.vectordb.long_call import LongCall
from pytest_mlpstorage.vectordb.zvec_searcher import ZvecSearcher
from pytest_mlpstorage.vectordb.zvec_tables import CAPABILITIES, LARGEST_BATCH, index_parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["INSTALL", "ZvecEngine"]

INSTALL: Final = "python -m pip install 'pytest-mlpstorage[vectordb]' (or: python -m pip install 'zvec>=0.8,<0.9')"

_FIELD: Final = "v"
_KINDS: Final = {".proxima": "index", ".wal": "log", ".log": "log"}

_FAILURES: Final = (RuntimeError, ValueError, KeyError, TypeError, OSError)
"""What its calls raise, whatever is wrong."""

_query_threads: list[int] = []
"""Threads for a query with which zvec was set up in this process. A second time is ignored without a word, so it is asked once."""


class ZvecEngine:
    """A collection of zvec 0.8 in ``where/<name>``. ``build_threads``, if not given, are all cores that this process may use."""

    name = "zvec"

    def __init__(self, build_threads: int | None = None) -> None:
        self._build_threads = build_threads or len(os.sched_getaffinity(0))
        self._spec: IndexSpec | None = None
        self._path = Path()
        self._collection: Any = None
        self._ours = False
        self._builder: LongCall | None = None

    def version(self) -> Mapping[str, str]:
        """Its version, licence, and the way in which it reads in this process: io_uring, libaio or pread."""
        zvec = _zvec(None, self._build_threads)
        back_end = zvec.io_backend_type().name.lower()
        return {"engine": str(zvec.__version__), "client": str(zvec.__version__), "licence": "Apache-2.0", "io_backend": back_end}

    def capabilities(self) -> Capabilities:
        """What zvec 0.8 offers."""
        return CAPABILITIES

    def create(self, spec: IndexSpec, where: str, *, replace: bool = False) -> None:
        """Make an empty collection; its parent directories are made too."""
        zvec, values = _zvec(None, self._build_threads), check_spec(CAPABILITIES, spec, self.name).values
        index = index_parameters(zvec, spec, values)
        self._turn_to(spec, where)
        if os.path.lexists(self._path):
            if not replace:
                raise self._error("there is something at the place of the new collection already", "replace it, or choose another name")
            self._remove()
        vectors = zvec.VectorSchema(_FIELD, zvec.DataType.VECTOR_FP32, spec.dim, index_param=index)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._collection = zvec.create_and_open(str(self._path), zvec.CollectionSchema(name=spec.name, fields=[], vectors=[vectors]))
        except _FAILURES as error:
            raise self._error("the collection cannot be made", "look at the directory and its free space", error) from error
        self._ours = True

    def attach(self, spec: IndexSpec, where: str) -> None:
        """Open a collection for writing; nobody else may have it open."""
        zvec = _zvec(None, self._build_threads)
        self._turn_to(spec, where)
        self._collection = self._open(zvec, read_only=False)
        self._ours = True

    def load(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> int:
        """Insert in batches of at most 1024 and look at the status of every row. Rows before a refused one stay stored."""
        spec, collection = self._opened()
        if problem := vectors_problem(ids, vectors, spec.dim):
            raise self._error(f"the block cannot be loaded: {problem}", "correct the data; nothing of the block was loaded")
        document, accepted = _zvec(None, self._build_threads).Doc, 0
        for start in range(0, len(ids), LARGEST_BATCH):
            rows = range(start, min(start + LARGEST_BATCH, len(ids)))
            batch = [document(id=str(ids[row]), vectors={_FIELD: vectors[row]}) for row in rows]
            try:
                statuses = collection.insert(batch)
            except _FAILURES as error:
                raise self._error("rows cannot be inserted", "look at the free space and the engine's log", error) from error
            refused = [(int(ids[row]), status) for row, status in zip(rows, statuses, strict=False) if not status.ok()]
            if refused or len(statuses) != len(batch):
                first = f"id {refused[0][0]}: {refused[0][1].message()}" if refused else "no status for some rows"
                raise self._error(
                    f"{len(batch) - len(statuses) + len(refused)} rows of a batch of {len(batch)} were refused",
                    f"load each id once ({first})",
                )
            accepted += len(batch)
        return accepted

    def build(self, progress: Progress) -> BuildReport:
        """Build the index on ``build_threads`` threads; as zvec tells no fraction, ``progress`` hears None once a second.

        What ``progress`` raises is passed on, but the build cannot be interrupted: the process can only end then, by an abort of zvec.
        """
        spec, collection = self._opened()
        zvec, began = _zvec(None, self._build_threads), time.perf_counter()

        def build() -> None:
            collection.flush()
            collection.optimize(zvec.OptimizeOption(concurrency=self._build_threads))

        building = self._builder = LongCall("zvec build", build)
        building.wait(progress)
        self._builder = None
        try:
            building.result()
        except _FAILURES as error:
            raise self._error("the index cannot be built", "look at the free space; the rows are kept", error) from error
        if (completeness := self._completeness()) != 1.0:
            raise self._error(
                f"the index holds {completeness:.2%} of the rows after its build", "build again, or create the collection anew"
            )
        # What zvec reports of its parameters is what it was told, also where it uses something else.
        told = {parameter.name: None for parameter in CAPABILITIES.families[spec.family].build}
        return BuildReport(time.perf_counter() - began, told)

    def stats(self) -> EngineStats:
        """Rows, ids counted one by one once the index is complete, and bytes of the files by kind."""
        _, collection = self._opened()
        sizes = dict.fromkeys(("vectors", "index", "log", "metadata"), 0)
        for path in self.index_files():
            sizes[_KINDS.get(path.suffix, "metadata")] += path.stat().st_size
        try:
            rows, completeness = int(collection.stats.doc_count), self._completeness()
            distinct = self._distinct_ids(rows) if completeness == 1.0 else None
        except _FAILURES as error:
            raise self._error("the collection does not tell what it holds", "create the collection anew", error) from error
        if completeness != 1.0:
            # Before the build the same files hold the plain vectors.
            sizes["vectors"], sizes["index"] = sizes["index"], 0
        return EngineStats(rows, distinct, completeness, sizes)

    def open(self, spec: IndexSpec, where: str, *, threads: int) -> ZvecSearcher:
        """A searcher in this process, beside those of others: read-only, files read without mapping them where the index allows it."""
        zvec = _zvec(threads, self._build_threads)
        if self._collection is not None:
            raise self._error("the builder is still open, and zvec lets no reader in beside it", "close the engine first")
        self._turn_to(spec, where)
        return ZvecSearcher(zvec, self._open(zvec, read_only=True), spec, _FIELD)

    def reads(self) -> list[ProcessIdentity]:
        """This process: the engine runs in it."""
        return [(os.getpid(), start_ticks_of(os.getpid()) or 0)]

    def evict(self) -> str:
        """Nothing is kept between two openings."""
        return ""

    def index_files(self) -> list[Path]:
        """All files of the collection."""
        return sorted(path for path in self._path.rglob("*") if path.is_file()) if self._spec is not None else []

    def server(self) -> None:
        """None: it is a library."""

    def close(self) -> None:
        """Release the collection, unless a build was given up: its thread goes on until this process ends."""
        if self._collection is not None and self._builder is None:
            self._collection.close()
        self._collection = None

    def drop(self) -> None:
        """Remove the directory of the collection."""
        self.close()
        if self._ours and os.path.lexists(self._path):
            self._remove()
        self._ours = False

    def _turn_to(self, spec: IndexSpec, where: str) -> None:
        """Leave one collection for another, which is not ours to drop until it was made or opened."""
        self.close()
        self._spec, self._path, self._ours = spec, Path(where, spec.name), False

    def _open(self, zvec: Any, *, read_only: bool) -> Any:
        spec = self._spec
        assert spec is not None
        try:
            collection = zvec.open(str(self._path), zvec.CollectionOption(read_only=read_only, enable_mmap=False))
        except _FAILURES as error:
            busy = "can't lock" in str(error).lower()
            todo = "close the process that writes to it" if busy else "create and load it first, or create it anew if its files are damaged"
            raise self._error("the collection is in use" if busy else "the collection cannot be opened", todo, error) from error
        (field, *_), offered = collection.schema.vectors or [None], CAPABILITIES.families.get(spec.family)
        if field is None or field.dimension != spec.dim:
            collection.close()
            raise self._error(
                f"the collection holds vectors of {field.dimension if field else 'no'} dimensions, not {spec.dim}", "create it anew"
            )
        built = field.index_param.type.name
        if offered is None or built != offered.native:
            collection.close()
            raise self._error(f"the collection has an index of the type {built}, not {spec.family}", "create it anew")
        return collection

    def _opened(self) -> tuple[IndexSpec, Any]:
        if self._spec is None or self._collection is None:
            raise EngineError("no collection of zvec is open", suggestion="create or attach one first")
        return self._spec, self._collection

    def _completeness(self) -> float:
        return float(self._collection.stats.index_completeness.get(_FIELD, 0.0))

    def _distinct_ids(self, rows: int) -> int:
        with self._collection.iter_docs(output_fields=[], include_vector=False) as documents:
            return len(np.unique(np.fromiter((int(document.id) for document in documents), np.int64, rows)))

    def _remove(self) -> None:
        """Remove what zvec made, or nothing."""
        try:
            names = {entry.name for entry in self._path.iterdir()}
            if self._path.is_symlink() or (names and "LOCK" not in names):
                raise self._error(
                    "what stands there is no collection of zvec and is left alone", "remove it yourself, or choose another name"
                )
            if names:
                with (self._path / "LOCK").open("rb") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self._path)
        except BlockingIOError as error:
            raise self._error("the collection is in use", "close the processes that read or write it", error) from error
        except OSError as error:
            raise self._error("the collection cannot be removed", "look at the directory", error) from error

    def _error(self, message: str, todo: str, cause: BaseException | None = None) -> EngineError:
        assert self._spec is not None
        details = {"collection": self._path, "index": f"{self._spec.family}, {self._spec.dim} dimensions, {self._spec.metric}"}
        return EngineError(f"zvec: {message}", details=details, suggestion=todo, cause=cause)


def _zvec(query_threads: int | None, build_threads: int) -> Any:
    """The module, set up once in a process; None for the threads takes what is set up, or one."""
    try:
        import zvec
    except (ImportError, OSError) as error:
        raise EngineUnavailableError("the vector database engine zvec is not installed", suggestion=INSTALL, cause=error) from error
    if not _query_threads:
        _query_threads.append(query_threads or 1)
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=_query_threads[0], optimize_threads=build_threads)
    if query_threads not in {None, _query_threads[0]}:
        raise EngineError(
            f"zvec runs with {_query_threads[0]} threads for a query in this process and cannot change to {query_threads}",
            suggestion="open the searcher in a fresh process",
        )
    return zvec
