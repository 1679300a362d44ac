"""Columns of a parquet data set as its parameters describe them (``dataset.parquet``), and the arithmetic on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["DTYPES", "Column", "columns", "row_bytes", "row_group_rows", "selected"]

DTYPES = {"float16": 2, "float32": 4, "float64": 8, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8}
_DEFAULT_ROW_GROUP_BYTES = 64 * 1024**2


@dataclasses.dataclass(frozen=True)
class Column:
    """One column: ``size`` values of ``dtype`` a row; a row of size 1 is a plain value, else a fixed-size list."""

    name: str
    dtype: str
    size: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return DTYPES[self.dtype] * self.size


def columns(parquet: Mapping[str, Any], *, record_bytes: int) -> tuple[Column, ...]:
    """Every column in order; an entry with ``count`` stands for that many. Without any, one of ``record_bytes`` bytes.

    Raises ConfigurationError for an unknown type, a size below 1, a name given twice.
    """
    found: list[Column] = []
    for entry in parquet.get("columns") or [{"name": "x", "dtype": "uint8", "size": record_bytes}]:
        if not isinstance(entry, Mapping):
            raise ConfigurationError(f"dataset.parquet.columns holds {entry!r}; wanted a mapping with dtype and size", code="MLPS-E111")
        dtype, size, count = str(entry.get("dtype", "float32")), int(entry.get("size", 1)), int(entry.get("count", 1))
        if dtype not in DTYPES:
            raise ConfigurationError(f"dataset.parquet.columns: unknown dtype {dtype!r}; allowed: {', '.join(DTYPES)}", code="MLPS-E114")
        if size < 1 or count < 1:
            raise ConfigurationError(
                f"dataset.parquet.columns: size and count must be at least 1, not {size} and {count}", code="MLPS-E111"
            )
        name = str(entry.get("name", "c"))
        many = "count" in entry or "name" not in entry
        found += [Column(f"{name}{len(found) + i}" if many else name, dtype, size) for i in range(count)]
    names = [column.name for column in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigurationError(f"dataset.parquet.columns: {', '.join(twice)} given twice", code="MLPS-E113")
    return tuple(found)


def selected(parquet: Mapping[str, Any], every: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns that are read: those with the indices (or names) in ``read_columns``, or all."""
    wanted = parquet.get("read_columns")
    if not wanted:
        return every
    by_name = {column.name: column for column in every}
    found = []
    for word in wanted:
        column = every[word] if isinstance(word, int) and 0 <= word < len(every) else by_name.get(str(word))
        if column is None:
            raise ConfigurationError(f"dataset.parquet.read_columns: there is no column {word!r} among {len(every)}", code="MLPS-E114")
        found.append(column)
    return tuple(found)


def row_bytes(some: tuple[Column, ...]) -> int:
    """Bytes of one row of these columns, without parquet's own bookkeeping."""
    return sum(column.row_bytes for column in some)


def row_group_rows(parquet: Mapping[str, Any], *, bytes_a_row: int, rows: int) -> int:
    """Rows of a row group: ``row_group_size``, or as many as make 64 MiB; at least 1 and at most ``rows``."""
    asked = int(parquet.get("row_group_size") or max(_DEFAULT_ROW_GROUP_BYTES // max(bytes_a_row, 1), 1))
    return max(1, min(asked, rows))
