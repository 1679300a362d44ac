"""What tests of server engines share: small data, an engine in the state that a test needs, and a stopwatch for failures."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.vectordb.check import check_parameters
from pytest_mlpstorage.vectordb.engine import IndexSpec

FAILS_WITHIN_SECONDS = 30.0
"""What the issue allows for a server that is not there or not right; no test of speed."""


def vectors(rows=2000, dim=32):
    made = np.random.default_rng(5).standard_normal((rows, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def spec(engine, name, family="HNSW", dim=32):
    table = engine.capabilities().families[family]
    return IndexSpec(name, dim, "COSINE", family, dict(check_parameters(table, {}).values))


def load(engine, data):
    return engine.load(np.arange(len(data), dtype=np.int64), data)


def silent(_fraction):
    """Nobody looks how far a build is."""


def failure(call, *words, kind=MLPStorageError):
    """The one error of a call, raised in time, with details and something to do."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        call()
    seconds = time.monotonic() - began
    error = caught.value
    assert seconds < FAILS_WITHIN_SECONDS, f"after {seconds:.1f} s: {error}"
    assert error.suggestion, error
    for word in words:
        assert word in str(error), error
    return error
