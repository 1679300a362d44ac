"""DLIO reader plug-ins that read a file's bytes as they are: what storage does, without decoding (training.md §3, §7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from dlio_benchmark.reader.reader_handler import FormatReader

from pytest_mlpstorage.dlio.raw_files import FileCache

__all__ = ["DirectRawReader", "RawReader"]

_KEPT_OPEN = 8


class RawReader(FormatReader):  # type: ignore[misc]  # DLIO carries no types
    """Reads each sample's bytes through the page cache and returns DLIO's resized sample, as its own readers do.

    Made in the read worker; never uses MPI.
    """

    direct = False

    def __init__(self, dataset_type: Any, thread_index: int, epoch: int) -> None:
        super().__init__(dataset_type, thread_index)
        self.epoch = epoch
        self._files = FileCache(direct=self.direct, keep=_KEPT_OPEN)

    @property
    def bytes_read(self) -> int:
        """Bytes of samples that this reader has read."""
        return self._files.bytes_read

    def open(self, filename: str) -> str:
        """Return the name as the handle: open files are kept by the cache."""
        return filename

    def close(self, filename: str) -> None:
        """Close one file."""
        self._files.close(filename)

    def get_sample(self, filename: str, sample_index: int) -> None:
        """Read one sample's bytes."""
        samples = int(self._args.num_samples_per_file)
        self._files.read_sample(filename, int(sample_index), samples)
        if samples == 1:
            self._files.close(filename)

    def read_index(self, global_sample_idx: int, step: int) -> Any:
        """One sample by its number. Does not call DLIO's own, which prints its whole index map to text on every call."""
        self.step = step
        self.image_idx = global_sample_idx
        filename, sample_index = self.global_index_map[global_sample_idx]
        self.get_sample(filename, sample_index)
        self.preprocess()
        return self._args.resized_image

    def next(self) -> Iterator[Any]:
        """Whole batches of this worker's samples, in order."""
        batch: list[Any] = []
        for _, filename, sample_index in self.file_map[self.thread_index]:
            self.get_sample(filename, sample_index)
            self.preprocess()
            batch.append(self._args.resized_image)
            if len(batch) == self.batch_size:
                self.step += 1
                yield np.array(batch)
                batch = []

    def finalize(self) -> None:
        """Close every file."""
        self._files.close_all()

    def is_index_based(self) -> bool:
        """Tell that samples can be asked for by number."""
        return True

    def is_iterator_based(self) -> bool:
        """Tell that batches can be taken in order."""
        return True


class DirectRawReader(RawReader):
    """The same past the page cache (O_DIRECT)."""

    direct = True
