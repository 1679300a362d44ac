"""Completes the organisation's table of a package: what the system description says, and where the code of each row is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.description_columns import description_columns
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.provenance import image_digits, image_name
from pytest_mlpstorage.results.read_submission import POOL
from pytest_mlpstorage.results.records import Package, Submission
from pytest_mlpstorage.results.rollup import ROLLUP
from pytest_mlpstorage.results.tables import write_table
from pytest_mlpstorage.results.tree import Tree, read_tree

__all__ = ["complete_tables"]


def complete_tables(package: Path) -> int:
    """Fill blank cells of the tables that stand in a package; no figure and no filled cell is changed. Returns the cells filled.

    A description is written after the runs, so the tables that the runs left cannot know it. Raises FileSystemError.
    """
    tree, filled = read_tree(package), 0
    images = _images(tree)
    for place in (place for place in tree.places if place.kind == "submission"):
        submission = tree.load(place)
        assert isinstance(submission, Submission)
        folder = package / place.relpath / "results"
        table = TreeFiles(package).json_document(folder / ROLLUP) if (folder / ROLLUP).is_file() else None
        if not isinstance(table, list) or not all(isinstance(row, Mapping) for row in table):
            continue  # none, or one that is damaged: the rules speak of that
        known = {description.name: description_columns(description) for description in submission.systems}
        rows = [_completed(dict(row), known, images) for row in table]
        cells = sum(new[key] != old.get(key) for new, old in zip(rows, table, strict=True) for key in new)
        if cells:
            write_table(folder, rows)
        filled += cells
    return filled


def _completed(row: dict[str, Any], known: Mapping[str, Mapping[str, Any]], images: Mapping[str, str]) -> dict[str, Any]:
    values = dict(known.get(str(row.get("Name")), {}))
    for column in [column for column in row if column.endswith(" - Logs")]:
        logs = row[column]
        image = images.get(str(logs.get("href"))) if isinstance(logs, Mapping) else None
        if image is not None:
            values[column.removesuffix("Logs") + "Code"] = {"text": "Code", "href": f"{POOL}/{image}"}
    return {**row, **{column: value for column, value in values.items() if row.get(column) == ""}}


def _images(tree: Tree) -> dict[str, str]:
    """The code image of each result whose leaves all name the same one, by the path of the result."""
    package = next(tree.load(place) for place in tree.places if place.kind == "package")
    assert isinstance(package, Package)
    found: dict[str, set[str | None]] = {place.relpath: set() for place in tree.result_places}
    for pointer in package.pointers:
        digits = image_digits(pointer.text or "")
        for result in found:
            if pointer.leaf.startswith(f"{result}/"):
                found[result].add(image_name(digits) if digits else None)
    return {result: image for result, named in found.items() if len(named) == 1 and (image := next(iter(named))) is not None}
