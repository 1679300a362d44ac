"""What every reader of a tree starts from: the names in a directory, one leaf, and what stood in the way of reading it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.provenance import Provenance
from pytest_mlpstorage.results.summary import Summary

__all__ = ["NO_NAMES", "Leaf", "Listing", "ReadProblem"]


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


NO_NAMES: Final = Listing()
"""Of a directory that is not there."""


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One timestamp directory. ``files`` are posix paths relative to it, two levels deep, AppleDouble and the like left out.

    ``summary``, ``metadata`` and ``provenance`` are None when their file is absent, pruned or unreadable: ``problems`` tells which.
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
    config_folder: str = "dlio_config"  # v1.0: "configs"
    provenance: Provenance | None = None
