"""A results tree as records: leaves, results and what stood in the way of reading them. Damage is a record, never an exception."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar, TypeAlias

from pytest_mlpstorage.results.metadata import CommandOutput, LeafMetadata, SystemInfo
from pytest_mlpstorage.results.summary import EpochStats, RankEpoch, RankOutput, Span, Summary, TrainingMetric
from pytest_mlpstorage.verdict import Division

__all__ = [
    "CommandOutput",
    "EpochStats",
    "Leaf",
    "LeafMetadata",
    "Listing",
    "OtherResult",
    "RankEpoch",
    "RankOutput",
    "ReadProblem",
    "Result",
    "Span",
    "Summary",
    "SystemInfo",
    "TrainingMetric",
    "TrainingResult",
    "Tree",
]


@dataclasses.dataclass(frozen=True, order=True)
class ReadProblem:
    """A file or directory that could not be read as what it should be. ``file`` is a posix path relative to the tree."""

    file: str
    message: str


@dataclasses.dataclass(frozen=True)
class Listing:
    """The names directly in a directory, sorted: all of them, and those that are real directories (no symlinks)."""

    names: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """Names that are not directories."""
        return tuple(name for name in self.names if name not in set(self.directories))


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One timestamp directory. ``files`` are posix paths relative to it, two levels deep, AppleDouble and the like left out.

    ``summary`` and ``metadata`` are None when their file is absent, pruned or unreadable: ``problems`` tells which.
    ``pruned`` files are present but hold only the publisher's placeholder.
    """

    path: Path
    relpath: str
    name: str
    phase: str  # datasize | datagen | run
    files: frozenset[str] = frozenset()
    summary: Summary | None = None
    metadata: LeafMetadata | None = None
    problems: tuple[ReadProblem, ...] = ()
    pruned: frozenset[str] = frozenset()
    planned: bool = False


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """One model under one system: its phases' leaves sorted by name, and every name found beside them.

    Only directories named ``YYYYMMDD_HHMMSS`` are leaves; all else in a phase directory stands in its listing. A
    ``planned`` result was never run: its leaves hold predicted summaries and no files.
    """

    root: Path
    relpath: str  # closed/acme/results/fastfs/training/unet3d
    division: Division
    submitter: str
    system: str
    model: str
    edition: str
    accelerator: str | None = None
    datasize: tuple[Leaf, ...] = ()
    datagen: tuple[Leaf, ...] = ()
    runs: tuple[Leaf, ...] = ()
    entries: Listing = Listing()
    datasize_entries: Listing = Listing()
    datagen_entries: Listing = Listing()
    run_listing: Listing = Listing()
    problems: tuple[ReadProblem, ...] = ()
    planned: bool = False

    benchmark: ClassVar[str] = "training"

    @property
    def run_entries(self) -> tuple[str, ...]:
        """All names in ``run/``, bad ones too."""
        return self.run_listing.names

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All leaves, phase by phase."""
        return self.datasize + self.datagen + self.runs

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Every accelerator that a leaf names, sorted; more than one is a contradiction."""
        return tuple(sorted({m.accelerator for leaf in self.leaves if (m := leaf.metadata) and m.accelerator}))

    @property
    def all_problems(self) -> tuple[ReadProblem, ...]:
        """What stood in the way of reading, of the result and of its leaves."""
        return self.problems + tuple(p for leaf in self.leaves for p in leaf.problems)


@dataclasses.dataclass(frozen=True)
class OtherResult:
    """A result of a family that has no reader here yet: recognised by its place, so that nothing is passed over in silence."""

    root: Path
    relpath: str
    division: Division
    submitter: str
    system: str
    benchmark: str  # checkpointing | vector_database | kv_cache
    model: str
    edition: str
    problems: tuple[ReadProblem, ...] = ()


Result: TypeAlias = "TrainingResult | OtherResult"


@dataclasses.dataclass(frozen=True)
class Tree:
    """All results below one root, sorted by path; what was left unread, with the reason; what was looked for."""

    root: Path
    results: tuple[Result, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    problems: tuple[ReadProblem, ...] = ()
    looked_for: tuple[str, ...] = ()
