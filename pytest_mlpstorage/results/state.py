"""What is finished, read from disk: the marker beside a data set, and the leaves that stand in the tree."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.atomic import file_system_error, sync_directory, write_json
from pytest_mlpstorage.results.coerce import JSONObject, Reading, native
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import check_component, result_path
from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.results.records import Leaf
from pytest_mlpstorage.verdict import Division

__all__ = [
    "IN_PROGRESS",
    "LEAF_MANIFEST",
    "MANIFEST",
    "Complete",
    "DatasetManifest",
    "DatasetState",
    "Difference",
    "FinishedLeaves",
    "InProgress",
    "Missing",
    "Unreadable",
    "begin_dataset",
    "complete_dataset",
    "dataset_dir",
    "finished_leaves",
    "read_dataset_state",
]

MANIFEST: Final = ".mlps-datagen-manifest.json"
"""In the folder of a data set: it is complete, and this is what it holds."""

LEAF_MANIFEST: Final = "datagen-manifest.json"
"""In a run leaf: the manifest of the data set that the run read, as it was then."""

IN_PROGRESS: Final = ".mlps-datagen-in-progress.json"
"""In the folder of a data set from before its first byte until it is complete."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """A parameter of which the data on disk and the plan disagree."""

    key: str
    on_disk: object
    wanted: object

    def __str__(self) -> str:
        return f"{self.key}: {self.on_disk!r} on disk, {self.wanted!r} wanted"


@dataclasses.dataclass(frozen=True)
class DatasetManifest:
    """What a complete data set holds and where it came from. ``parameters`` are dotted official keys."""

    model: str
    run_id: str
    num_files_train: int
    num_samples_per_file: int
    record_length_bytes: int
    format: str
    total_bytes_on_disk: int
    source_datagen_result_dir: str  # the datagen leaf, relative to the results directory
    completed: str = ""
    parameters: JSONObject = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Write as JSON, with the two keys that the rule book knows (``source_datagen_result_dir``, ``num_files_train``)."""
        return {**dataclasses.asdict(self), "parameters": dict(self.parameters)}

    @classmethod
    def from_json(cls, raw: JSONObject, where: object) -> DatasetManifest:
        """Read back; raises ValidationError naming each field that is missing or of the wrong kind."""
        fields = Reading(raw)
        counts = {
            key: fields.integer(key) for key in ("num_files_train", "num_samples_per_file", "record_length_bytes", "total_bytes_on_disk")
        }
        texts = {key: fields.text(key) for key in ("model", "run_id", "format", "source_datagen_result_dir")}
        missing = [f"{key} is missing" for key, value in {**counts, **texts}.items() if value is None and raw.get(key) is None]
        parameters = fields.mapping("parameters") or {}
        if missing or fields.problems:
            raise ValidationError(
                "the data set's manifest is damaged",
                details={"file": where, "fields": "; ".join([*missing, *fields.problems])},
                code="MLPS-E610",
            )
        return cls(
            model=texts["model"] or "",
            run_id=texts["run_id"] or "",
            num_files_train=counts["num_files_train"] or 0,
            num_samples_per_file=counts["num_samples_per_file"] or 0,
            record_length_bytes=counts["record_length_bytes"] or 0,
            format=texts["format"] or "",
            total_bytes_on_disk=counts["total_bytes_on_disk"] or 0,
            source_datagen_result_dir=texts["source_datagen_result_dir"] or "",
            completed=fields.text("completed") or "",
            parameters=parameters,
        )

    def differences(self, wanted: Mapping[str, object]) -> tuple[Difference, ...]:
        """Compare with wanted parameters (dotted official keys, values in any spelling): what differs, by key.

        A wanted key that the manifest does not know differs, with None on disk.
        """
        pairs = ((key, native(self.parameters.get(key)), native(value)) for key, value in sorted(wanted.items()))
        return tuple(Difference(key, mine, theirs) for key, mine, theirs in pairs if mine != theirs)

    def matches(self, wanted: Mapping[str, object]) -> bool:
        """Whether nothing differs from the wanted parameters."""
        return not self.differences(wanted)


