"""What a vector database plan records: the metadata of a leaf, and the result as the preflight rules see it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage import __version__
from pytest_mlpstorage.nested import overlay
from pytest_mlpstorage.results.planned import planned_vector_database
from pytest_mlpstorage.results.records import LeafMetadata, VectorDatabaseResult
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.base import Step
from pytest_mlpstorage.workloads.vector_database_plan import BENCHMARK, VectorPlan

__all__ = ["leaf_metadata", "leaf_parameters", "result_of_plan", "storage_backend"]

_LOCAL: Final = "local_fs"


def storage_backend(plan: VectorPlan) -> str:
    """What the database keeps its data on, by the official word; empty where nobody said so of a server that is not ours."""
    return plan.entry.storage_backend or ("" if plan.entry.uri else _LOCAL)


def leaf_parameters(plan: VectorPlan) -> dict[str, Any]:
    """The nested parameters in effect, by the keys of the rule book where it has one."""
    section = plan.section
    flat = {
        "database.database": plan.entry.engine,
        "dataset.collection_name": plan.name,
        "dataset.num_vectors": plan.rows,
        "dataset.dimension": plan.dim,
        "dataset.distribution": section.generator,
        "dataset.seed": section.seed,
        "dataset.num_shards": plan.shards,
        "dataset.vector_dtype": str(plan.rules.defaults.get("dataset.vector_dtype", "")),
        "index.index_type": plan.entry.index_type,
        "index.metric_type": plan.metric,
        **{f"index.{key}": value for key, value in plan.build.items()},
        **{f"search.{key}": value for key, value in plan.search.items()},
        "search.search_limit": section.k,
        "search.recall_k": section.k,
        "run.mode": "timed",
        "run.runtime": plan.runtime_seconds,
        "run.num_query_processes": plan.workers,
        "run.batch_size": 1,
        "storage.storage_root": plan.address or str(plan.folder),
        "storage.storage_type": storage_backend(plan) or None,
    }
    return overlay({}, flat)


def leaf_metadata(plan: VectorPlan, step: Step, leaf: Path) -> LeafMetadata:
    """The metadata record of a leaf; what only we know goes under ``mlps``."""
    whatif = plan.config.division is Division.WHATIF
    return LeafMetadata(
        benchmark_type=BENCHMARK,
        model=f"{plan.entry.engine}_{plan.entry.index_type}",
        command=step.phase,
        run_datetime=leaf.name,
        num_processes=1 if step.phase == "datagen" else plan.ranks,
        result_dir=str(leaf),
        parameters=leaf_parameters(plan),
        override_parameters=dict(plan.overrides),
        args=_args(plan, step.phase),
        system_info=plan.cluster.system_info(),
        verification=None if whatif else plan.config.division.value.upper(),
        mlps={
            "tool": {"name": "pytest-mlpstorage", "version": __version__},
            "rules_edition": plan.edition.name,
            "not_for_submission": whatif,
            "step": step.name,
            "python": sys.version.split()[0],
            "engine": {"name": plan.entry.engine, "index_native": plan.family.native, "residence": plan.family.residence},
            "collection": dict(plan.dataset_parameters),
            "workload": {
                "cold_queries": plan.section.cold_queries,
                "queries": plan.section.queries,
                "stream_queries": plan.stream_queries,
                "processes": plan.processes,
                "k": plan.section.k,
            },
        },
    )


def _args(plan: VectorPlan, phase: str) -> dict[str, Any]:
    """The command-line snapshot that the official tool writes, of what we have of it."""
    config = plan.config
    runtime = plan.runtime_seconds
    return {
        "mode": config.division.value,
        "benchmark": "vectordb",
        "command": phase,
        "vdb_engine": plan.entry.engine,
        "vdb_index": plan.entry.index_type,
        "index_type": plan.entry.index_type,
        "num_vectors": plan.rows,
        "dimension": plan.dim,
        "hosts": [host.name for host in config.cluster.hosts],
        "num_client_hosts": plan.hosts,
        "num_processes": plan.ranks,
        "num_query_processes": plan.workers,
        "batch_size": 1,
        "distributed": plan.ranks > 1,
        **({"runtime": int(runtime) if runtime.is_integer() else runtime} if phase == "run" else {}),
        "data_dir": str(config.data_dir),
        "results_dir": str(config.results_dir),
        "orgname": config.submitter,
        "systemname": config.system,
        "params": [f"{key}={value}" for key, value in sorted(plan.overrides.items())],
    }


def result_of_plan(plan: VectorPlan) -> VectorDatabaseResult:
    """The result as the preflight rules see it: a load and every run, without figures."""
    config = plan.config
    load, runs = plan.case.steps[0], plan.case.steps[1:]
    return planned_vector_database(
        root=config.results_dir,
        division=config.division,
        submitter=config.submitter,
        system=config.system,
        edition=plan.edition.name,
        engine=plan.entry.engine,
        index=plan.entry.index_type,
        datagen=leaf_metadata(plan, load, plan.leaf_parent(load) / "planned"),
        runs=[leaf_metadata(plan, step, plan.leaf_parent(step) / "planned") for step in runs],
    )
