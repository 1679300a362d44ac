"""A vector database engine for tests that does everything right, by looking at every row; some of its reads go to the device."""

from __future__ import annotations

import dataclasses
import json
import math
import mmap
import os
import shutil
import time
from pathlib import Path

import numpy as np

from pytest_mlpstorage.results.processes import start_ticks_of
from pytest_mlpstorage.vectordb.check import check_spec, query_problem, vectors_problem
from pytest_mlpstorage.vectordb.engine import BuildReport, Capabilities, EngineError, EngineStats, IndexFamily, ParameterSpec

_EF = (ParameterSpec("search_ef", "int", 1, 10_000, 50),)
_DEGREE = (ParameterSpec("max_degree", "int", 1, 100, 64), ParameterSpec("search_list_size", "int", 10, 200, 100))
CAPABILITIES = Capabilities(
    families={
        "DISKANN": IndexFamily("DISKANN", "PAGES", _DEGREE, _EF, "disk"),
        "HNSW": IndexFamily("HNSW", "ARRAY", (ParameterSpec("M", "int", 2, 100, 16),), _EF, "memory"),
    },
    metrics=frozenset({"COSINE", "L2", "IP"}),
    form="embedded",
    max_insert_batch=1000,
    readers="many",
    threads_ok=True,
    deterministic_build=True,
    appends_after_build=False,
    higher_is_better=True,
)
PAGE = 4096
PAGES_A_QUERY = 4


class StandIn:
    """Every row in one file, looked at in full for each query; an index "on disk" also reads some pages of it from the device."""

    name = "stand_in"

    def __init__(self):
        self._spec = self._folder = self._file = None

    def version(self):
        return {"engine": "1.0", "client": "1.0", "licence": "Apache-2.0", "io_backend": "pread"}

    def capabilities(self):
        return CAPABILITIES

    def create(self, spec, where, *, replace=False):
        check_spec(CAPABILITIES, spec, self.name)
        folder = Path(where, spec.name)
        if folder.exists():
            if not replace:
                # What it did not make it does not drop either.
                self._folder = None
                raise EngineError("the collection exists", suggestion="replace it")
            shutil.rmtree(folder)
        self._spec, self._folder = spec, folder
        self._folder.mkdir(parents=True)
        (self._folder / "collection.json").write_text(json.dumps(dataclasses.asdict(spec)))
        (self._folder / "rows").touch()

    def attach(self, spec, where):
        self._spec, self._folder = spec, Path(where, spec.name)
        if not (self._folder / "collection.json").is_file():
            raise EngineError("there is no such collection", suggestion="create it")
        if (dim := json.loads((self._folder / "collection.json").read_text())["dim"]) != spec.dim:
            raise EngineError(f"the collection has {dim} dimensions, not {spec.dim}", suggestion="create it anew")

    def load(self, ids, vectors):
        if problem := vectors_problem(ids, vectors, self._spec.dim):
            raise EngineError(problem, suggestion="correct the data")
        if ids[0] != self._rows():
            raise EngineError(f"id {ids[0]} does not follow {self._rows() - 1}", suggestion="load each id once, in order")
        with (self._folder / "rows").open("ab") as rows:
            rows.write(vectors.tobytes())
        return len(ids)

    def build(self, progress):
        began = time.perf_counter()
        for part in range(4):
            progress(part / 4)
        with (self._folder / "rows").open("rb") as rows:
            os.fsync(rows.fileno())
        (self._folder / "built").touch()
        return BuildReport(time.perf_counter() - began, dict(self._spec.build))

    def stats(self):
        built = (self._folder / "built").exists()
        sizes = {"index" if built else "vectors": (self._folder / "rows").stat().st_size, "log": 0, "metadata": 0}
        return EngineStats(self._rows(), self._rows(), float(built), {"vectors": 0, "index": 0} | sizes)

    def open(self, spec, where, *, threads):
        self.attach(spec, where)
        return self.searcher(spec, self._folder / "rows")

    def searcher(self, spec, file):
        return StandInSearcher(spec, file)

    def reads(self):
        return [(os.getpid(), start_ticks_of(os.getpid()))]

    def evict(self):
        return ""

    def index_files(self):
        return sorted(self._folder.iterdir())

    def server(self):
        return None

    def close(self):
        pass

    def drop(self):
        if self._folder is not None and (self._folder / "collection.json").is_file():
            shutil.rmtree(self._folder)

    def _rows(self):
        return (self._folder / "rows").stat().st_size // (4 * self._spec.dim)


class StandInSearcher:
    def __init__(self, spec, file):
        self.spec, self.searches = spec, 0
        self.rows = np.fromfile(file, np.float32).reshape(-1, spec.dim)
        self._norms = np.linalg.norm(self.rows, axis=1) if spec.metric == "COSINE" else None
        self._squares = (self.rows**2).sum(axis=1) if spec.metric == "L2" else None
        self._pages = file.stat().st_size // PAGE if spec.family == "DISKANN" else 0
        self._direct = -1
        if self._pages:
            try:
                self._direct = os.open(file, os.O_RDONLY | os.O_DIRECT)
            except OSError:
                # A filesystem of memory knows no direct reads, and has no device that they would show.
                self._pages = 0
        self._buffer = mmap.mmap(-1, PAGE)

    def search(self, vector, k, params):
        if problem := query_problem(vector, k, self.spec.dim):
            raise EngineError(problem, suggestion="correct the query")
        if self.rows is None:
            raise EngineError("the collection is closed", suggestion="open it")
        self.searches += 1
        scores = self.rows @ vector
        if self.spec.metric == "COSINE":
            scores = scores / (self._norms * math.sqrt(float(vector @ vector)))
        elif self.spec.metric == "L2":
            scores = 2 * scores - self._squares
        self.read_pages(int(abs(vector[0]) * 1e6))
        found = np.argsort(-scores, kind="stable")[:k]
        return found.astype(np.int64), scores[found].astype(np.float32)

    def read_pages(self, start):
        for step in range(PAGES_A_QUERY if self._pages else 0):
            os.preadv(self._direct, [self._buffer], (start + step * 7919) % self._pages * PAGE)

    def effective(self):
        return {"search_ef": None}

    def close(self):
        self.rows = None
        if self._direct >= 0:
            os.close(self._direct)
            self._direct, self._pages = -1, 0
