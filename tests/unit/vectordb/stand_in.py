"""A searcher for tests of the loop, with a fault where a test wants one."""

from __future__ import annotations

import numpy as np

from pytest_mlpstorage.vectordb.generator import ClusteredV1
from pytest_mlpstorage.vectordb.measure import WorkerLoop
from pytest_mlpstorage.vectordb.queries import QueryStream

DATA = ClusteredV1(42, 5_000, 8, queries="heldout")
K = 10
SCORES = np.zeros(K, np.float32)
STREAM = QueryStream.prepare(DATA, 300, run=0, worker=1, workers=2)


class Stand:
    """A searcher: gives K ids, and remembers what it was asked."""

    def __init__(self, fault=None, every=1):
        self.asked, self.given, self.fault, self.every = [], [], fault, every

    def search(self, vector, k, params):
        number = len(self.asked)
        self.asked.append(vector.copy())
        ids = (number + np.arange(k)).astype(np.int64)
        if self.fault is not None and number % self.every == 0:
            ids = self.fault(ids)
        self.given.append(ids)
        return ids, SCORES

    def effective(self):
        return {}

    def close(self):
        pass


def loop(searcher, **more):
    return WorkerLoop(searcher, STREAM, **{"k": K, "rows": DATA.rows, "params": {"list": 50}, **more})
