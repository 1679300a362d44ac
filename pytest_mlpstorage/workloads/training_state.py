"""Which phases of a training case stand finished in the results tree and the data folder, and marking them so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.results.records import Leaf, LeafMetadata
from pytest_mlpstorage.results.state import (
    Complete,
    DatasetManifest,
    DatasetState,
    InProgress,
    Unreadable,
    begin_dataset,
    complete_dataset,
    read_dataset_state,
)
from pytest_mlpstorage.workloads.training_records import leaf_args, leaf_parameters

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Collected, Step
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = [
    "begin_datagen",
    "differences",
    "file_sizes",
    "finish_datagen",
    "found",
    "mark_dataset",
    "refuse_foreign",
    "require_dataset",
    "require_room",
    "space_bytes",
]

SPACE_MARGIN = 1.02
"""File systems need some room of their own beyond the data's bytes."""

# Where the data lie and how many subfolders they have may differ between two looks at one result.
_NOT_COMPARED = frozenset(
    {"dataset.data_folder", "dataset.total_disk_bytes", "workflow.generate_data", "workflow.train", "workflow.checkpoint"}
)

# What the size of a data set follows from, and what its files do: a later run may read them in another way.
_SIZING = ("dataset.num_files_train", "dataset.num_samples_per_file", "dataset.record_length", "dataset.parquet", "reader.batch_size")
_FILES = ("dataset.",)


