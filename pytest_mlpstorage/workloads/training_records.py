"""What a training plan records: the metadata of a leaf, and the result as the preflight rules see it."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage import __version__
from pytest_mlpstorage.nested import overlay
from pytest_mlpstorage.results.planned import planned_result
from pytest_mlpstorage.results.records import LeafMetadata, Summary, TrainingResult
from pytest_mlpstorage.results.state import LEAF_MANIFEST
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.base import Step

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["leaf_args", "leaf_metadata", "leaf_parameters", "result_of_plan"]


def leaf_parameters(plan: TrainingPlan, phase: str) -> dict[str, Any]:
    """The nested parameters that a leaf of this phase records."""
    if phase == "datagen":
        workflow = {"workflow.generate_data": True, "workflow.train": False, "workflow.checkpoint": False}
        return overlay(plan.parameters, {**plan.datagen_changes, **workflow})
    if phase == "datasize":
        return overlay(plan.parameters, {"dataset.total_disk_bytes": plan.dataset_bytes})
    return overlay(plan.parameters, {})


def leaf_metadata(plan: TrainingPlan, step: Step, leaf: Path) -> LeafMetadata:
    """The metadata record of a leaf, in the edition's vocabulary; what only we know goes under ``mlps``."""
    overrides: dict[str, Any] = dict(plan.overrides)
    if step.phase == "datasize":
        overrides["dataset.total_disk_bytes"] = plan.dataset_bytes
    whatif = plan.config.division is Division.WHATIF
    return LeafMetadata(
        benchmark_type="training",
        model=plan.model,
        command=step.phase,
        run_datetime=leaf.name,
        num_processes=plan.ranks,
        accelerator=plan.accelerator,
        result_dir=str(leaf),
        parameters=leaf_parameters(plan, step.phase),
        override_parameters=overrides,
        args=leaf_args(plan, step.phase),
        system_info=plan.cluster.system_info(),
        verification=None if whatif else plan.config.division.value.upper(),
        datagen_manifest_file=LEAF_MANIFEST if step.phase == "run" else None,
        mlps={
            "tool": {"name": "pytest-mlpstorage", "version": __version__},
            "rules_edition": plan.edition.name,
            "not_for_submission": whatif,
            "step": step.name,
            "python": sys.version.split()[0],
            **_engine(plan),
            "dataset": {
                "floors": [dataclasses.asdict(floor) for floor in plan.size.floors],
                "binding": plan.size.binding,
                "minimum_files": plan.size.minimum_files,
                "files": plan.files,
                "bytes": plan.dataset_bytes,
            },
        },
    )


def leaf_args(plan: TrainingPlan, phase: str) -> dict[str, Any]:
    """The command-line snapshot that the official tool writes, of what we have of it."""
    config, hosts = plan.config, len(plan.cluster.hosts)
    return {
        "mode": config.division.value,
        "benchmark": "training",
        "command": phase,
        "model": plan.model,
        "hosts": [host.name for host in config.cluster.hosts],
        "num_processes": plan.ranks,
        "num_accelerators": plan.ranks,
        "max_accelerators": plan.ranks,
        "accelerator_type": plan.accelerator,
        "num_client_hosts": hosts,
        "client_host_memory_in_gb": round(plan.cluster.total_memory_bytes / hosts / GIB, 3),
        "data_dir": str(config.data_dir),
        "results_dir": str(config.results_dir),
        "orgname": config.submitter,
        "systemname": config.system,
        "params": [f"{key}={value}" for key, value in sorted(plan.overrides.items())],
    }


def _engine(plan: TrainingPlan) -> dict[str, Any]:
    """What will measure, where it was asked; a finished leaf says what did."""
    found = plan.capabilities
    if found is None or not found.usable:
        return {}
    from pytest_mlpstorage.dlio.engine import choose

    parts = choose(plan.parameters, flavour=found.flavour, reader="auto", generator="auto")
    kind = {"name": "dlio", "version": found.version, "flavour": found.flavour, "commit": found.commit}
    return {"engine": {**kind, "reader": parts.reader, "generator": parts.generator, "builtin": parts.builtin}}


def result_of_plan(plan: TrainingPlan) -> TrainingResult:
    """The result as the preflight rules see it: this plan's records, and a summary that holds no metric yet."""
    config, step = plan.config, Step("1", "run")
    summary = Summary(
        num_accelerators=plan.ranks,
        num_hosts=len(plan.cluster.hosts),
        host_memory_gib=tuple(host.memory_bytes / GIB for host in plan.cluster.hosts),
        num_files_train=plan.files,
        num_files_eval=0,
        num_samples_per_file=plan.samples_per_file,
        epochs=plan.epochs,
    )
    return planned_result(
        root=config.results_dir,
        division=config.division,
        submitter=config.submitter,
        system=config.system,
        edition=plan.edition.name,
        metadata=leaf_metadata(plan, step, plan.leaf_parent(step) / "planned"),
        summary=summary,
        runs=1,
    )
