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
from pytest_mlpstorage.results.read_v1 import read_training_v1
from pytest_mlpstorage.results.records import ReadProblem, Result, Subject, SystemDescription
from pytest_mlpstorage.results.walk import LOOKED_FOR, Walk
from pytest_mlpstorage.results.walk_v1 import LAYOUT as ROUND_1

__all__ = ["Tree", "read_tree"]

_KEPT: Final = 8
"""Subjects held in memory; the rules of one subject are asked one after another, so a round needs few.

Descriptions of systems are all kept: each is needed as itself, for every result, and for its submission.
"""


@dataclasses.dataclass
class Tree:
    """The subjects below one root as places, sorted by path; what was left out, with the reason; what was looked for."""

    root: Path
    places: tuple[SubjectPlace, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    problems: tuple[ReadProblem, ...] = ()
    looked_for: tuple[str, ...] = LOOKED_FOR
    _read: OrderedDict[str, Subject] = dataclasses.field(default_factory=OrderedDict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._descriptions: dict[str, Subject] = {}
        self._by_path = {place.relpath: place for place in self.places}
        # A system described in two files (yaml and yml) is the one that comes first.
        systems = (place for place in reversed(self.places) if place.kind == "system")
        self._systems = {(place.submission, place.system): place for place in systems}

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
        return self._by_path.get(relpath)

    def description_place(self, place: SubjectPlace) -> SubjectPlace | None:
        """The place of the description of the system that a result names, None where there is none."""
        return self._systems.get((place.submission, place.system))

    def submission_place(self, place: SubjectPlace) -> SubjectPlace | None:
        """The place of the submission that a system or a result belongs to, None where it stands in none."""
        found = self._by_path.get(place.submission)
        return found if found is not None and found.kind == "submission" else None

    def inside(self, submission: SubjectPlace) -> tuple[SubjectPlace, ...]:
        """The places of a submission's systems and results."""
        return tuple(p for p in self.places if p.submission == submission.relpath and p.kind not in ("submission", "package"))

    def load(self, place: SubjectPlace) -> Subject:
        """Read a subject, or give the one that was read before. Never raises for what stands in the tree."""
        if place.kind == "system":
            if place.relpath not in self._descriptions:
                self._descriptions[place.relpath] = self._load(place)
            return self._descriptions[place.relpath]
        known = self._read.pop(place.relpath, None)
        if known is None:
            known = self._load(place)
        self._read[place.relpath] = known
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return known

    def system_of(self, place: SubjectPlace) -> SystemDescription | None:
        """The description of the system that a result names, None where there is none."""
        found = self.description_place(place)
        return cast("SystemDescription", self.load(found)) if found is not None else None

    def _load(self, place: SubjectPlace) -> Subject:
        if place.kind == "system":
            return read_system(place, root=self.root)
        if place.kind == "submission":
            inside = self.inside(place)
            systems = [cast("SystemDescription", self.load(p)) for p in inside if p.kind == "system"]
            return read_submission(place, root=self.root, inside=inside, systems=systems)
        if place.kind == "package":
            return read_package(place, root=self.root, inside=self.places[1:])
        description = self.system_of(place)
        if place.kind == "training" and place.layout == ROUND_1:
            return read_training_v1(place, root=self.root, description=description)
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
    problems = tuple(sorted(set(files.problems)))
    # Where nothing was found, what stood in the way is why.
    ignored = [*walk.ignored, *((problem.file, problem.message) for problem in problems if not places)]
    return Tree(root, tuple(places), tuple(sorted(set(ignored))), problems)