def differences(planned: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """Official parameters that a recorded leaf has otherwise than the plan, as ``key: recorded, planned`` lines."""
    mine, theirs = dict(dotted(planned)), dict(dotted(recorded))
    return [
        f"{key}: {theirs.get(key)!r} in the tree, {mine.get(key)!r} planned"
        for key in sorted((mine.keys() | theirs.keys()) - _NOT_COMPARED)
        if str(mine.get(key)) != str(theirs.get(key))
    ]


def _leaves(plan: TrainingPlan, phase: str) -> list[Leaf]:
    """Finished leaves of a phase, oldest first."""
    result = read_training_result(plan.result_dir(), root=plan.config.results_dir)
    leaves = {"datasize": result.datasize, "datagen": result.datagen, "run": result.runs}[phase]
    return [leaf for leaf in leaves if leaf.metadata is not None]


_AGAIN = {"datasize": "all", "datagen": "datagen", "run": "run"}
"""What ``--mlps-rerun`` must name so that a phase is done again, with all that rests on it."""


def refuse_foreign(plan: TrainingPlan, leaf: Leaf) -> None:
    """Raise FileSystemError with each parameter of which the leaf and the plan disagree; one without metadata says nothing."""
    if leaf.metadata is None:
        return
    prefixes = {"datasize": _SIZING, "datagen": _FILES}.get(leaf.phase, ("",))
    different = [d for d in differences(leaf_parameters(plan, leaf.phase), leaf.metadata.parameters) if d.startswith(prefixes)]
    if leaf.phase != "datagen" and str(leaf.metadata.num_processes) != str(plan.ranks):
        different.append(f"num_processes: {leaf.metadata.num_processes} in the tree, {plan.ranks} planned")
    if leaf.phase == "run":
        different += _of_another_system(plan, leaf.metadata)
    if different:
        raise FileSystemError(
            f"{leaf.relpath} was made with other parameters; one result holds runs of one workload only, and nothing was done",
            details={"differences": "; ".join(different)},
            suggestion="give what you try out a name of its own, which keeps both results side by side: --mlps-set system=NAME; or have it "
            f"measured anew, which sets the old leaves aside in .mlps/superseded: --mlps-rerun={_AGAIN[leaf.phase]}",
            code="MLPS-E432",
        )


def _of_another_system(plan: TrainingPlan, metadata: LeafMetadata) -> Iterator[str]:
    """Accelerator and hosts of a run that are not those of the plan."""
    if metadata.accelerator != plan.accelerator:
        yield f"accelerator: {metadata.accelerator} in the tree, {plan.accelerator} planned"
    planned = leaf_args(plan, "run")
    for key in ("hosts", "num_client_hosts"):
        if key in metadata.args and metadata.args[key] != planned[key]:
            yield f"{key}: {metadata.args[key]} in the tree, {planned[key]} planned"


def found(plan: TrainingPlan, step: Step) -> str | None:
    """Why a step counts as done, or None. Raises FileSystemError where what is there contradicts the plan."""
    leaves = _leaves(plan, step.phase)
    if step.phase == "datasize":
        for leaf in leaves:
            refuse_foreign(plan, leaf)
        return leaves[-1].relpath if leaves else None
    if step.phase == "run":  # what stands of a series is decided by training_series, for all runs together
        for leaf in leaves:
            refuse_foreign(plan, leaf)
        return leaves[step.index].relpath if len(leaves) > step.index else None
    return _datagen_found(plan, leaves)


def _datagen_found(plan: TrainingPlan, leaves: list[Leaf]) -> str | None:
    for leaf in leaves:
        refuse_foreign(plan, leaf)
    state = read_dataset_state(plan.config.data_dir, plan.model)
    if (made := _made_by(state, leaves)) is not None:
        return f"{made[0].relpath} (its data set was complete but for the mark)"
    if isinstance(state, Complete):
        _require_match(plan, state)
        return (
            leaves[-1].relpath if leaves else f"complete data set in {plan.data_folder}, made by {state.manifest.source_datagen_result_dir}"
        )
    if leaves:
        if len(_leaves(plan, "run")) >= sum(s.phase == "run" for s in plan.case.steps):
            return f"{leaves[-1].relpath} (the data set itself is no longer in {plan.data_folder}; every run is done)"
        raise FileSystemError(
            f"{leaves[-1].relpath} says that the data set was generated, but {plan.data_folder} holds no complete one",
            suggestion="bring the data set back; or have it generated and measured anew, which sets the old leaves aside: "
            "--mlps-rerun=datagen (a result has exactly one datagen, rule 2.1.13)",
            code="MLPS-E430",
        )
    return None


def _made_by(state: DatasetState, leaves: Iterable[Leaf]) -> tuple[Leaf, Mapping[str, float]] | None:
    """The leaf of a generation that was killed between it and the mark, with its figures. A leaf says that every byte was counted."""
    if not isinstance(state, InProgress):
        return None
    for leaf in leaves:
        told = leaf.metadata.mlps if leaf.metadata is not None else {}
        metrics = told.get("metrics")
        if told.get("run_id") == state.run_id and isinstance(metrics, Mapping) and integer(metrics.get("bytes_on_disk")) is not None:
            return leaf, metrics
    return None


def mark_dataset(plan: TrainingPlan) -> None:
    """Mark a data set as complete that lacks nothing but the mark; nothing else is touched."""
    state = read_dataset_state(plan.config.data_dir, plan.model)
    made = _made_by(state, _leaves(plan, "datagen")) if isinstance(state, InProgress) else None
    if made is not None and isinstance(state, InProgress):
        complete_dataset(plan.config.data_dir, _manifest(plan, made[0].path, state.run_id, made[1]))


def require_dataset(plan: TrainingPlan) -> None:
    """Raise FileSystemError unless the complete data set of this plan is in its place."""
    state = read_dataset_state(plan.config.data_dir, plan.model)
    if isinstance(state, Complete):
        _require_match(plan, state)
        return
    what = _half_made(state) or "there is none"
    raise FileSystemError(
        f"no complete data set in {plan.data_folder}: {what}",
        suggestion=f"run the datagen item first: pytest benchmarks/ -k 'test_datagen and {plan.case.id}'",
        code="MLPS-E430",
    )


def space_bytes(plan: TrainingPlan) -> int:
    """Bytes that must be free for the data set.

    None where that very one is complete: it is read, or written over where it is made anew. Where another one is, what this one has more.
    """
    state, there = read_dataset_state(plan.config.data_dir, plan.model), 0
    if isinstance(state, Complete):
        if not state.manifest.differences(plan.dataset_parameters):
            return 0
        there = state.manifest.total_bytes_on_disk
    return int(max(0, plan.dataset_bytes - there) * SPACE_MARGIN)


def require_room(plan: TrainingPlan) -> None:
    """Raise FileSystemError where a data set lies in the folder whose files the plan's would not replace: DLIO reads them all."""
    state = read_dataset_state(plan.config.data_dir, plan.model)
    if not isinstance(state, Complete):
        return
    there, wanted = (state.manifest.num_files_train, state.manifest.format), (plan.files, plan.file_suffix)
    if there != wanted:
        raise FileSystemError(
            f"{plan.data_folder} holds a data set of {there[0]} {there[1]} files, with which those that are planned would be mixed",
            details={"planned": f"{wanted[0]} {wanted[1]} files"},
            suggestion="remove that folder, or choose another --mlps-data-dir",
            code="MLPS-E431",
        )


def _half_made(state: DatasetState) -> str:
    """Say what is half-made; empty where nothing is."""
    if isinstance(state, InProgress):
        return f"one was begun at {state.since} by run {state.run_id} and not finished"
    return f"its mark {state.file} cannot be read ({state.message})" if isinstance(state, Unreadable) else ""


def _require_match(plan: TrainingPlan, state: Complete) -> None:
    different = [str(difference) for difference in state.manifest.differences(plan.dataset_parameters)]
    sizes = file_sizes(plan)
    files, size = len(sizes), sum(sizes)
    if (files, size) != (state.manifest.num_files_train, state.manifest.total_bytes_on_disk):
        different.append(
            f"{files} files of {size} bytes together are there, {state.manifest.num_files_train} of "
            f"{state.manifest.total_bytes_on_disk} were generated"
        )
    if state.manifest.num_files_train < plan.files:
        different.append(f"dataset.num_files_train: {state.manifest.num_files_train} on disk, {plan.files} wanted")
    if different:
        raise FileSystemError(
            f"the data set in {plan.data_folder} is not the one planned, or is damaged",
            details={"differences": "; ".join(different), "made by": state.manifest.source_datagen_result_dir},
            suggestion="choose another --mlps-data-dir, or remove that folder",
            code="MLPS-E431",
        )


def file_sizes(plan: TrainingPlan) -> list[int]:
    """Bytes of each file of the data set in its folder: names alone do not make it complete. Raises FileSystemError."""
    folder = plan.data_folder / "train"
    try:
        return [path.stat().st_size for path in folder.rglob(f"*.{plan.file_suffix}")]
    except OSError as error:  # a link that leads nowhere, a file that went meanwhile, a file system that is gone
        raise file_system_error("the files of the data set cannot be looked at", folder, error) from error


def begin_datagen(plan: TrainingPlan, run_id: str) -> tuple[str, ...]:
    """Mark the data set as half-made; says so when it was half-made before."""
    half_made = _half_made(read_dataset_state(plan.config.data_dir, plan.model))
    begin_dataset(plan.config.data_dir, plan.model, run_id=run_id)
    return (f"{plan.data_folder}: {half_made}; generating it anew, every file is written again",) if half_made else ()


def _manifest(plan: TrainingPlan, leaf: Path, run_id: str, metrics: Mapping[str, float]) -> DatasetManifest:
    return DatasetManifest(
        model=plan.model,
        run_id=run_id,
        num_files_train=plan.files,
        num_samples_per_file=plan.samples_per_file,
        record_length_bytes=round(plan.size.record_bytes),
        format=plan.file_suffix,
        total_bytes_on_disk=int(metrics["bytes_on_disk"]),
        source_datagen_result_dir=leaf.relative_to(plan.config.results_dir).as_posix(),
        completed=datetime.now().astimezone().isoformat(timespec="seconds"),
        parameters=plan.dataset_parameters,
    )


def finish_datagen(plan: TrainingPlan, leaf: Path, run_id: str, collected: Collected) -> None:
    """Mark the data set as complete."""
    complete_dataset(plan.config.data_dir, _manifest(plan, leaf, run_id, collected.metrics))
