"""How a rule goes over the loads and runs of a vector database result, whichever files they left."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import VectorDatabaseEdition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.records import Leaf, ReadProblem, VectorDatabaseResult
from pytest_mlpstorage.results.vector_records import CONFIG, RECALL, STATISTICS, VERDICT, Given, SideFile, VectorRecord
from pytest_mlpstorage.rules.leaf_memory import LeafMemory
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence, amounts

__all__ = [
    "VectorFiles",
    "absent",
    "at_least",
    "given_by",
    "load_records",
    "record_of",
    "run_recall",
    "run_records",
    "vector_book",
    "vector_files",
]

_SIDE_FILES: Final = (CONFIG, STATISTICS, RECALL, VERDICT)


@dataclasses.dataclass(frozen=True)
class VectorFiles:
    """The files of one leaf beside its summary and metadata, and what stood in the way of reading them."""

    side: dict[str, SideFile]
    problems: tuple[ReadProblem, ...] = ()


def vector_book(edition: Edition) -> VectorDatabaseEdition:
    """What an edition says of vector databases; only rules of editions that have them may ask."""
    assert edition.vector_database is not None
    return edition.vector_database


def _read(leaf: Leaf, root: Path) -> VectorFiles:
    files = TreeFiles(root)
    present = leaf.files - leaf.pruned
    side = {
        name: SideFile(f"{leaf.relpath}/{name}", files.json_object(leaf.path / name) if name in present else None) for name in _SIDE_FILES
    }
    return VectorFiles(side, tuple(files.problems))


_MEMORY: Final = LeafMemory(_read, kept=16)


def vector_files(result: VectorDatabaseResult, leaf: Leaf) -> VectorFiles:
    """The files of a leaf, read once for all rules."""
    return _MEMORY.of(leaf, result.root)


def record_of(result: VectorDatabaseResult, leaf: Leaf) -> VectorRecord | NoEvidence:
    """What a leaf says of itself.

    ``summary.json`` is what the rules name, and where it stands it alone counts. Runs of the official tool on one node leave none:
    their ``statistics.json``, ``config.json`` and ``result_verdict.json`` hold the same measurements, written by the same program in
    the same run. Their missing summary is one finding (of the rule on files), not one of every rule that looks for a figure in it;
    what they do say is evidence. A load on one node leaves its metadata alone, which says what was asked for.
    """
    if leaf.summary is not None:
        return VectorRecord.of_summary(leaf.summary.raw, leaf.summary.path or f"{leaf.relpath}/summary.json")
    if any(name.endswith("summary.json") for name in leaf.files if "/" not in name):
        return NoEvidence("the summary could not be read", leaf.relpath)
    side = vector_files(result, leaf).side
    if leaf.phase == "run" and (side[STATISTICS].raw is not None or side[CONFIG].raw is not None):
        return VectorRecord.of_single_node(side[CONFIG], side[STATISTICS], side[VERDICT], leaf.metadata)
    if (leaf.phase == "datagen" or leaf.planned) and leaf.metadata is not None:
        return VectorRecord.of_metadata(leaf.metadata)
    return NoEvidence("there is no summary", leaf.relpath)


def run_records(result: VectorDatabaseResult) -> Iterator[tuple[Leaf, VectorRecord] | NoEvidence]:
    """Each run with what it says of itself; a result without a run is no evidence."""
    return _records(result, result.runs, "run")


def load_records(result: VectorDatabaseResult) -> Iterator[tuple[Leaf, VectorRecord] | NoEvidence]:
    """Each load with what it says of itself; a result without one is no evidence."""
    return _records(result, result.datagen, "datagen")


def _records(result: VectorDatabaseResult, leaves: Iterable[Leaf], phase: str) -> Iterator[tuple[Leaf, VectorRecord] | NoEvidence]:
    found = False
    for leaf in leaves:
        found = True
        record = record_of(result, leaf)
        yield record if isinstance(record, NoEvidence) else (leaf, record)
    if not found:
        yield NoEvidence(f"there is no {phase}", f"{result.relpath}/{phase}")


def given_by(records: Iterable[tuple[Leaf, VectorRecord] | NoEvidence], key: str) -> Iterator[Given | NoEvidence]:
    """One value of each record; a record without it is no evidence, and the rule on that value speaks of it."""
    for item in records:
        if isinstance(item, NoEvidence):
            yield item
            continue
        leaf, record = item
        given = record.given(key)
        yield given if given.raw is not None else NoEvidence(f"nothing gives {given.field}", given.file or leaf.relpath)


def run_recall(result: VectorDatabaseResult, leaf: Leaf, record: VectorRecord) -> Given | NoEvidence:
    """Where the recall of a run stands; the summary's (or the statistics') before that of the side file."""
    given = record.given("recall")
    if given.raw is not None:
        return given
    side = vector_files(result, leaf).side[RECALL]
    if side.raw is not None:
        return Given(side.raw, side.path, "recall_at_k")
    return NoEvidence(f"{RECALL} could not be read", side.path) if RECALL in leaf.files else given


def absent(given: Given, message: str, required: str) -> Finding | NoEvidence:
    """What follows from a value that is not as it should be: a finding, or no evidence where its file could not be read."""
    if not given.readable:
        return NoEvidence(f"{given.file.rpartition('/')[2] or 'the metadata'} is not there or could not be read", given.file)
    return Finding(message, measured=shown(given.raw), required=required, file=given.file, field=given.field)


def at_least(value: float, least: float, words: str) -> Met:
    """What is told of a value that reaches its limit, of which ``words`` say what it limits: ``a coverage of at least``."""
    measured, limit = amounts(value, least)
    return Met(measured, f"{words} {limit}")
