"""Results of round 1.0 as records: a folder of runs is a training result, each run folder one of its leaves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.records import Leaf, ReadProblem, Summary, SystemDescription, TrainingResult
from pytest_mlpstorage.results.run_config_v1 import RunConfig, as_metadata, read_config
from pytest_mlpstorage.results.run_folders import RunFolders

__all__ = ["read_run", "read_training_v1", "summary_names"]

_CONFIG_FILES: Final = ("config.yaml", "overrides.yaml")
_COMPARED_BYTES: Final = 256 * 1024
_LEVELS: Final = 3
"""Levels of a run's files: the run, the folder of a client, its configuration."""


def read_training_v1(place: SubjectPlace, *, root: Path, description: SystemDescription | None = None) -> TrainingResult:
    """Read a group of runs. Model and accelerator are what its first run was started with, else what its folders are called."""
    files, path = TreeFiles(root), root / place.relpath
    listing = files.listing(path)
    names = RunFolders(TreeFiles(root)).runs(path)
    runs = tuple(read_run(path / name, root=root) for name in names)
    asked = [run.metadata for run in runs if run.metadata is not None]
    return TrainingResult(
        root=root,
        relpath=place.relpath,
        division=place.division,
        submitter=place.submitter,
        system=place.system,
        model=next((m.model for m in asked if m.model), place.model),
        edition=place.edition,
        layout=place.layout,
        accelerator=next((m.accelerator for m in asked if m.accelerator), None),
        runs=runs,
        entries=listing,
        run_listing=listing,
        problems=tuple(files.problems),
        description=description,
    )


def read_run(path: Path, *, root: Path) -> Leaf:
    """Read one run folder: its summary, and its configuration as what stands for metadata in this round.

    Either may stand one level deeper, in the folder of a client.
    """
    files = TreeFiles(root)
    present, pruned = files.leaf_files(path, depth=_LEVELS)
    relpath = files.relative(path)
    summary = None
    names = summary_names(present)
    if names and (raw := files.json_object(path / names[0])) is not None:
        summary = Summary.from_json(raw, f"{relpath}/{names[0]}")
        files.problems += [ReadProblem(summary.path, message) for message in summary.problems]
    folders = _config_folders(present, names[0].rpartition("/")[0] if names else "")
    return Leaf(
        path,
        relpath,
        path.name,
        "run",
        present,
        summary,
        as_metadata(_configs(files, path, folders, present - pruned)),
        tuple(files.problems),
        pruned,
        config_folder=folders[0] if folders else "configs",
    )


def summary_names(present: Iterable[str]) -> tuple[str, ...]:
    """Summaries of a run as paths below it, its own before those of clients."""
    found = [name for name in present if name.rpartition("/")[2].lower() == "summary.json" and name.count("/") <= 1]
    return tuple(sorted(found, key=lambda name: (name.count("/"), name)))


def _config_folders(present: frozenset[str], beside: str) -> list[str]:
    """Folders of a run that hold a configuration: the one beside the summary first, then the run's own, then those of clients."""
    folders = {name.rpartition("/")[0] for name in present if name.rpartition("/")[2] in _CONFIG_FILES}
    return sorted(folders - {""}, key=lambda folder: (folder.rpartition("/")[0] != beside, folder.count("/"), folder))


def _configs(files: TreeFiles, path: Path, folders: list[str], present: frozenset[str]) -> tuple[RunConfig, ...]:
    """Read each configuration that is not, byte for byte, one that was read before: fifty hosts keep fifty copies."""
    found: dict[tuple[bytes | None, ...], RunConfig] = {}
    for folder in folders:
        names = frozenset(name for name in _CONFIG_FILES if f"{folder}/{name}" in present)
        written = tuple(_bytes(files, path / folder / name) if name in names else None for name in _CONFIG_FILES)
        if written not in found:
            found[written] = read_config(files, path / folder, names)
    return tuple(found.values())


def _bytes(files: TreeFiles, path: Path) -> bytes | None:
    # Read again, and complained of, where it is parsed.
    return TreeFiles(files.root).content(path, limit=_COMPARED_BYTES)
