"""The tables of a checkpointing result: ``results.json`` beside its runs, and its row of the organisation's table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.columns import COLUMNS
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.results.tables import Row, recorded_run, whose

__all__ = ["checkpoint_row", "checkpoint_table", "write_checkpoint_table"]


def checkpoint_table(result: CheckpointingResult) -> list[dict[str, Any]]:
    """Rows of ``results.json`` beside the runs, one a leaf, as recorded: nothing is averaged, a missing metric is absent."""
    return [recorded_run(result, leaf, ("num_accelerators", "num_hosts")) for leaf in result.runs]


def write_checkpoint_table(result: CheckpointingResult) -> Path:
    """Write or replace ``results.json`` (rule 2.1.22) of a result; raises FileSystemError."""
    path = result.root.joinpath(*result.relpath.split("/"), "results.json")
    write_json(path, checkpoint_table(result), keep_equal=True)
    return path


def checkpoint_row(result: CheckpointingResult, metrics: Mapping[str, Any]) -> Row:
    """One row of the organisation's table: ``metrics`` are those of the result by their official columns (4.3.6)."""
    hosts = {leaf.summary.num_hosts for leaf in result.runs if leaf.summary is not None}
    known = {
        **whose(result),
        "Checkpointing - # Client Nodes": next(iter(hosts)) if len(hosts) == 1 and None not in hosts else "",
        "Checkpointing - Logs": {"text": "Logs", "href": result.relpath},
        **metrics,
    }
    return {column: known.get(column, "") for column in COLUMNS}
