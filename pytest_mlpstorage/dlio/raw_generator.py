"""DLIO data generator that writes raw random bytes: as many on disk as are reported (training.md §4)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dlio_benchmark.data_generator.data_generator import DataGenerator

from pytest_mlpstorage.dlio.progress import Progress
from pytest_mlpstorage.errors import BenchmarkExecutionError

__all__ = ["SEED", "RawGenerator", "sample_sizes", "write_random_file"]

SEED = 10  # DLIO's own generators begin with it
_BLOCK_BYTES = 32 * 1024**2


def sample_sizes(*, files: int, samples: int, mean_bytes: float, stdev_bytes: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Bytes of every sample, shape (files, samples): ``mean_bytes`` exactly, or normally distributed and at least 1.

    Every rank draws the whole table from the same seed, so that the data set does not depend on the number of ranks.
    """
    if stdev_bytes <= 0:
        return np.full((files, samples), int(mean_bytes), dtype=np.int64)
    drawn = np.random.RandomState(SEED).normal(mean_bytes, stdev_bytes, (files, samples))
    return np.maximum(drawn, 1).astype(np.int64)


def write_random_file(path: str, size_bytes: int, pool: memoryview, generator: np.random.Generator) -> None:
    """Write and fsync ``size_bytes`` that neither compress nor repeat block by block; raises OSError.

    ``pool`` holds random bytes, at least twice the block size: each block begins at another place of it, which is much
    faster than drawing every byte and leaves deduplication by aligned blocks nothing to find.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        left = size_bytes
        while left > 0:
            start = int(generator.integers(0, len(pool) // 2))
            left -= os.write(descriptor, pool[start : start + min(left, len(pool) // 2)])
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RawGenerator(DataGenerator):  # type: ignore[misc]  # DLIO carries no types
    """Writes the files that DLIO would write, under its names; rank r of W makes every W-th, from file r on."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def generate(self) -> None:
        """Make this rank's files; raises BenchmarkExecutionError if a file has another size than was to be written."""
        super().generate()
        files: Sequence[str] = self._file_list
        sizes = sample_sizes(
            files=len(files),
            samples=int(self.num_samples),
            mean_bytes=float(self._args.record_length),
            stdev_bytes=float(self._args.record_length_stdev),
        ).sum(axis=1)
        random = np.random.default_rng([SEED, int(self.my_rank)])
        pool = memoryview(random.bytes(2 * min(_BLOCK_BYTES, max(int(sizes.max(initial=1)), 4096))))
        written = 0
        folders = set()
        for index in range(self.my_rank, len(files), self.comm_size):
            path = self.storage.get_uri(files[index])
            write_random_file(path, int(sizes[index]), pool, random)
            written += int(sizes[index])
            folders.add(Path(path).parent)
            self._progress.datagen(min(index + self.comm_size, len(files)), len(files), written * self.comm_size)
        for folder in folders:
            _sync_folder(folder)
        mine = [self.storage.get_uri(path) for path in files[self.my_rank :: self.comm_size]]
        on_disk = sum(Path(path).stat().st_size for path in mine)
        if on_disk != written:
            raise BenchmarkExecutionError(f"rank {self.my_rank} wrote {written} bytes, and {on_disk} are on disk")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
