"""The Public IDs in the tables of a submission: in the submitter's own table, and in those below its systems (RPT-01)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_noise, is_timestamp
from pytest_mlpstorage.results.records import ReadProblem, Submission

__all__ = ["PUBLIC_ID", "ROLLUP", "PublicIDs", "read_rollup"]

ROLLUP: Final = "results.json"
"""Name of every table of results, at any level."""

PUBLIC_ID: Final = "Public ID"
"""Column that names a published result."""

_LEVELS: Final = 5
"""Levels below a system that hold tables: benchmark, engine, index or model, phase, and one to spare."""


@dataclasses.dataclass(frozen=True)
class PublicIDs:
    """IDs in the submitter's table (``top``) and in the tables ``below`` its systems; what could not be read of them."""

    top: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()
    problems: tuple[ReadProblem, ...] = ()


def read_rollup(submission: Submission) -> PublicIDs:
    """Read every table of a submission that has a table of its own."""
    files = TreeFiles(submission.root)
    results = submission.root / submission.relpath / "results"
    top = _ids(files, results / ROLLUP)
    below: set[str] = set()
    for system in submission.results_entries.directories:
        if not is_noise(system) and not system.startswith("."):
            for table in _tables(files, results / system, _LEVELS):
                below |= _ids(files, table)
    return PublicIDs(frozenset(top), frozenset(below), tuple(files.problems))


def _tables(files: TreeFiles, directory: Path, levels: int) -> Iterator[Path]:
    """Tables in a directory and below it; a leaf holds none, and is not looked into."""
    listing = files.listing(directory)
    if ROLLUP in listing.files:
        yield directory / ROLLUP
    for name in listing.directories if levels else ():
        if not is_timestamp(name) and not is_noise(name):
            yield from _tables(files, directory / name, levels - 1)


def _ids(files: TreeFiles, table: Path) -> set[str]:
    """The IDs of one table that are not empty; a number is taken as written."""
    before = len(files.problems)
    rows = files.json_document(table)
    if not isinstance(rows, list):
        if len(files.problems) == before:
            files.complain(table, "holds no list of rows")
        return set()
    if not all(isinstance(row, Mapping) for row in rows):
        files.complain(table, "holds rows that are no objects")
        return set()
    values = (row.get(PUBLIC_ID) for row in rows)
    return {str(value).strip() for value in values if isinstance(value, (str, int, float)) and str(value).strip()}
