"""Sizes and bytes of raw samples: random, so that neither compression nor deduplication makes them smaller on disk."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

__all__ = ["BLOCK_BYTES", "SEED", "sample_sizes", "write_random_file"]

SEED = 10  # DLIO's own generators begin with it
BLOCK_BYTES = 32 * 1024**2


def sample_sizes(*, files: int, samples: int, mean_bytes: float, stdev_bytes: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Bytes of every sample, shape (files, samples): ``mean_bytes`` exactly, or normally distributed and at least 1.

    Every rank draws the whole table from the same seed, so that the data set does not depend on the number of ranks.
    """
    if stdev_bytes <= 0:
        return np.full((files, samples), int(mean_bytes), dtype=np.int64)
    drawn = np.random.RandomState(SEED).normal(mean_bytes, stdev_bytes, (files, samples))
    return np.maximum(drawn, 1).astype(np.int64)


def write_random_file(path: str, size_bytes: int, source: np.random.SFC64) -> None:
    """Write and fsync ``size_bytes``, every one drawn: nothing to compress and nothing to deduplicate. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        left = size_bytes
        while left > 0:
            want = min(left, BLOCK_BYTES)
            block = source.random_raw(-(-want // 8)).view(np.uint8).data[:want]
            while block:
                done = os.write(descriptor, block)
                left -= done
                block = block[done:]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
