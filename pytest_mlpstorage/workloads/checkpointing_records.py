"""What a checkpointing plan records: the metadata of a leaf, and the result as the preflight rules see it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage import __version__
from pytest_mlpstorage.nested import overlay
from pytest_mlpstorage.results.planned import planned_checkpointing
from pytest_mlpstorage.results.records import CheckpointingResult, LeafMetadata, Summary
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.base import Step

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["leaf_metadata", "leaf_parameters", "result_of_plan"]


def leaf_parameters(plan: CheckpointingPlan, step: Step) -> dict[str, Any]:
    """The nested parameters that a leaf of this step records."""
    return overlay(plan.parameters, plan.step_parameters(step))


def leaf_metadata(plan: CheckpointingPlan, step: Step, leaf: Path) -> LeafMetadata:
    """The metadata record of a leaf, in the edition's vocabulary; what only we know goes under ``mlps``."""
    whatif = plan.config.division is Division.WHATIF
    return LeafMetadata(
        benchmark_type="checkpointing",
        model=plan.model,
        command="run",
        run_datetime=leaf.name,
        num_processes=plan.ranks,
        accelerator=plan.accelerator,
        result_dir=str(leaf),
        parameters=leaf_parameters(plan, step),
        override_parameters={**plan.overrides, **plan.step_parameters(step)},
        args=_args(plan, step),
        system_info=plan.cluster.system_info(),
        verification=None if whatif else plan.config.division.value.upper(),
        mlps={
            "tool": {"name": "pytest-mlpstorage", "version": __version__},
            "rules_edition": plan.edition.name,
            "not_for_submission": whatif,
            "step": step.name,
            "python": sys.version.split()[0],
            "engine": plan.engine.record(),
            "checkpoint": {
                "bytes": plan.total_bytes,
                "gib": plan.total_bytes / GIB,
                "bytes_by_host": list(plan.host_bytes),
                "ranks_by_host": list(plan.placement),
                "data_parallel": plan.size.data_parallel if plan.size is not None else None,
            },
        },
    )


def _args(plan: CheckpointingPlan, step: Step) -> dict[str, Any]:
    """The command-line snapshot that the official tool writes, of what we have of it."""
    config, hosts = plan.config, len(plan.placement)
    writes, reads = plan.counts(step)
    return {
        "mode": config.division.value,
        "benchmark": "checkpointing",
        "command": "run",
        "model": plan.model,
        "hosts": [host.name for host in config.cluster.hosts[:hosts]],
        "num_processes": plan.ranks,
        "accelerator_type": plan.accelerator,
        "num_client_hosts": hosts,
        "client_host_memory_in_gb": round(sum(plan.host_memory_gib) / hosts, 3),
        "checkpoint_folder": str(plan.base_folder),
        "results_dir": str(config.results_dir),
        "num_checkpoints_write": writes,
        "num_checkpoints_read": reads,
        "checkpoint_subset": plan.subset,
        "orgname": config.submitter,
        "systemname": config.system,
        "params": [f"{key}={value}" for key, value in sorted(plan.overrides.items())],
    }


def result_of_plan(plan: CheckpointingPlan) -> CheckpointingResult:
    """The result as the preflight rules see it: this plan's records, and summaries that hold the size and no measurement."""
    config = plan.config
    metric = {"checkpoint_size_GB": plan.size.total_gib} if plan.size is not None else {}
    summary = Summary(
        num_accelerators=plan.ranks,
        num_hosts=len(plan.placement),
        host_memory_gib=plan.host_memory_gib,
        epochs=0,
        raw={"metric": metric},
    )
    return planned_checkpointing(
        root=config.results_dir,
        division=config.division,
        submitter=config.submitter,
        system=config.system,
        edition=plan.edition.name,
        runs=[leaf_metadata(plan, step, plan.result_dir() / "planned") for step in plan.case.steps],
        summary=summary,
    )
