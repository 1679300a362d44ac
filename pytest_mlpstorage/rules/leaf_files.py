"""What a leaf must hold: files by the edition's patterns, and a summary and metadata that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_mlpstorage.editions.edition import RequiredFiles
from pytest_mlpstorage.results.records import Leaf
from pytest_mlpstorage.verdict import Finding

__all__ = ["missing_files", "unreadable_records"]


def missing_files(leaf: Leaf, required: RequiredFiles) -> Iterator[Finding]:
    """Findings on files and directories that a leaf lacks; a file that the publisher emptied counts as present."""
    top = [name for name in leaf.files if "/" not in name]
    for wanted in required.any_of:
        if not any(re.search(wanted, name) for name in top):
            yield Finding("a run lacks a file", required=readable(wanted), file=leaf.relpath)
    for folder in required.folders:
        if not any(name.startswith(f"{folder}/") for name in leaf.files):
            yield Finding("a run lacks a directory", required=f"{folder}/", file=leaf.relpath)


def unreadable_records(leaf: Leaf) -> Iterator[Finding]:
    """Findings on a summary or metadata that is there and no record, and on metadata that is not there at all."""
    for problem in leaf.problems:
        lost = (leaf.summary is None and problem.file.endswith("summary.json")) or (leaf.metadata is None and "metadata" in problem.file)
        if lost:
            yield Finding(f"a file {problem.message}", file=problem.file)
    if leaf.metadata is None and not any("metadata" in name for name in leaf.files):
        yield Finding(
            "a run has no metadata file, so what it was asked to do is not known", required="training_*_metadata.json", file=leaf.relpath
        )


def readable(pattern: str) -> str:
    """Write a pattern of the edition as people write file names."""
    name = pattern.removesuffix("$").replace(r"\.", ".").replace(".*", "*")
    return name if "*" in name or name.startswith("training_") else f"*{name}"
