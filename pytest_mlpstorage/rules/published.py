"""Tables of figures that stand in a tree: rows of results.json and results.csv at any level, and how a figure in them was rounded."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.columns import MODEL_LABELS
from pytest_mlpstorage.results.files import MAX_JSON_BYTES, TreeFiles, is_pruned
from pytest_mlpstorage.results.records import StoredResult

__all__ = ["ROUNDING", "PublishedRow", "figure", "published_rows", "rows_about", "unreadable_tables"]

ROUNDING: Final = 0.005
"""Most that a figure rounded normally to two decimals differs from what it was (GEN-4)."""

_NAMES: Final = ("results.json", "results.csv")
_ORGANIZATION, _DIVISION, _BENCHMARK, _MODEL, _NAME = "Organization", "Division", "Benchmark Type", "Model", "Name"
_ACCELERATOR: Final = "Training - Accelerator Type"
_INDEX: Final = "VDB - Index Type"
_ROWS: Final = 100_000
"""Most rows read of one table; a round has hundreds."""


@dataclasses.dataclass(frozen=True)
class PublishedRow:
    """One row of a table: ``file`` relative to the tree, ``at`` how it is told from its neighbours.

    ``inside``: the table stands in the result's own directory, so that the row can be of no other result.
    """

    file: str
    at: str
    values: Mapping[str, Any]
    inside: bool

    @property
    def run(self) -> str:
        """Name of the run that a row of a run's own table is about; empty for a row of the official table."""
        return str(self.values.get("run_id", "")).rstrip("/").rpartition("/")[2]


def published_rows(result: StoredResult) -> Iterator[PublishedRow]:
    """Rows of the tables in the result's directory and at every level above it up to the top; what is no list of rows is no table."""
    for path, inside in _places(result):
        for row_number, values in enumerate(_table(result.root, path, *_stamp(path)) or ()):
            yield PublishedRow(path.relative_to(result.root).as_posix(), f"row {row_number + 1}", values, inside)


def unreadable_tables(result: StoredResult) -> Iterator[str]:
    """Paths of the tables at those levels that are there and cannot be read at all."""
    for path, _ in _places(result):
        if _table(result.root, path, *_stamp(path)) is None:
            yield path.relative_to(result.root).as_posix()


def _places(result: StoredResult) -> Iterator[tuple[Path, bool]]:
    """Where a table may stand, and whether that is in the result's own directory."""
    top, path = result.root, result.root.joinpath(*result.relpath.split("/"))
    above = [parent for parent in path.parents if parent == top or top in parent.parents] if path != top else []
    for level in (path / "run", path, *above):
        for name in _NAMES:
            yield level / name, level not in above


def _stamp(path: Path) -> tuple[int, int]:
    """What tells one state of a file from another; zeros where there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=16)
def _table(root: Path, path: Path, changed: int, size: int) -> tuple[Mapping[str, Any], ...] | None:
    """Rows of a table, None for one that cannot be read; every result below looks at its submission's, so the last ones are kept."""
    if not size:
        return None if changed else ()
    content = TreeFiles(root).content(path, limit=MAX_JSON_BYTES)
    if content is None:
        return None
    if is_pruned(content):
        return ()
    text = content.decode("utf-8-sig", "replace")
    try:
        rows: Any = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, RecursionError, csv.Error):
        return None
    return tuple(row for row in rows[:_ROWS] if isinstance(row, Mapping)) if isinstance(rows, list) else ()


def rows_about(result: StoredResult) -> Iterator[PublishedRow]:
    """Rows of the official table that are about a result: same organisation, division, benchmark, system, model and accelerator.

    In the result's own directory only what tells results of one directory apart is asked for. A row whose model or accelerator is
    labelled in a way that is not known (§7.6) is about nobody.
    """
    identity = {
        _BENCHMARK: {result.benchmark},
        _NAME: {result.system.lower()},
        _ORGANIZATION: {result.submitter.lower()},
        _DIVISION: {result.division.value},
        _MODEL: {"", *_labels(result)},
        _ACCELERATOR: {"", *(name.lower() for name in (*result.accelerators, result.accelerator or ""))},
        _INDEX: {"", result.relpath.rpartition("/")[2].lower()},
    }
    inside = (_BENCHMARK, _ACCELERATOR, _INDEX)
    for row in published_rows(result):
        columns = inside if row.inside else identity
        if _BENCHMARK in row.values and all(_text(row.values.get(column)).lower() in identity[column] for column in columns):
            yield row


def _labels(result: StoredResult) -> Iterator[str]:
    """How a table may call the model, in lower case: by its directory, its known label, or the size alone."""
    yield result.model.lower()
    yield MODEL_LABELS.get(result.model, result.model).lower()
    if result.benchmark == "checkpointing":
        yield result.model.lower().rpartition("-")[2]


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def figure(value: object) -> float | None:
    """Return a figure of a table as a number, its thousands separators read over; None where there is none."""
    return number(value.replace(",", "")) if isinstance(value, str) else number(value)
