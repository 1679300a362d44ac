"""DLIO data loader that takes parquet row groups as they lie in the files and yields them cut into batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
from dlio_benchmark.common.enumerations import DataLoaderType, DatasetType, Shuffle
from dlio_benchmark.data_loader.base_data_loader import BaseDataLoader

from pytest_mlpstorage.dlio.parquet_schema import columns, selected

__all__ = ["RowGroupLoader", "parquet_description", "share"]

_description: dict[str, Any] = {}


def parquet_description(parquet: Mapping[str, Any]) -> None:
    """Set the ``dataset.parquet`` section that loaders made from now on follow; DLIO 2.0.0 has no place for it."""
    _description.clear()
    _description.update(parquet)


def share(files: Sequence[str], rank: int, ranks: int) -> list[str]:
    """Files of one rank: a contiguous run of the sorted list, as DLIO 2.0.0 deals samples. Lengths differ by at most one."""
    return list(files[len(files) * rank // ranks : len(files) * (rank + 1) // ranks])


class RowGroupLoader(BaseDataLoader):  # type: ignore[misc]  # DLIO carries no types
    """Reads whole row groups with ``read_threads`` threads and yields one item a batch of ``batch_size`` rows.

    A batch is made when its last row has been read. Groups are shuffled where ``sample_shuffle`` is not off, by the seed
    and the epoch; single rows are not: they would read their group again each.
    """

    def __init__(self, format_type: Any, dataset_type: Any, epoch_number: int) -> None:
        super().__init__(format_type, dataset_type, epoch_number, DataLoaderType.PYTORCH)
        self._groups: list[tuple[str, int, int]] = []
        self._names: list[str] | None = None
        self._training = dataset_type is DatasetType.TRAIN

    def read(self) -> None:
        """List this rank's row groups from the files' footers."""
        import pyarrow.parquet as pq

        every = columns(_description, record_bytes=int(self._args.record_length))
        self._names = [column.name for column in selected(_description, every)]
        files = self._args.file_list_train if self._training else self._args.file_list_eval
        self._groups = []
        for path in share(files, int(self._args.my_rank), int(self._args.comm_size)):
            metadata = pq.read_metadata(path)
            self._groups += [(path, group, metadata.row_group(group).num_rows) for group in range(metadata.num_row_groups)]

    def _read_group(self, path: str, group: int) -> int:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path, memory_map=False, pre_buffer=True) as file:
            table = file.read_row_group(group, columns=self._names, use_threads=False)
        return int(table.num_rows)

    def next(self) -> Iterator[Any]:
        """Batches of one epoch."""
        groups = list(self._groups)
        if self._args.sample_shuffle != Shuffle.OFF:
            np.random.default_rng([int(self._args.seed), int(self.epoch_number)]).shuffle(groups)
        threads = max(int(self._args.read_threads), 1)
        batch = int(self.batch_size)
        # Groups in flight: one a thread, and those that hold the batches to be kept ready.
        largest = max((rows for _, _, rows in groups), default=1)
        ahead = threads + math.ceil(max(int(self._args.prefetch_size), 1) * batch / largest)
        rows = 0
        with ThreadPoolExecutor(threads, thread_name_prefix="row-group") as pool:
            waiting = iter(groups)
            flight: list[Future[int]] = [pool.submit(self._read_group, path, group) for path, group, _ in islice(waiting, ahead)]
            try:
                while flight:
                    rows += flight.pop(0).result()
                    flight += [pool.submit(self._read_group, path, group) for path, group, _ in islice(waiting, 1)]
                    while rows >= batch:
                        rows -= batch
                        yield self._args.resized_image
            finally:
                for future in flight:
                    future.cancel()
        self.epoch_number += 1

    def finalize(self) -> None:
        """Nothing stays open between epochs."""
