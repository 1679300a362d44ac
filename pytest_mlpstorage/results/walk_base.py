"""What the walks of all layouts share: the files, what was left out, and what every place of one submission has in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from pytest_mlpstorage.results.files import NO_TEXT, STRAY_NO_TEXT, TreeFiles, is_text
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.layout_recognition import systems_folders
from pytest_mlpstorage.results.places import Kind, SubjectPlace
from pytest_mlpstorage.verdict import Division

__all__ = ["Around", "Search"]


@dataclasses.dataclass(frozen=True)
class Around:
    """The submission that places stand in. ``within`` as in ``SubjectPlace``; ``suffixes`` are those of its system descriptions."""

    division: Division
    submitter: str
    edition: str
    layout: str
    within: str | None = None
    suffixes: tuple[str, ...] = (".yaml", ".yml")

    def place(self, kind: Kind, relpath: str, *, system: str = "", model: str = "") -> SubjectPlace:
        """A place in this submission."""
        names = {"submitter": self.submitter, "system": system, "model": model}
        return SubjectPlace(kind, relpath, self.division, self.edition, self.layout, within=self.within, **names)


class Search:
    """Access to a tree's names; ``ignored`` are the directories that are no subject, with the reason."""

    def __init__(self, files: TreeFiles) -> None:
        self.files = files
        self.ignored: list[tuple[str, str]] = []

    def ignore(self, path: Path, reason: str) -> None:
        """Remember what was left out."""
        self.ignored.append((self.files.relative(path), reason))

    def directories(self, parent: Path, *, subjects: bool = True) -> Iterator[Path]:
        """The real directories in one; what desktops leave behind are files, so a directory that is named like one is told.

        ``subjects``: one of them may be a subject, or hold some, so that a name which is no text keeps it from being judged.
        """
        for name in self.files.listing(parent).directories:
            if is_noise(name):
                self.ignore(parent / name, "is named like what a desktop or an editor leaves behind")
            elif is_text(name):
                yield parent / name
            elif name.startswith("."):
                self.ignore(parent / name, "a dot entry")
            else:
                self.ignore(parent / name, NO_TEXT if subjects else STRAY_NO_TEXT)

    def systems(self, parent: Path, around: Around) -> Iterator[SubjectPlace]:
        """The descriptions of systems in the ``systems`` folder of a directory."""
        for folder in systems_folders(self.files.listing(parent)):
            for name in self.files.listing(parent / folder).files:
                path = parent / folder / name
                if not name.lower().endswith(around.suffixes) or is_noise(name) or name.startswith("."):
                    continue
                if is_text(name):
                    yield around.place("system", self.files.relative(path), system=path.stem)
                else:
                    self.ignore(path, NO_TEXT)
