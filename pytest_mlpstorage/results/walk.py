"""One pass over the names of a tree: every directory is the place of a subject, or named as left out with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS, is_noise, is_timestamp
from pytest_mlpstorage.results.manifest import CURRENT_LAYOUT, declared_edition
from pytest_mlpstorage.results.places import Kind, SubjectPlace
from pytest_mlpstorage.verdict import Division

__all__ = ["LOOKED_FOR", "Walk"]

LOOKED_FOR: Final = tuple(
    f"{{{','.join(d.value for d in Division)}}}/<submitter>/results/<system>/{benchmark}/<model>" for benchmark in BENCHMARKS
)
"""The places where a result may stand, for the message when there is none."""

_KINDS: Final[dict[str, Kind]] = {
    "training": "training",
    "checkpointing": "checkpointing",
    "vector_database": "vector_database",
    "kv_cache": "kv_cache",
}


class Walk:
    """Finds the places below ``files.root``. ``edition`` judges what neither declares an edition nor shows one by its layout."""

    def __init__(self, files: TreeFiles, edition: str | None = None) -> None:
        self.files = files
        self.edition = edition
        self.ignored: list[tuple[str, str]] = []

    def places(self) -> list[SubjectPlace]:
        """Every subject, the package first, each submission followed by its systems and results, sorted by path."""
        found = sorted(self._submissions(), key=lambda place: place.relpath.split("/"))
        divisions = [place.division for place in found]
        if not found:
            return []
        division = min(divisions, key=list(Division).index)
        editions = sorted({place.edition for place in found})
        package = SubjectPlace("package", ".", division, editions[-1], layout=max(place.layout for place in found))
        return [package, *found]

    def ignore(self, path: Path, reason: str) -> None:
        """Remember what was left out."""
        self.ignored.append((self.files.relative(path), reason))

    def directories(self, parent: Path) -> Iterator[Path]:
        """The real directories in one, without what desktops leave behind."""
        for name in self.files.listing(parent).directories:
            if not is_noise(name):
                yield parent / name

    def _submissions(self) -> Iterator[SubjectPlace]:
        divisions = {division.value: division for division in Division}
        for path in self.directories(self.files.root):
            division = divisions.get(path.name)
            if division is not None:
                for submitter in self.directories(path):
                    yield from self._submission(submitter, division)
            else:
                self.ignore(path, self._reason(path))

    def _reason(self, path: Path) -> str:
        listing = self.files.listing(path)
        if path.name.startswith("."):
            return "a dot entry, which rule 2.1.2 tolerates"
        if ".mlps-image-pool" in listing.names or any(name.startswith("code-") for name in listing.directories):
            return "a pool of code images"
        if path.name.lower() in {"closed", "open"}:
            return f"{path.name!r} is the layout of rounds 1.0 and 2.0, which is not read"
        if path.name in BENCHMARKS:
            return f"{path.name!r} at the top is the output of the v2.0 tool, which is not read"
        return "no division directory (closed, open, whatif)"

    def _submission(self, path: Path, division: Division) -> Iterator[SubjectPlace]:
        if path.name.startswith("."):
            self.ignore(path, "a dot entry")
            return
        edition = declared_edition(self.files, path) or CURRENT_LAYOUT
        relpath = self.files.relative(path)
        yield SubjectPlace("submission", relpath, division, edition, submitter=path.name)
        for name in self.files.listing(path / "systems").files:
            if name.lower().endswith((".yaml", ".yml")) and not is_noise(name) and not name.startswith("."):
                system = Path(name).stem
                yield SubjectPlace("system", f"{relpath}/systems/{name}", division, edition, submitter=path.name, system=system)
        if "results" not in self.files.listing(path).directories:
            self.ignore(path, "has no results directory")
            return
        for system_path in self.directories(path / "results"):
            benchmarks = list(self.directories(system_path))
            if not any(benchmark.name in BENCHMARKS for benchmark in benchmarks):
                self.ignore(system_path, f"has no benchmark directory ({', '.join(BENCHMARKS)})")
                continue
            for benchmark in benchmarks:
                yield from self._benchmark(benchmark, division, path.name, system_path.name, edition)

    def _benchmark(self, path: Path, division: Division, submitter: str, system: str, edition: str) -> Iterator[SubjectPlace]:
        kind = _KINDS.get(path.name)
        if kind is None:
            self.ignore(path, f"no benchmark directory ({', '.join(BENCHMARKS)})")
            return
        models = list(self.directories(path))
        if not models:
            self.ignore(path, "has no model directory")
        for model in models:
            # vector_database/[<engine>/]<INDEX>: conflict C-3, both shapes are real.
            inner = [m for m in self.directories(model) if m.name not in {"datagen", "run"} and not is_timestamp(m.name)]
            for place in inner if kind == "vector_database" and inner else [model]:
                name = model.name if place is model else f"{model.name}_{place.name}"
                relpath = self.files.relative(place)
                yield SubjectPlace(kind, relpath, division, edition, submitter=submitter, system=system, model=name)
