"""DLIO data generator that writes raw random bytes: as many on disk as are reported (training.md §4)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from dlio_benchmark.data_generator.data_generator import DataGenerator

from pytest_mlpstorage.dlio.progress import Progress
from pytest_mlpstorage.dlio.raw_data import SEED, sample_sizes, write_random_file
from pytest_mlpstorage.errors import BenchmarkExecutionError

__all__ = ["RawGenerator"]


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
        source = np.random.SFC64([SEED, int(self.my_rank)])
        written = 0
        folders = set()
        for index in range(self.my_rank, len(files), self.comm_size):
            path = self.storage.get_uri(files[index])
            write_random_file(path, int(sizes[index]), source)
            written += int(sizes[index])
            folders.add(Path(path).parent)
            self._progress.datagen(min(index + self.comm_size, len(files)), len(files), written * self.comm_size)
        for folder in folders:
            _sync_folder(folder)
        mine = [self.storage.get_uri(path) for path in files[self.my_rank :: self.comm_size]]
        on_disk = sum(Path(path).stat().st_size for path in mine)
        if on_disk != written:
            raise BenchmarkExecutionError(f"rank {self.my_rank} wrote {written} bytes, and {on_disk} are on disk", code="MLPS-E542")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
