"""The files of a leaf: those of the official tool with its keys, and everything of ours in one block ``mlps`` of ``summary.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.vector_records import CONFIG

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["SCHEMA", "SUMMARY", "collection_facts", "config_file", "engine_block", "write_datagen"]

SCHEMA: Final = 1
SUMMARY: Final = "summary.json"


def collection_facts(job: VectorJob) -> dict[str, Any]:
    """What was loaded and searched, by the keys of the official summary. The database bears its true name."""
    return {
        "num_vectors": job.data.rows,
        "dimension": job.data.dim,
        "index_type": job.family,
        "database": {"database": job.engine, "storage_backend": job.storage_backend or None},
    }


def engine_block(engine: Mapping[str, Any], *, requested: Mapping[str, Any], effective: Mapping[str, Any], method: str) -> dict[str, Any]:
    """``mlps.engine`` from what a worker told of its engine. ``method`` is how the engine's processes were found."""
    versions = engine["versions"]
    return {
        "name": engine["name"],
        "version": versions.get("engine"),
        "server_version": versions.get("server"),
        "client_version": versions.get("client"),
        "licence": versions.get("licence"),
        "index_native": engine["index_native"],
        "residence": engine["residence"],
        "form": engine["form"],
        "params_requested": dict(requested),
        "params_effective": dict(effective),
        "io_backend": versions.get("io_backend"),
        "pids_method": method,
    }


def write_datagen(job: VectorJob, found: Mapping[str, Any]) -> None:
    """The summary and the configuration of a load."""
    folder, stats, build = Path(job.output_dir), found["stats"], found["build"]
    write_json(
        folder / SUMMARY,
        {
            **collection_facts(job),
            "inserted_vectors": stats["rows"],
            "mlps": {
                "schema": SCHEMA,
                "engine": engine_block(found["engine"], requested=job.build, effective=build["effective"], method="none"),
                "dataset": found["dataset"],
                "load": {
                    "seconds": found["load_seconds"],
                    "build_seconds": build["seconds"],
                    "rows": stats["rows"],
                    "distinct_ids": stats["distinct_ids"],
                    "index_completeness": stats["completeness"],
                    "bytes_on_disk": stats["bytes_on_disk"],
                },
                "memory": {"peak_rss": found["peak_rss"]},
                "thresholds": job.to_json()["thresholds"],
            },
        },
    )
    write_json(folder / CONFIG, config_file(job))


def config_file(job: VectorJob) -> dict[str, Any]:
    """``config.json``: what was asked for, by the official keys."""
    return {
        "processes": job.all_workers,
        "batch_size": 1,
        "vector_dim": job.data.dim,
        "num_vectors": job.data.rows,
        "collection_name": job.name,
        "runtime_seconds": job.runtime_seconds,
        "search_limit": job.k,
        "search_ef": job.search.get("search_ef"),
        "recall_k": job.k,
        "metric_type": job.metric,
        "index_type": job.family,
        "index_params": dict(job.build),
        "search_params": dict(job.search),
    }
