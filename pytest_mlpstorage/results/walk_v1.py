"""Places in the layout of round 1.0, which every submitter laid out by hand: a result is a folder whose children are runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import NO_TEXT, is_text
from pytest_mlpstorage.results.layout_recognition import systems_folders
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.run_folders import RunFolders, is_generation_name
from pytest_mlpstorage.results.walk_base import Around, Search

__all__ = ["LAYOUT", "outside_results", "results_of_round_1"]

LAYOUT: Final = "1.0"

_NO_LABEL: Final = re.compile(r"runs?", re.IGNORECASE)


def results_of_round_1(search: Search, results: Path, around: Around, folders: RunFolders) -> Iterator[SubjectPlace]:
    """The groups of runs below a submission's results, and the descriptions of systems that stand among them."""
    left: list[tuple[Path, str]] = []
    groups = folders.groups(results, left)
    # What stands below a name that is no text has no place, and the name was told where the systems were looked for.
    named = (results, *(path for path in folders.inside(results) if is_text(path.name)))
    described = [path for path in named if systems_folders(folders.listing(path))]
    for path in described:
        yield from search.systems(path, around)
    for group in groups:
        system, *below = group.relative_to(results).parts or ("",)
        if not is_text(system):
            continue
        if not all(map(is_text, below)):
            search.ignore(group, NO_TEXT)
            continue
        # What the folders call the workload, for people: the runs themselves say what they were.
        label = "/".join(name for name in below if not _NO_LABEL.fullmatch(name)) or system
        yield around.place("training", search.files.relative(group) or ".", system=system, model=label)
    for path, reason in left:
        if not is_text(path.relative_to(results).parts[0]):
            continue
        if path.parent not in described or path.name not in systems_folders(folders.listing(path.parent)):
            search.ignore(path, reason)


def outside_results(search: Search, path: Path, folders: RunFolders) -> None:
    """Name a folder of a submission that is neither code, results nor systems, and say whether runs stand in it."""
    if is_generation_name(path.name):
        search.ignore(path, "the output of data generation, no run")
    elif folders.groups(path, []):
        search.ignore(path, "holds runs, but not below results/")
    else:
        search.ignore(path, "no part of a submission (code, results, systems)")
