"""One pass over the names of a tree: every directory is the place of a subject, or named as left out with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import NO_TEXT, STRAY_NO_TEXT, TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS
from pytest_mlpstorage.results.layout_recognition import benchmark_of, division_of, leaf_directories
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.records import Listing
from pytest_mlpstorage.results.run_folders import RunFolders
from pytest_mlpstorage.results.walk_base import Search
from pytest_mlpstorage.results.walk_submission import Standing, loose_results, loose_system, submission_places
from pytest_mlpstorage.results.walk_v1 import LAYOUT as ROUND_1
from pytest_mlpstorage.verdict import Division

__all__ = ["LOOKED_FOR", "Walk"]

LOOKED_FOR: Final = (
    *(f"{{{','.join(d.value for d in Division)}}}/<submitter>/results/<system>/{benchmark}/<model>" for benchmark in BENCHMARKS),
    "{Closed,Open}/<submitter>/results/<system>/{training,checkpointing}/<model> (round 2.0)",
    "{Closed,Open}/<submitter>/results/<system>/…/run1 … run5, each with a summary.json (round 1.0)",
    "{training,checkpointing}/<model> (output of the tool of round 2.0, or the results of one system)",
    "the directory of one division, of one submitter, or its results/ as the root",
)
"""The places where a result may stand, for the message when there is none."""

_RESULTS: Final = ("results", "result")
_GUESSED_DIRECTORIES: Final = 5_000


class Walk(Search):
    """Finds the places below ``files.root``. ``edition`` judges what neither declares an edition nor shows one by its layout."""

    def __init__(self, files: TreeFiles, edition: str | None = None) -> None:
        super().__init__(files)
        self.edition = edition

    def places(self) -> list[SubjectPlace]:
        """Every subject, the package first, each submission followed by its systems and results, sorted by path.

        A root that is only part of a package (a division, a submission, its results) gives no package.
        """
        top = list(self.directories(self.files.root))
        if any(division_of(path.name) for path in top):
            # A division has a name of ASCII.
            self.ignored = [(path, STRAY_NO_TEXT if reason == NO_TEXT else reason) for path, reason in self.ignored]
            found = self._sorted(self._package(top))
            return [self._package_place(found), *found] if found else []
        return self._sorted(self._part(top))

    @staticmethod
    def _sorted(found: Iterator[SubjectPlace]) -> list[SubjectPlace]:
        return sorted(found, key=lambda place: place.relpath.split("/"))

    @staticmethod
    def _package_place(found: list[SubjectPlace]) -> SubjectPlace:
        division = min((place.division for place in found), key=list(Division).index)
        return SubjectPlace("package", ".", division, max(p.edition for p in found), layout=max(p.layout for p in found))

    def _package(self, top: list[Path]) -> Iterator[SubjectPlace]:
        for path in top:
            division = division_of(path.name)
            if division is not None:
                yield from self._division(path, division, path.name)
            else:
                self.ignore(path, self._reason(path))

    def _reason(self, path: Path) -> str:
        listing = self.files.listing(path)
        if path.name.startswith("."):
            return "a dot entry, which rule 2.1.2 tolerates"
        # First what it holds: a package holds a pool, and the name of that begins like the name of an image.
        for what, names in self._parts(listing).items():
            if names:
                return f"holds {', '.join(names)}, so it is {what}: give it as the root"
        if ".mlps-image-pool" in listing.names or any(name.startswith("code-") for name in listing.directories):
            return "a pool of code images"
        if path.name in BENCHMARKS:
            return f"{path.name!r} at the top is the output of a tool; beside a division directory it belongs to no submission"
        return f"no division directory ({', '.join(division.value for division in Division)})"

    @staticmethod
    def _parts(listing: Listing) -> dict[str, list[str]]:
        """What a directory could be as a root of its own, with the names in it that say so."""
        return {
            "a package": [name for name in listing.directories if division_of(name) is not None],
            "the output of a tool or the results of one system": [n for n in listing.directories if benchmark_of(n) is not None],
            "a submission": [name for name in listing.directories if name.lower() in _RESULTS],
        }

    def _division(self, path: Path, division: Division, spelling: str) -> Iterator[SubjectPlace]:
        for submitter in self.directories(path):
            if submitter.name.startswith("."):
                self.ignore(submitter, "a dot entry")
                continue
            within = self.files.relative(submitter)
            yield from submission_places(self, submitter, Standing(division, spelling, submitter.name, self.edition, within))

    def _part(self, top: list[Path]) -> Iterator[SubjectPlace]:
        """What a root is that holds no division: part of a package. The names above the root still say of which."""
        root = self.files.root
        *_, third, second, first, name = ("", "", "", "", *Path(os.path.realpath(root)).parts)
        if any(benchmark_of(path.name) for path in top):
            yield from self._system(root, division_of(third) if first.lower() in _RESULTS else None, third, second, name)
        elif any(path.name.lower() in _RESULTS and not self._parts(self.files.listing(path))["a package"] for path in top):
            yield from submission_places(self, root, self._standing(division_of(first), first, name, "."))
        elif (division := division_of(name)) is not None:
            yield from self._division(root, division, name)
        else:
            yield from self._loose(root, top, division_of(second), second, first)

    def _standing(self, division: Division | None, spelling: str, submitter: str, within: str) -> Standing:
        """Closed, as the official checkers take it, where no name above the root is a division."""
        known = division or Division.CLOSED
        return Standing(known, spelling if division else known.value, submitter, self.edition, within)

    def _system(self, root: Path, division: Division | None, spelling: str, submitter: str, system: str) -> Iterator[SubjectPlace]:
        if division is not None:
            yield from loose_system(self, root, self._standing(division, spelling, submitter, ""), system)
        else:  # the raw output of a tool, that nobody has submitted
            yield from loose_system(self, root, Standing(Division.CLOSED, "", "", self.edition, ""), "")

    def _loose(self, root: Path, top: list[Path], division: Division | None, spelling: str, submitter: str) -> Iterator[SubjectPlace]:
        """Results in a root that is ``results`` itself, or that nothing is known of."""
        certain = Path(os.path.realpath(root)).name.lower() in _RESULTS
        standing = self._standing(division, spelling, submitter if division else "", "")
        before, problems = len(self.ignored), len(self.files.problems)
        found = list(loose_results(self, root, standing, most=None if certain else _GUESSED_DIRECTORIES))
        collection = any(division_of(inner.name) is not None for path in top for inner in self.directories(path))
        if not certain and (collection or not all(self._is_result(place) for place in found)):
            found = []
        if not found:
            self.ignored[before:] = [(self.files.relative(path), self._reason(path)) for path in top]
            del self.files.problems[problems:]
        yield from found

    def _is_result(self, place: SubjectPlace) -> bool:
        """Whether a guess is a good one: not part of a package further down, and something was run there."""
        names = place.relpath.split("/")
        if any(division_of(name) is not None or name.lower() in _RESULTS for name in names):
            return False
        if place.layout != ROUND_1:
            return any(True for _ in leaf_directories(self.files, self.files.root / names[0]))
        return place.kind == "system" or RunFolders(self.files).holds_summary(self.files.root / place.relpath)
