"""What a leaf must hold: files by the edition's patterns, DLIO's own configuration, a summary and metadata that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.edition import RequiredFiles
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.records import EpochStats, Leaf, RankOutput, ReadProblem
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__ = ["damaged_ranks", "damaged_records", "dlio_config_findings", "leaf_noun", "missing_files", "readable", "unreadable_records"]

_NOUNS = {"datasize": "a datasize record", "datagen": "a data generation"}


def leaf_noun(leaf: Leaf) -> str:
    """What a leaf is called in a message: ``a run``, ``a data generation``, ``a datasize record``."""
    return _NOUNS.get(leaf.phase, "a run")


def missing_files(leaf: Leaf, required: RequiredFiles) -> Iterator[Finding | Met]:
    """Findings on files and directories that a leaf lacks; a file that the publisher emptied counts as present."""
    top = [name for name in leaf.files if "/" not in name]
    lacking = 0
    for wanted in required.any_of:
        if not any(re.search(wanted, name) for name in top):
            lacking += 1
            yield Finding(f"{leaf_noun(leaf)} lacks a file", required=readable(wanted), file=leaf.relpath)
    for folder in required.folders:
        if not any(name.startswith(f"{folder}/") for name in leaf.files):
            lacking += 1
            yield Finding(f"{leaf_noun(leaf)} lacks a directory", required=f"{folder}/", file=leaf.relpath)
    if not lacking:
        # Files are asked for by a pattern, of which a leaf may hold many: one for each rank.
        wanted_folders = "".join(f" and {folder}/" for folder in required.folders)
        yield Met(
            f"all {len(required.any_of)} kinds of file{wanted_folders}",
            f"{len(required.any_of)} kinds of file{wanted_folders} in {leaf_noun(leaf)}",
        )


def damaged_records(leaf: Leaf) -> Iterator[Finding | Met]:
    """Findings on a summary or metadata that is there and is no record."""
    damaged = False
    for problem in leaf.problems:
        name = problem.file.rpartition("/")[2]
        lost = (leaf.summary is None and name.endswith("summary.json")) or (leaf.metadata is None and "metadata" in name)
        if lost:
            damaged = True
            yield Finding(f"a file {problem.message}", file=problem.file)
    read = [what for what, record in (("summary", leaf.summary), ("metadata", leaf.metadata)) if record is not None]
    if read and not damaged:
        yield Met(f"{' and '.join(read)} read", "records that can be read")


def unreadable_records(leaf: Leaf) -> Iterator[Finding | Met]:
    """Findings on a summary or metadata that is there and no record, and on metadata that is not there at all."""
    yield from damaged_records(leaf)
    if leaf.metadata is None and not any("metadata" in name for name in leaf.files):
        yield Finding(
            f"{leaf_noun(leaf)} has no metadata file, so what it was asked to do is not known",
            required="*_metadata.json",
            file=leaf.relpath,
        )


def damaged_ranks(problems: Iterable[ReadProblem], read: Iterable[RankOutput | EpochStats]) -> Iterator[Finding]:
    """Warnings of files of ranks that are there and could not be read at all: no rule asks more of them than that they are there."""
    sound = {record.path for record in read}
    for problem in problems:
        if problem.file not in sound:
            yield Finding(f"a file {problem.message}", severity=Severity.WARNING, category=Category.CLOSED, file=problem.file)


def dlio_config_findings(leaf: Leaf, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Findings where the directory of DLIO's configuration holds other files than exactly those of the edition.

    A leaf without that directory is a finding of the rule on files; here it is no evidence. Names that desktops and editors
    leave behind are not counted.
    """
    folder = leaf.config_folder
    known = (entry.folders.get(folder) for entry in edition.required_files.values() if isinstance(entry, RequiredFiles))
    wanted = next((names for names in known if names), None)
    if wanted is None:
        yield NoEvidence(f"the files of {folder}/ are not known for edition {edition.name}", leaf.relpath)
        return
    held = {name.partition("/")[2] for name in leaf.files if name.startswith(f"{folder}/")}
    if not held:
        yield NoEvidence(f"there is no {folder}/", leaf.relpath)
    elif held != wanted:
        yield Finding(
            f"{folder}/ of {leaf_noun(leaf)} does not hold exactly the files that DLIO writes there",
            measured=", ".join(sorted(held))[:200],
            required=", ".join(sorted(wanted)),
            file=f"{leaf.relpath}/{folder}",
        )
    else:
        yield Met(", ".join(sorted(held)), f"exactly {', '.join(sorted(wanted))}")


def readable(pattern: str) -> str:
    """Write a pattern of the edition as people write file names."""
    name = pattern.removesuffix("$").replace(r"\.", ".").replace(".*", "*")
    return name if "*" in name or name.startswith("training_") else f"*{name}"
