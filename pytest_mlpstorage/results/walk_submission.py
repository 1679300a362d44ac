"""Places of one submission, or of a part of one: the round whose layout it stands in is recognised, then that layout is walked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout_recognition import (
    benchmark_of,
    declared_by_provenance,
    described_edition,
    is_code_folder,
    leaf_directories,
    points_to_image,
    recorded_edition,
    results_folder,
    systems_folders,
)
from pytest_mlpstorage.results.manifest import CURRENT_LAYOUT, declared_edition
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.run_folders import RunFolders
from pytest_mlpstorage.results.walk_base import Around, Search
from pytest_mlpstorage.results.walk_benchmarks import NO_BENCHMARK, system_results
from pytest_mlpstorage.results.walk_v1 import LAYOUT as ROUND_1
from pytest_mlpstorage.results.walk_v1 import outside_results, results_of_round_1
from pytest_mlpstorage.verdict import Division

__all__ = ["Standing", "loose_results", "loose_system", "submission_places"]

_ROUND_2: Final = "2.0"
_OLDER_SUFFIXES: Final = (".yaml", ".yml", ".json")
_SUFFIXES: Final = {ROUND_1: (".json",), _ROUND_2: _OLDER_SUFFIXES}


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a submission stands: its division as spelled on disk, its submitter, and the edition that an option gave.

    ``spelling`` is empty for the raw output of a tool. ``within`` as in ``SubjectPlace``.
    """

    division: Division
    spelling: str
    submitter: str
    option: str | None = None
    within: str | None = None

    def around(self, edition: str, layout: str) -> Around:
        """What all its places have in common."""
        suffixes = _SUFFIXES.get(layout, (".yaml", ".yml"))
        return Around(self.division, self.submitter, edition, layout, self.within, suffixes)


def submission_places(search: Search, path: Path, standing: Standing) -> Iterator[SubjectPlace]:
    """The submission itself, its systems and its results."""
    listing = search.files.listing(path)
    name = results_folder(listing)
    folders = RunFolders(TreeFiles(search.files.root))
    results = path / name if name is not None else None
    systems = list(search.directories(results)) if results is not None else []
    around = _recognise(search, path, results, systems, standing, folders)
    yield around.place("submission", search.files.relative(path) or ".")
    yield from search.systems(path, around)
    if around.layout in _SUFFIXES:
        _beside_results(search, path, name, folders)
    if results is None:
        search.ignore(path, "has no results directory")
    elif results.name != "results" and around.layout == CURRENT_LAYOUT:
        search.ignore(results, "is not named 'results', the name that round 3.0 demands")
    else:
        yield from _results(search, results, systems, around, folders)


def loose_results(search: Search, path: Path, standing: Standing, *, most: int | None = None) -> Iterator[SubjectPlace]:
    """The results below a directory that is ``results`` of a submission that is not in the tree.

    ``most``: directories that are looked into at most, where it is not certain that results stand there.
    """
    folders = RunFolders(TreeFiles(search.files.root), most=most)
    systems = list(search.directories(path))
    around = _recognise(search, None, path, systems, standing, folders)
    yield from _results(search, path, systems, around, folders)


def loose_system(search: Search, path: Path, standing: Standing, system: str) -> Iterator[SubjectPlace]:
    """The results of a directory that holds benchmarks: one system, or the raw output of a tool."""
    around = _recognise(search, None, None, [path], standing, RunFolders(TreeFiles(search.files.root)))
    yield from system_results(search, path, around, system)


def _recognise(
    search: Search, submission: Path | None, results: Path | None, systems: Sequence[Path], standing: Standing, folders: RunFolders
) -> Around:
    """Edition and layout: what the submission declares, else what its runs recorded or how they are laid out, else the option."""
    declared = declared_edition(search.files, submission) if submission is not None else None
    files = folders.files  # what is in the way of recognition is told by who reads there in earnest

    def leaves() -> Iterator[Path]:
        return (leaf for system in systems for leaf in leaf_directories(files, system))

    first = next(leaves(), None)
    if first is None and results is not None and folders.groups(results, []):
        return standing.around(declared or ROUND_1, ROUND_1)
    declared = declared or declared_by_provenance(files.root, leaves())
    recorded = recorded_edition(files.root, leaves())
    if submission is not None and recorded != _ROUND_2 and (recorded is None or _has_code(files, submission)):
        # Later tools of round 2.0 may have written the metadata that those of 3.0 write; code of the submitter's own beside them, a
        # description of that round and no code image are of round 2.0 only. The description is opened last: few trees need it.
        described = None if points_to_image(files.root, leaves()) else described_edition(files, submission)
        # Of one that declares round 3.0 an old description is a fault that a rule names, and no doubt.
        if (recorded is None or described == _ROUND_2) and (described, declared) != (_ROUND_2, CURRENT_LAYOUT):
            recorded = described
    # A capital is all that tells an empty submission of rounds 1.0 and 2.0 from one of round 3.0.
    by_name = CURRENT_LAYOUT if standing.spelling == standing.division.value else _ROUND_2
    layout = recorded or (standing.option if standing.option in (_ROUND_2, CURRENT_LAYOUT) else by_name)
    return standing.around(declared or recorded or standing.option or by_name, layout)


def _has_code(files: TreeFiles, submission: Path) -> bool:
    """Whether the folder of code stands in a submission that rounds 1.0 and 2.0 demanded and round 3.0 forbids."""
    return any(is_code_folder(name) for name in files.listing(submission).directories)


def _results(search: Search, results: Path, systems: Sequence[Path], around: Around, folders: RunFolders) -> Iterator[SubjectPlace]:
    if around.layout == ROUND_1:
        search.files.problems += folders.files.problems
        yield from results_of_round_1(search, results, around, folders)
        return
    for system in systems:
        if any(benchmark_of(path.name) for path in search.directories(system)):
            yield from system_results(search, system, around, system.name)
        elif folders.groups(system, []):
            search.ignore(system, f"holds runs as round 1.0 laid them out, in a submission of round {around.layout}")
        else:
            search.ignore(system, f"has {NO_BENCHMARK}")


def _beside_results(search: Search, path: Path, results: str | None, folders: RunFolders) -> None:
    """Name what stands beside results and systems; in round 3.0 a rule does."""
    described = systems_folders(search.files.listing(path))
    for folder in search.directories(path, subjects=False):
        if folder.name == results or folder.name in described:
            continue
        if folder.name.startswith("."):
            search.ignore(folder, "a dot entry")
        elif is_code_folder(folder.name):
            search.ignore(folder, "a folder of code")
        else:
            outside_results(search, folder, folders)
