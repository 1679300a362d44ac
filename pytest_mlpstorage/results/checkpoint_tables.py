"""The tables of a checkpointing result: ``results.json`` beside its runs, and its row of the organisation's table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.columns import COLUMNS, MODEL_LABELS
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf
from pytest_mlpstorage.results.tables import Row

__all__ = ["checkpoint_row", "checkpoint_table", "write_checkpoint_table"]


def checkpoint_table(result: CheckpointingResult) -> list[dict[str, Any]]:
    """Rows of ``results.json`` beside the runs, one a leaf, as recorded: nothing is averaged, a missing metric is absent."""
    return [_row(result, leaf) for leaf in result.runs]


def _row(result: CheckpointingResult, leaf: Leaf) -> dict[str, Any]:
    metadata, summary = leaf.metadata, leaf.summary
    metrics: dict[str, Any] = {}
    if summary is not None:
        recorded = summary.raw.get("metric")
        metrics = {key: value for key, value in recorded.items() if value is not None} if isinstance(recorded, Mapping) else {}
        counts = {"num_accelerators": summary.num_accelerators, "num_hosts": summary.num_hosts}
        metrics |= {key: value for key, value in counts.items() if value is not None}
    info = metadata.system_info if metadata else None
    return {
        "run_id": leaf.relpath,
        "benchmark_type": result.benchmark,
        "model": result.model,
        "command": "run",
        "num_processes": metadata.num_processes if metadata else None,
        "accelerator": result.accelerator,
        "parameters": dict(metadata.parameters) if metadata else {},
        # The hosts one by one stand in each leaf's metadata and may take a megabyte.
        "system_info": None if info is None else {key: value for key, value in info.items() if not isinstance(value, (Mapping, list))},
        "metrics": metrics,
    }


def write_checkpoint_table(result: CheckpointingResult) -> Path:
    """Write or replace ``results.json`` (rule 2.1.22) of a result; raises FileSystemError."""
    path = result.root.joinpath(*result.relpath.split("/"), "results.json")
    write_json(path, checkpoint_table(result), keep_equal=True)
    return path


def checkpoint_row(result: CheckpointingResult, metrics: Mapping[str, Any]) -> Row:
    """One row of the organisation's table: ``metrics`` are those of the result by their official columns (4.3.6)."""
    hosts = {leaf.summary.num_hosts for leaf in result.runs if leaf.summary is not None}
    known = {
        "Organization": result.submitter,
        "Division": result.division.value.upper(),
        "Benchmark Type": result.benchmark,
        "Model": MODEL_LABELS.get(result.model, result.model),
        "Name": result.system,
        "Checkpointing - # Client Nodes": next(iter(hosts)) if len(hosts) == 1 and None not in hosts else "",
        "Checkpointing - Logs": {"text": "Logs", "href": result.relpath},
        **metrics,
    }
    return {column: known.get(column, "") for column in COLUMNS}
