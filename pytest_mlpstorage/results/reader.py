"""A submission tree on disk as records: the v3.0 layout, every directory read, recognised or named as ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import yaml

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS, PHASES, is_noise, is_timestamp, metadata_name, parse_result_path
from pytest_mlpstorage.results.records import (
    EpochStats,
    Leaf,
    LeafMetadata,
    OtherResult,
    RankOutput,
    ReadProblem,
    Result,
    Summary,
    TrainingResult,
    Tree,
)
from pytest_mlpstorage.verdict import Division

__all__ = ["LOOKED_FOR", "read_epoch_stats", "read_leaf", "read_rank_outputs", "read_training_result", "read_tree"]

LOOKED_FOR: Final = tuple(
    f"{{{','.join(d.value for d in Division)}}}/<submitter>/results/<system>/{benchmark}/<model>" for benchmark in BENCHMARKS
)
"""The places where a result may stand, for the message when there is none."""

_LAYOUT_EDITION: Final = "3.0"
_MANIFEST_BYTES: Final = 4 * 1024**2
_RANK_OUTPUT: Final = re.compile(r"(\d{1,7})_output\.json\Z", re.ASCII)
_EPOCH_STATS: Final = re.compile(r"(?:(\d{1,7})_)?per_epoch_stats\.json\Z", re.ASCII)

_Record = TypeVar("_Record", RankOutput, EpochStats)


def read_tree(root: Path) -> Tree:
    """Read all results below ``root`` (a results directory or an unpacked submission).

    Never raises for what stands in the tree: damage is a ReadProblem of the result or of the tree. A root that is missing or
    empty gives a tree without results.
    """
    files = TreeFiles(root)
    walk = _Walk(files)
    results = sorted(walk.results(), key=lambda result: result.relpath)
    return Tree(root, tuple(results), tuple(sorted(walk.ignored)), tuple(sorted(files.problems)), LOOKED_FOR)


def read_training_result(path: Path, *, root: Path) -> TrainingResult:
    """Read the one training result at ``path`` in the tree ``root``; a directory that is not there gives one without leaves.

    Raises ValidationError where the path is no place of a training result.
    """
    place = parse_result_path(path.relative_to(root).as_posix())
    if place is None or place.family != "training" or place.phase or place.timestamp:
        raise ValidationError(f"{path} is no place of a training result", details={"looked for": LOOKED_FOR[0]})
    edition = _edition(TreeFiles(root), root / place.division.value / place.submitter)
    return _training(path, root, place.division, place.submitter, place.system, edition)


def read_leaf(path: Path, *, root: Path, phase: str) -> Leaf:
    """Read one timestamp directory of phase datasize, datagen or run; ``root`` is the tree that its paths are relative to."""
    files = TreeFiles(root)
    present, pruned = files.leaf_files(path)
    relpath = files.relative(path)
    summary_name = _choose(present, "summary.json", lambda name: name.endswith("summary.json"))
    summary = metadata = None
    if summary_name and (raw := files.json_object(path / summary_name)) is not None:
        summary = Summary.from_json(raw, f"{relpath}/{summary_name}")
        files.problems += [ReadProblem(summary.path, message) for message in summary.problems]
    usual = metadata_name("training", path.name)
    name = _choose(present, usual, lambda name: "metadata" in name and name.lower().endswith(".json"))
    if name and (raw := files.json_object(path / name)) is not None:
        metadata = LeafMetadata.from_json(raw, f"{relpath}/{name}")
        files.problems += [ReadProblem(metadata.path, message) for message in metadata.problems]
    return Leaf(path, relpath, path.name, phase, present, summary, metadata, tuple(files.problems), pruned)


def _choose(present: frozenset[str], usual: str, fits: Callable[[str], bool]) -> str | None:
    """Pick the file of the usual name, else the first by name that fits, as the official loader does."""
    if usual in present:
        return usual
    return next((name for name in sorted(present) if "/" not in name and fits(name)), None)


def read_rank_outputs(leaf: Leaf, *, root: Path) -> tuple[tuple[RankOutput, ...], tuple[ReadProblem, ...]]:
    """Read every ``<rank>_output.json`` that was not pruned, by rank, and what could not be read. Large: read when needed."""
    return _read_ranks(leaf, root, _RANK_OUTPUT, RankOutput.from_json)


def read_epoch_stats(leaf: Leaf, *, root: Path) -> tuple[tuple[EpochStats, ...], tuple[ReadProblem, ...]]:
    """Read every ``[<rank>_]per_epoch_stats.json`` that was not pruned, by rank (none in the name is rank 0)."""
    return _read_ranks(leaf, root, _EPOCH_STATS, EpochStats.from_json)


def _read_ranks(
    leaf: Leaf, root: Path, pattern: re.Pattern[str], parse: Callable[..., _Record]
) -> tuple[tuple[_Record, ...], tuple[ReadProblem, ...]]:
    files = TreeFiles(root)
    records: list[_Record] = []
    for name in sorted(leaf.files - leaf.pruned):
        match = pattern.match(name)
        raw = files.json_object(leaf.path / name) if match else None
        if match and raw is not None:
            record = parse(raw, int(match[1] or 0), f"{leaf.relpath}/{name}")
            files.problems += [ReadProblem(record.path, message) for message in record.problems]
            records.append(record)
    return tuple(sorted(records, key=lambda record: record.rank)), tuple(files.problems)


class _Walk:
    """One pass over the levels division, submitter, system, benchmark, model."""

    def __init__(self, files: TreeFiles) -> None:
        self.files = files
        self.ignored: list[tuple[str, str]] = []

    def ignore(self, path: Path, reason: str) -> None:
        self.ignored.append((self.files.relative(path), reason))

    def _directories(self, parent: Path) -> Iterator[Path]:
        for name in self.files.listing(parent).directories:
            if not is_noise(name):
                yield parent / name

    def results(self) -> Iterator[Result]:
        divisions = {division.value: division for division in Division}
        for path in self._directories(self.files.root):
            division = divisions.get(path.name)
            if division is not None:
                for submitter in self._directories(path):
                    yield from self._submitter(submitter, division)
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

    def _submitter(self, path: Path, division: Division) -> Iterator[Result]:
        if path.name.startswith("."):
            self.ignore(path, "a dot entry")
            return
        if "results" not in self.files.listing(path).directories:
            self.ignore(path, "has no results directory")
            return
        edition = _edition(self.files, path)
        for system in self._directories(path / "results"):
            benchmarks = list(self._directories(system))
            if not any(benchmark.name in BENCHMARKS for benchmark in benchmarks):
                self.ignore(system, f"has no benchmark directory ({', '.join(BENCHMARKS)})")
                continue
            for benchmark in benchmarks:
                yield from self._benchmark(benchmark, division, path.name, system.name, edition)

    def _benchmark(self, path: Path, division: Division, submitter: str, system: str, edition: str) -> Iterator[Result]:
        if path.name not in BENCHMARKS:
            self.ignore(path, f"no benchmark directory ({', '.join(BENCHMARKS)})")
            return
        models = list(self._directories(path))
        if not models:
            self.ignore(path, "has no model directory")
        for model in models:
            if path.name == "training":
                yield _training(model, self.files.root, division, submitter, system, edition)
                continue
            # vector_database/[<engine>/]<INDEX>: conflict C-3, both shapes are real.
            inner = [m for m in self._directories(model) if m.name not in {"datagen", "run"} and not is_timestamp(m.name)]
            for place in inner if path.name == "vector_database" and inner else [model]:
                name = model.name if place is model else f"{model.name}_{place.name}"
                relpath = self.files.relative(place)
                yield OtherResult(self.files.root, relpath, division, submitter, system, path.name, name, edition)


def _edition(files: TreeFiles, submitter: Path) -> str:
    """Take the edition that the submitter's manifest declares, else the one whose layout this is."""
    path = submitter / "submission.yaml"
    if "submission.yaml" not in files.listing(submitter).files:
        return _LAYOUT_EDITION
    content = files.content(path, limit=_MANIFEST_BYTES)
    if content is None:
        return _LAYOUT_EDITION
    try:
        manifest = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        files.complain(path, f"is no YAML: {str(error)[:200]}")
        return _LAYOUT_EDITION
    declared = manifest.get("rules_edition") if isinstance(manifest, dict) else None
    if not isinstance(declared, (str, int, float)) or isinstance(declared, bool):
        files.complain(path, "declares no rules_edition")
        return _LAYOUT_EDITION
    return str(declared).strip().removeprefix("v")


def _training(path: Path, root: Path, division: Division, submitter: str, system: str, edition: str) -> TrainingResult:
    files = TreeFiles(root)
    listings = {phase: files.listing(path / phase) for phase in PHASES}
    leaves = {
        phase: tuple(read_leaf(path / phase / name, root=root, phase=phase) for name in listing.directories if is_timestamp(name))
        for phase, listing in listings.items()
    }
    return TrainingResult(
        root=root,
        relpath=files.relative(path),
        division=division,
        submitter=submitter,
        system=system,
        model=path.name,
        edition=edition,
        accelerator=_accelerator((*leaves["run"], *leaves["datagen"], *leaves["datasize"])),
        datasize=leaves["datasize"],
        datagen=leaves["datagen"],
        runs=leaves["run"],
        entries=files.listing(path),
        datasize_entries=listings["datasize"],
        datagen_entries=listings["datagen"],
        run_listing=listings["run"],
        problems=tuple(files.problems),
    )


def _accelerator(leaves: tuple[Leaf, ...]) -> str | None:
    return next((m.accelerator for leaf in leaves if (m := leaf.metadata) is not None and m.accelerator), None)
