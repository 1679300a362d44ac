"""The engines under test, the place for their collections, and data with exact answers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlpstorage.errors import DependencyError, MLPStorageError
from pytest_mlpstorage.vectordb.check import check_parameters
from pytest_mlpstorage.vectordb.engine import Capabilities, IndexSpec, Metric
from pytest_mlpstorage.vectordb.generator import ClusteredV1
from pytest_mlpstorage.vectordb.registry import engine as engine_of
from pytest_mlpstorage.vectordb.registry import names
from pytest_mlpstorage.vectordb_contract.child import DEADLINE_SECONDS, Bench, Child

ROWS, DIM, K, QUERIES = 5000, 32, 10, 100


@dataclasses.dataclass(frozen=True)
class Subject:
    """An engine that is tested: its name, what it can do, where its collections stand and the indexes to test, the first one first."""

    name: str
    capabilities: Capabilities
    where: str
    families: tuple[str, ...]
    deadline_seconds: float
    used: dict[str, IndexSpec] = dataclasses.field(default_factory=dict)

    @property
    def embedded(self) -> bool:
        """Whether its collections are directories of this machine."""
        return self.capabilities.form == "embedded"

    def child(self) -> Child:
        """The engine in a new process."""
        return Child(self.name, deadline_seconds=self.deadline_seconds)

    def spec(self, name: str, *, dim: int = DIM, metric: Metric | None = None, family: str = "") -> IndexSpec:
        """A collection with the default parameters of an index; two runs of the suite on one server do not meet."""
        token = family or self.families[0]
        build = dict(check_parameters(self.capabilities.families[token], {}).values)
        metric = metric or ("COSINE" if "COSINE" in self.capabilities.metrics else "L2")
        spec = IndexSpec(f"contract_{name}_{os.getpid()}", dim, metric, token, build)
        self.used.setdefault(f"{spec.name} {dim}", spec)
        return spec

    def drop_all(self) -> None:
        """Remove what tests that failed have left."""
        with self.child() as dropper:
            for spec in self.used.values():
                with contextlib.suppress(MLPStorageError):
                    dropper(Bench.call, "attach", spec, self.where)
                    dropper(Bench.call, "drop")

    def search_params(self, family: str = "") -> dict[str, Any]:
        """Default parameters of a search."""
        return dict(check_parameters(self.capabilities.families[family or self.families[0]], {}, part="search", k=K).values)


@dataclasses.dataclass(frozen=True)
class Data:
    """Unit vectors, queries near some of them, and the exact ``K`` nearest rows of each query (cosine)."""

    vectors: Any
    queries: Any
    exact: Any


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test once for each engine."""
    if "subject" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--vectordb-engine", default=None) or list(names())
        metafunc.parametrize("subject", list(dict.fromkeys(chosen)), indirect=True, scope="session")


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """The engine, with its server where it needs one. One that is not installed is left out, unless it was asked for by name."""
    name, config = request.param, request.config
    asked = name in (config.getoption("--vectordb-engine", default=None) or ())
    given = dict(pair.partition("=")[::2] for pair in config.getoption("--vectordb-where", default=None) or ())
    # Not below pytest's own folder: its path is too long for a socket, and closed to the other user as whom a server may have to run.
    folder = Path(tempfile.mkdtemp(prefix="vdbc-"))
    handle = None
    try:
        engine = engine_of(name)
        where, capabilities = given.get(name, str(folder)), engine.capabilities()
        if capabilities.form == "embedded":
            engine.version()
        elif name not in given:
            server = engine.server()
            if server is None:
                pytest.skip(f"{name} is a server and no address is given: --vectordb-where {name}=ADDRESS")
            handle = server
            where = server.start(folder)
        family = config.getoption("--vectordb-family", default=None)
        seconds = config.getoption("--vectordb-seconds", default=None) or DEADLINE_SECONDS
        made = Subject(name, capabilities, where, (family,) if family else tuple(capabilities.families), seconds)
        yield made
        made.drop_all()
    except DependencyError as error:
        if asked:
            raise
        pytest.skip(f"{name} cannot be used here: {error}")
    finally:
        if handle is not None:
            handle.stop()
        shutil.rmtree(folder, ignore_errors=True)


@functools.lru_cache(maxsize=1)
def _data() -> Data:
    made = ClusteredV1(seed=11, rows=ROWS, dim=DIM)
    vectors = np.concatenate([made.block(number) for number in range(made.blocks)])
    queries = np.ascontiguousarray(made.query_block(0)[0][:QUERIES])
    scores = queries.astype(np.float64) @ vectors.astype(np.float64).T
    return Data(vectors, queries, np.argsort(-scores, axis=1, kind="stable")[:, :K])


@pytest.fixture(scope="session")
def data() -> Data:
    """5000 vectors of 32 dimensions."""
    return _data()


@pytest.fixture
def child(subject: Subject) -> Iterator[Child]:
    """A process with the engine, for one test."""
    with subject.child() as running:
        yield running


@pytest.fixture(scope="session")
def built(subject: Subject, data: Data) -> Iterator[IndexSpec]:
    """A collection of all vectors with its index, closed; for tests that only search."""
    spec = subject.spec("built")
    with subject.child() as builder:
        builder(Bench.made, spec, subject.where, data.vectors)
        builder(Bench.built)
    yield spec
    with subject.child() as dropper:
        dropper(Bench.call, "attach", spec, subject.where)
        dropper(Bench.call, "drop")
