"""A whole tree: its places found once, each subject read when somebody asks for it."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from pathlib import Path
from typing import Final, cast

from pytest_mlpstorage.results import reader
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.read_submission import read_package, read_submission, read_system
from pytest_mlpstorage.results.records import ReadProblem, Result, Subject, SystemDescription
from pytest_mlpstorage.results.walk import LOOKED_FOR, Walk

__all__ = ["Tree", "read_tree"]

_KEPT: Final = 64
"""Subjects held in memory; the rules of one subject are asked one after another, so a round needs few."""


@dataclasses.dataclass
class Tree:
    """The subjects below one root as places, sorted by path; what was left out, with the reason; what was looked for."""

    root: Path
    places: tuple[SubjectPlace, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    problems: tuple[ReadProblem, ...] = ()
    looked_for: tuple[str, ...] = LOOKED_FOR
    _read: OrderedDict[str, Subject] = dataclasses.field(default_factory=OrderedDict, repr=False, compare=False)

    @property
    def result_places(self) -> tuple[SubjectPlace, ...]:
        """The places of results."""
        return tuple(place for place in self.places if place.is_result)

    @property
    def results(self) -> tuple[Result, ...]:
        """Every result, read."""
        return tuple(cast("Result", self.load(place)) for place in self.result_places)

    def place(self, relpath: str) -> SubjectPlace | None:
        """The place at a path relative to the root."""
        return next((place for place in self.places if place.relpath == relpath), None)

    def load(self, place: SubjectPlace) -> Subject:
        """Read a subject, or give the one that was read before. Never raises for what stands in the tree."""
        known = self._read.pop(place.relpath, None)
        if known is None:
            known = self._load(place)
        self._read[place.relpath] = known
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return known

    def system_of(self, place: SubjectPlace) -> SystemDescription | None:
        """The description of the system that a result names, None where there is none."""
        for other in self.places:
            if other.kind == "system" and other.system == place.system and other.submission == place.submission:
                return cast("SystemDescription", self.load(other))
        return None

    def _load(self, place: SubjectPlace) -> Subject:
        if place.kind == "system":
            return read_system(place, root=self.root)
        if place.kind == "submission":
            inside = [p for p in self.places if p.submission == place.relpath and p.kind != "submission"]
            return read_submission(place, root=self.root, inside=inside)
        if place.kind == "package":
            return read_package(place, root=self.root, inside=self.places[1:])
        description = self.system_of(place)
        if place.kind == "training":
            return reader.read_training(place, root=self.root, description=description)
        if place.kind == "checkpointing":
            return reader.read_checkpointing(place, root=self.root, description=description)
        if place.kind == "vector_database":
            return reader.read_vector_database(place, root=self.root, description=description)
        return reader.read_kv_cache(place, root=self.root, description=description)


def read_tree(root: Path, *, edition: str | None = None) -> Tree:
    """Find everything below ``root`` (a results directory or an unpacked submission).

    ``edition`` judges what neither declares an edition nor shows one by its layout. Never raises for what stands in the tree:
    damage is a ReadProblem of the subject or of the tree. A root that is missing or empty gives a tree without places.
    """
    files = TreeFiles(root)
    walk = Walk(files, edition)
    places = walk.places()
    return Tree(root, tuple(places), tuple(sorted(walk.ignored)), tuple(sorted(set(files.problems))))
