"""A data set of rows as a test has them."""

from __future__ import annotations

import dataclasses

import numpy as np

from pytest_mlpstorage.vectordb.generator import BLOCK_ROWS, Dataset, Uniform


@dataclasses.dataclass(frozen=True)
class Given(Dataset):
    """Rows as a test has them."""

    array: np.ndarray = None

    @property
    def name(self):
        return "given"

    def block(self, number):
        first = number * BLOCK_ROWS
        return np.ascontiguousarray(self.array[first : first + BLOCK_ROWS])

    def query_block(self, number):
        return Uniform(self.seed + number % 7, 10, self.dim).query_block(0)


def given(array):
    array = np.asarray(array, dtype=np.float32)
    return Given(1, len(array), array.shape[1], array=array)
