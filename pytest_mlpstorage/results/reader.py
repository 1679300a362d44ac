"""Leaves and training results of the v3.0 layout as records."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import PHASES, is_timestamp, metadata_name, parse_result_path
from pytest_mlpstorage.results.manifest import CURRENT_LAYOUT, declared_edition
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.provenance import PROVENANCE, Provenance
from pytest_mlpstorage.results.records import (
    CheckpointingResult,
    EpochStats,
    KVCacheResult,
    Leaf,
    LeafMetadata,
    Listing,
    RankOutput,
    ReadProblem,
    Summary,
    SystemDescription,
    TrainingResult,
    VectorDatabaseResult,
)

__all__ = [
    "read_checkpointing",
    "read_epoch_stats",
    "read_kv_cache",
    "read_leaf",
    "read_rank_outputs",
    "read_training",
    "read_training_result",
    "read_vector_database",
]

_OLDER_LAYOUT: Final = "2.0"
_RANK_OUTPUT: Final = re.compile(r"(\d{1,7})_output\.json\Z", re.ASCII)
_EPOCH_STATS: Final = re.compile(r"(?:(\d{1,7})_)?per_epoch_stats\.json\Z", re.ASCII)

_Record = TypeVar("_Record", RankOutput, EpochStats)


def read_training_result(path: Path, *, root: Path) -> TrainingResult:
    """Read the one training result at ``path`` in the tree ``root``; a directory that is not there gives one without leaves.

    Raises ValidationError where the path is no place of a training result.
    """
    place = parse_result_path(path.relative_to(root).as_posix())
    if place is None or place.family != "training" or place.phase or place.timestamp:
        raise ValidationError(f"{path} is no place of a training result", code="MLPS-E610")
    submission = root / place.division.value / place.submitter
    edition = declared_edition(TreeFiles(root), submission) or CURRENT_LAYOUT
    names = {"submitter": place.submitter, "system": place.system, "model": place.model}
    return read_training(SubjectPlace("training", path.relative_to(root).as_posix(), place.division, edition, **names), root=root)


def read_training(place: SubjectPlace, *, root: Path, description: SystemDescription | None = None) -> TrainingResult:
    """Read a training result: phases ``datasize``, ``datagen``, ``run`` below its directory."""
    files, path = TreeFiles(root), root / place.relpath
    listings = {phase: files.listing(path / phase) for phase in PHASES}
    leaves = {phase: _leaves(path / phase, listing, root=root, phase=phase) for phase, listing in listings.items()}
    return TrainingResult(
        **_identity(place, root, description, leaves["run"]),
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


def read_checkpointing(place: SubjectPlace, *, root: Path, description: SystemDescription | None = None) -> CheckpointingResult:
    """Read a checkpointing result: its leaves stand in its directory, without a phase level."""
    files, path = TreeFiles(root), root / place.relpath
    entries = files.listing(path)
    runs = _leaves(path, entries, root=root, phase="run", family="checkpointing")
    return CheckpointingResult(
        **_identity(place, root, description, runs),
        accelerator=_accelerator(runs),
        runs=runs,
        entries=entries,
        run_listing=entries,
        problems=tuple(files.problems),
    )


def read_vector_database(place: SubjectPlace, *, root: Path, description: SystemDescription | None = None) -> VectorDatabaseResult:
    """Read a vector database result, with or without the engine's level above the index (C-3)."""
    files, path = TreeFiles(root), root / place.relpath
    listings = {phase: files.listing(path / phase) for phase in ("datagen", "run")}
    family = "vector_database"
    leaves = {phase: _leaves(path / phase, listing, root=root, phase=phase, family=family, depth=3) for phase, listing in listings.items()}
    parent = path.parent.name
    return VectorDatabaseResult(
        **_identity(place, root, description),
        engine=None if parent == "vector_database" else parent,
        datagen=leaves["datagen"],
        runs=leaves["run"],
        entries=files.listing(path),
        datagen_entries=listings["datagen"],
        run_listing=listings["run"],
        problems=tuple(files.problems),
    )


def read_kv_cache(place: SubjectPlace, *, root: Path, description: SystemDescription | None = None) -> KVCacheResult:
    """Read a KV cache result; its leaves' files go down to ``option_<O>/trial_<T>/rank_<N>/``."""
    files, path = TreeFiles(root), root / place.relpath
    listing = files.listing(path / "run")
    return KVCacheResult(
        **_identity(place, root, description),
        runs=_leaves(path / "run", listing, root=root, phase="run", family="kv_cache", depth=4),
        entries=files.listing(path),
        run_listing=listing,
        problems=tuple(files.problems),
    )


def _identity(place: SubjectPlace, root: Path, description: SystemDescription | None, runs: tuple[Leaf, ...] = ()) -> dict[str, Any]:
    kept = ("relpath", "division", "submitter", "system", "edition", "layout")
    return {"root": root, "description": description, "model": _model(place, runs), **{key: getattr(place, key) for key in kept}}


def _model(place: SubjectPlace, runs: tuple[Leaf, ...]) -> str:
    """Name of the model: that of the directory.

    Round 2.0 judged what its runs recorded; where they agree on a name that the directory only spells in another way, or says more
    than, it is that name. In round 3.0 a rule speaks of the name of the directory.
    """
    if place.layout != _OLDER_LAYOUT:
        return place.model
    recorded = {leaf.metadata.model.strip().lower() for leaf in runs if leaf.metadata is not None and leaf.metadata.model}
    name = next(iter(recorded)) if len(recorded) == 1 else ""
    return name if _letters(name) and _letters(name) in _letters(place.model) else place.model


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _leaves(parent: Path, listing: Listing, *, root: Path, phase: str, family: str = "training", depth: int = 2) -> tuple[Leaf, ...]:
    names = [name for name in listing.directories if is_timestamp(name)]
    return tuple(read_leaf(parent / name, root=root, phase=phase, family=family, depth=depth) for name in names)


def _accelerator(leaves: tuple[Leaf, ...]) -> str | None:
    return next((m.accelerator for leaf in leaves if (m := leaf.metadata) is not None and m.accelerator), None)


def read_leaf(path: Path, *, root: Path, phase: str, family: str = "training", depth: int = 2) -> Leaf:
    """Read one timestamp directory of phase datasize, datagen or run; ``root`` is the tree that its paths are relative to.

    ``depth``: levels of its files that are listed.
    """
    files = TreeFiles(root)
    present, pruned = files.leaf_files(path, depth=depth)
    relpath = files.relative(path)
    summary_name = _choose(present, "summary.json", lambda name: name.endswith("summary.json"))
    summary = metadata = provenance = None
    if summary_name and (raw := files.json_object(path / summary_name)) is not None:
        summary = Summary.from_json(raw, f"{relpath}/{summary_name}")
        files.problems += [ReadProblem(summary.path, message) for message in summary.problems]
    usual = metadata_name(family, path.name)
    name = _choose(present, usual, lambda name: "metadata" in name and name.lower().endswith(".json"))
    if name and (raw := files.json_object(path / name)) is not None:
        metadata = LeafMetadata.from_json(raw, f"{relpath}/{name}")
        files.problems += [ReadProblem(metadata.path, message) for message in metadata.problems]
    if PROVENANCE in present and (raw := files.json_object(path / PROVENANCE)) is not None:
        provenance = Provenance.from_json(raw, f"{relpath}/{PROVENANCE}")
    problems = tuple(files.problems)
    return Leaf(path, relpath, path.name, phase, present, summary, metadata, problems, pruned, provenance=provenance)


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