@dataclasses.dataclass(frozen=True)
class Missing:
    """No data set of ours; ``entries`` names (up to ten) of what lies there all the same."""

    entries: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class InProgress:
    """Data generation began and was not completed."""

    since: str
    run_id: str


@dataclasses.dataclass(frozen=True)
class Complete:
    """Data generation was completed, as the manifest says."""

    manifest: DatasetManifest


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """There is a marker, and it cannot be read: the data must be taken for half-made."""

    file: Path
    message: str


DatasetState: TypeAlias = "Missing | InProgress | Complete | Unreadable"


def dataset_dir(data_dir: Path, model: str) -> Path:
    """Folder of a model's data set; raises ConfigurationError where the model may not be a directory."""
    return data_dir / check_component(model, "model")


def begin_dataset(data_dir: Path, model: str, *, run_id: str, now: dt.datetime | None = None) -> Path:
    """Mark a data set as half-made, before its first byte; a manifest from before is withdrawn. Raises FileSystemError."""
    folder = dataset_dir(data_dir, model)
    since = (now or dt.datetime.now()).astimezone().isoformat(timespec="seconds")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / IN_PROGRESS, {"run_id": run_id, "since": since, "model": model})
        (folder / MANIFEST).unlink(missing_ok=True)
        sync_directory(folder)
    except OSError as error:
        raise file_system_error("cannot mark the data set as in progress", folder, error) from error
    return folder / IN_PROGRESS


def complete_dataset(data_dir: Path, manifest: DatasetManifest) -> Path:
    """Mark a data set as complete, after its last byte; the manifest's path is returned. Raises FileSystemError.

    The manifest is written first: with both markers of one run id the data set is complete.
    """
    folder = dataset_dir(data_dir, manifest.model)
    write_json(folder / MANIFEST, manifest.to_json())
    try:
        (folder / IN_PROGRESS).unlink(missing_ok=True)
        sync_directory(folder)
    except OSError as error:
        raise file_system_error("cannot mark the data set as complete", folder, error) from error
    return folder / MANIFEST


def read_dataset_state(data_dir: Path, model: str) -> DatasetState:
    """Read from the markers whether a model's data set is missing, half-made or complete; the data itself is not looked at."""
    folder = dataset_dir(data_dir, model)
    files = TreeFiles(folder)
    progress = files.json_object(folder / IN_PROGRESS) if os.path.lexists(folder / IN_PROGRESS) else None
    raw = files.json_object(folder / MANIFEST) if os.path.lexists(folder / MANIFEST) else None
    if files.problems:
        return Unreadable(folder / files.problems[0].file, files.problems[0].message)
    if progress is not None and (raw is None or raw.get("run_id") != progress.get("run_id")):
        return InProgress(str(progress.get("since") or "unknown"), str(progress.get("run_id") or "unknown"))
    if raw is None:
        return Missing(_some_entries(folder))
    try:
        return Complete(DatasetManifest.from_json(raw, folder / MANIFEST))
    except ValidationError as error:
        return Unreadable(folder / MANIFEST, str(error.details["fields"]))


def _some_entries(folder: Path) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(entry.name for entry in itertools.islice(entries, 10)))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise file_system_error("cannot look into the data set's folder", folder, error) from error


@dataclasses.dataclass(frozen=True)
class FinishedLeaves:
    """Leaves of one training result that count as *found* at a second start; runs in order, the warm-up first."""

    datasize: Leaf | None
    datagen: Leaf | None
    runs: tuple[Leaf, ...]


def finished_leaves(results_dir: Path, division: Division, submitter: str, system: str, model: str) -> FinishedLeaves:
    """Read which phases of a training result are finished: the latest datasize and datagen with metadata, runs with a summary.

    A leaf in its place is complete, because it was renamed there; what has no metadata or summary was not finished by us.
    """
    path = result_path(results_dir, division, submitter, system, "training", model)
    result = read_training_result(path, root=results_dir)
    sizes = [leaf for leaf in result.datasize if leaf.metadata is not None]
    generated = [leaf for leaf in result.datagen if leaf.metadata is not None]
    runs = tuple(leaf for leaf in result.runs if leaf.summary is not None)
    return FinishedLeaves(sizes[-1] if sizes else None, generated[-1] if generated else None, runs)
