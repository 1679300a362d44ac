"""DLIO data generator for parquet: random columns, written by row groups (whatif workloads only)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from dlio_benchmark.data_generator.data_generator import DataGenerator

from pytest_mlpstorage.dlio.parquet_schema import Column, columns, row_bytes, row_group_rows
from pytest_mlpstorage.dlio.progress import Progress
from pytest_mlpstorage.dlio.raw_data import SEED

__all__ = ["ParquetGenerator", "random_table"]

_CODECS = {"none": "NONE", "gzip": "GZIP", "snappy": "SNAPPY", "zstd": "ZSTD", "lz4": "LZ4", "brotli": "BROTLI"}


def random_table(some: tuple[Column, ...], rows: int, random: np.random.Generator) -> Any:
    """Make a pyarrow table of ``rows`` rows that hardly compresses; floats are uniform in [0, 1)."""
    import pyarrow as pa

    arrays = []
    for column in some:
        count = rows * column.size
        dtype = np.dtype(column.dtype)
        if dtype.kind == "f":
            values = random.random(count, dtype=np.float64 if dtype.itemsize == 8 else np.float32).astype(dtype)
        else:
            values = np.frombuffer(random.bytes(count * dtype.itemsize), dtype=dtype)
        flat = pa.array(values)
        arrays.append(flat if column.size == 1 else pa.FixedSizeListArray.from_arrays(flat, column.size))
    return pa.table(arrays, names=[column.name for column in some])


class ParquetGenerator(DataGenerator):  # type: ignore[misc]  # DLIO carries no types
    """Writes ``num_samples_per_file`` rows a file under DLIO's names; rank r of W makes every W-th, from file r on."""

    def __init__(self, parquet: Mapping[str, Any], progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._columns = columns(parquet, record_bytes=int(self._args.record_length))
        self._rows = int(self.num_samples)
        self._group = row_group_rows(parquet, bytes_a_row=row_bytes(self._columns), rows=self._rows)

    def generate(self) -> None:
        """Make this rank's files and fsync each."""
        super().generate()
        random = np.random.default_rng([SEED, int(self.my_rank)])
        files = self._file_list
        written = 0
        for index in range(self.my_rank, len(files), self.comm_size):
            path = Path(self.storage.get_uri(files[index]))
            self._write(path, random)
            written += path.stat().st_size
            self._progress.datagen(min(index + self.comm_size, len(files)), len(files), written * self.comm_size)

    def _write(self, path: Path, random: np.random.Generator) -> None:
        import pyarrow.parquet as pq

        # One table is drawn a file and turned for each row group: drawing takes longer than writing, and no two
        # groups of a file then hold the same bytes at the same place.
        table = random_table(self._columns, self._group, random)
        codec = _CODECS.get(str(getattr(self.compression, "value", self.compression)), "NONE")
        with pq.ParquetWriter(path, table.schema, compression=codec, use_dictionary=False) as writer:
            for start in range(0, self._rows, self._group):
                shift = (start // self._group * 977) % self._group
                turned = table if shift == 0 else _turn(table, shift)
                writer.write_table(turned.slice(0, min(self._group, self._rows - start)), row_group_size=self._group)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _turn(table: Any, shift: int) -> Any:
    import pyarrow as pa

    return pa.concat_tables([table.slice(shift), table.slice(0, shift)]).combine_chunks()
