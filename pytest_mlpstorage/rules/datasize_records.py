"""The datasize records of a training result, and which of them a run was sized by (rule 3.3.1)."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Sequence

from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, TrainingResult

__all__ = ["SIZE_KEYS", "DatasizeRecord", "data_directory", "datasize_records", "paired"]

SIZE_KEYS = ("num_files_train", "num_subfolders_train", "total_disk_bytes")
"""What a datasize record must tell, in ``parameters.dataset``."""


@dataclasses.dataclass(frozen=True)
class DatasizeRecord:
    """One datasize leaf whose metadata was read. ``files`` is None where it does not tell them."""

    leaf: Leaf
    data_dir: str | None
    files: int | None
    missing: tuple[str, ...]
    """Those of ``SIZE_KEYS`` that it does not tell as a whole number."""


def data_directory(metadata: LeafMetadata) -> str | None:
    """``args.data_dir`` in one spelling (``/data/`` is ``/data``); None where none was given."""
    value = metadata.args.get("data_dir")
    return posixpath.normpath(value) if isinstance(value, str) and value else None


def datasize_records(result: TrainingResult) -> tuple[DatasizeRecord, ...]:
    """The datasize leaves whose metadata could be read, oldest first."""
    found = []
    for leaf in result.datasize:
        if leaf.metadata is not None:
            told = {key: integer(leaf.metadata.parameter(f"dataset.{key}")) for key in SIZE_KEYS}
            missing = tuple(key for key, value in told.items() if value is None)
            found.append(DatasizeRecord(leaf, data_directory(leaf.metadata), told["num_files_train"], missing))
    return tuple(found)


def paired(records: Sequence[DatasizeRecord], *, data_dir: str | None, run: str) -> DatasizeRecord | None:
    """The record that a run of this data directory and directory name was sized by; None where that cannot be told.

    Those of the same data directory; else all, where none names a directory (as tools of the round left it); else the only
    one there is. Of several the latest that is not later than the run, else the latest.
    """
    group = [record for record in records if data_dir is not None and record.data_dir == data_dir]
    if not group and (len(records) == 1 or all(record.data_dir is None for record in records)):
        group = list(records)
    before = [record for record in group if record.leaf.name <= run]
    return max(before or group, key=lambda record: record.leaf.name, default=None)
