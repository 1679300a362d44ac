"""What must hold before DLIO starts its I/O and after it ended: it exits 0 on an empty epoch and hangs on an odd one (training.md §6)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mlpstorage.dlio.flavour import REGISTRY
from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, DependencyError, FileSystemError, MPIError
from pytest_mlpstorage.nested import value_at

__all__ = ["check_dataset", "check_generated", "check_results", "check_size", "check_workload", "expected_steps", "is_training"]


def check_size(actual: int, asked: int | None) -> None:
    """Raise MPIError where the job has another size than was asked for.

    The launcher of one MPI with the library of another gives N jobs of one rank each, which all succeed.
    """
    if asked is not None and actual != asked:
        mixed = "; every rank is alone, as with the mpirun of one MPI and the mpi4py library of another" if actual == 1 else ""
        raise MPIError(
            f"COMM_WORLD has {actual} rank(s), {asked} were asked for{mixed}",
            suggestion="use the mpirun that belongs to the MPI library that mpi4py loads: python -m mpi4py --mpi-library",
            code="MLPS-E330",
        )


def is_training(workload: Mapping[str, Any]) -> bool:
    """Tell whether the configuration trains, as DLIO decides it too."""
    return bool(value_at(workload, "workflow.train", False))


def expected_steps(*, files: int, samples_per_file: int, batch_size: int, ranks: int, limit: int) -> int:
    """Count the steps of each epoch: whole batches that every rank has, cut at ``limit`` where that is above 0."""
    steps = files * samples_per_file // batch_size // ranks
    return min(steps, limit) if limit > 0 else steps


def check_workload(workload: Mapping[str, Any], *, kind: str, ranks: int, absent: Sequence[str]) -> None:
    """Refuse, before any I/O and by name, what this DLIO would hang on, ignore or die of.

    ``workload`` is the nested section, ``kind`` the flavour, ``absent`` the packages that only have a stand-in.
    """
    framework = value_at(workload, "framework", "tensorflow")
    loader = value_at(workload, "reader.data_loader", "tensorflow")
    form = value_at(workload, "dataset.format", "tfrecord")
    # A workload that only writes checkpoints has neither loader nor data; DLIO's defaults for both are never used then.
    data = is_training(workload) or bool(value_at(workload, "workflow.generate_data", False))
    if "tensorflow" in absent and (framework == "tensorflow" or (data and (loader == "tensorflow" or form == "tfrecord"))):
        raise DependencyError(
            f"framework {framework!r}, loader {loader!r} and format {form!r} need tensorflow, which is not installed",
            suggestion="set framework and reader.data_loader to pytorch and a format that it reads, or install tensorflow",
            code="MLPS-E221",
        )
    files = int(value_at(workload, "dataset.num_files_train", 8))
    samples = int(value_at(workload, "dataset.num_samples_per_file", 1))
    batch = int(value_at(workload, "reader.batch_size", 1))
    if min(files, samples, batch) < 1:
        raise ConfigurationError(
            "dataset.num_files_train, dataset.num_samples_per_file and reader.batch_size must be at least 1", code="MLPS-E111"
        )
    if kind == REGISTRY:
        for part in ("train", "eval"):
            if value_at(workload, f"dataset.num_subfolders_{part}", 0) == 1:
                raise ConfigurationError(
                    f"dataset.num_subfolders_{part} is 1, which DLIO 2.0.0 writes flat and then refuses to read",
                    suggestion="0 for no folders, or 2 and more",
                    code="MLPS-E140",
                )
        if value_at(workload, "reader.read_type") is not None:
            raise ConfigurationError(
                "reader.read_type is given: DLIO 2.0.0 never takes the text for its own value and turns on-demand reading off",
                suggestion="leave the key out",
                code="MLPS-E140",
            )
    if not is_training(workload):
        return
    if kind == REGISTRY and files % ranks:
        raise ConfigurationError(
            f"dataset.num_files_train={files} is no multiple of {ranks} ranks: DLIO 2.0.0 runs past its file list and hangs",
            suggestion=f"{files - files % ranks or ranks} or {files - files % ranks + ranks} files",
            code="MLPS-E140",
        )
    limit = int(value_at(workload, "train.total_training_steps", -1))
    whole = expected_steps(files=files, samples_per_file=samples, batch_size=batch, ranks=ranks, limit=-1)
    if whole == 0:
        raise ConfigurationError(
            f"{files} files × {samples} samples are too few for one batch of {batch} on each of {ranks} ranks: there would be no step",
            suggestion=f"at least {-(-batch * ranks // samples)} files",
            code="MLPS-E115",
        )
    if limit > whole:
        raise ConfigurationError(f"train.total_training_steps={limit}, but the data set has only {whole} steps an epoch", code="MLPS-E115")


def check_dataset(folder: Path, *, suffix: str, files: int, subfolders: int) -> None:
    """Raise FileSystemError where ``folder``/train is missing, has other subfolders than told, or too few files."""
    train = folder / "train"
    if not train.is_dir():
        raise FileSystemError(f"the data folder {train} is missing", suggestion="generate the data set first", code="MLPS-E430")
    with os.scandir(train) as entries:
        names = [(entry.name, entry.is_dir()) for entry in entries]
    folders = [name for name, is_folder in names if is_folder]
    if len(folders) != subfolders:
        raise FileSystemError(
            f"{train} has {len(folders)} subfolders, dataset.num_subfolders_train says {subfolders}",
            suggestion="use the value of the data generation",
            code="MLPS-E431",
        )
    found = sum(1 for name, _ in names if name.endswith(suffix))
    if folders:
        found = sum(1 for name in folders for file in os.scandir(train / name) if file.name.endswith(suffix))
    if found < files:
        raise FileSystemError(
            f"{train} holds {found} files that end in {suffix!r}, {files} are needed",
            suggestion="generate the data set with this dataset.num_files_train",
            code="MLPS-E431",
        )


def check_generated(paths: Sequence[str]) -> int:
    """Bytes on disk of the files that one rank made; raises BenchmarkExecutionError for a missing or empty one."""
    total = 0
    for path in paths:
        try:
            size = Path(path).stat().st_size
        except FileNotFoundError:
            size = 0
        if size == 0:
            raise BenchmarkExecutionError(f"data generation ended without {path}", code="MLPS-E540")
        total += size
    return total


def check_results(folder: Path, *, rank: int, epochs: int, steps: int) -> dict[str, int]:
    """Count the steps that the rank did in each epoch, from its ``<rank>_output.json``.

    ``folder`` is DLIO's output folder; rank 0 must also have left a ``summary.json`` with all epochs. Raises
    BenchmarkExecutionError where an epoch or a step is missing.
    """
    found = _load(folder / f"{rank}_output.json")
    done = {
        str(epoch): sum(len(v) for k, v in found.get(str(epoch), {}).get("proc", {}).items() if k != "eval")
        for epoch in range(1, epochs + 1)
    }
    wrong = {f"epoch {epoch}": f"{count} steps" for epoch, count in done.items() if count != steps}
    if wrong:
        raise BenchmarkExecutionError(f"rank {rank} did not do {steps} steps in each of {epochs} epochs", details=wrong, code="MLPS-E542")
    if rank == 0:
        summary = _load(folder / "summary.json")
        if summary.get("epochs") != epochs:
            raise BenchmarkExecutionError(
                f"summary.json tells of {summary.get('epochs')} epochs, {epochs} were asked for", code="MLPS-E542"
            )
    return done


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BenchmarkExecutionError(f"DLIO ended without a readable {path}", cause=error, code="MLPS-E540") from error
    return found if isinstance(found, dict) else {}
