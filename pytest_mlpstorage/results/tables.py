"""The tables of a results tree, derived from its leaves: ``run/results.json`` and the organisation's results.json/.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error, write_json, write_text
from pytest_mlpstorage.results.coerce import JSONObject
from pytest_mlpstorage.results.columns import COLUMNS, MODEL_LABELS
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import rollup_path
from pytest_mlpstorage.results.records import Leaf, StoredResult, TrainingResult
from pytest_mlpstorage.verdict import Division

__all__ = [
    "Row",
    "read_bandwidth_gib_per_second",
    "recorded_run",
    "rollup_row",
    "run_table",
    "whose",
    "withdraw_rollup",
    "write_rollup",
    "write_run_table",
    "write_table",
]

Row: TypeAlias = "dict[str, Any]"
"""One row of the organisation's table: the 54 columns in order, blank ("") where there is nothing to say."""

_MIB_PER_GIB = 1024
_IDENTITY = ("Organization", "Division", "Benchmark Type", "Model", "Name", "Training - Accelerator Type")


def run_table(result: TrainingResult) -> list[dict[str, Any]]:
    """Rows of ``run/results.json``, one a run leaf, as recorded: nothing is averaged, a missing metric is absent."""
    return [recorded_run(result, leaf, ("num_accelerators", "num_hosts", "epochs")) for leaf in result.runs]


def recorded_run(result: StoredResult, leaf: Leaf, counts: Sequence[str]) -> dict[str, Any]:
    """One row of the table beside the runs; ``counts`` are attributes of the summary that stand among the metrics."""
    metadata, summary = leaf.metadata, leaf.summary
    metrics: dict[str, Any] = {}
    if summary is not None:
        recorded = summary.raw.get("metric")
        metrics = {key: value for key, value in recorded.items() if value is not None} if isinstance(recorded, Mapping) else {}
        metrics |= {name: value for name in counts if (value := getattr(summary, name)) is not None}
    return {
        "run_id": leaf.relpath,
        "benchmark_type": result.benchmark,
        "model": result.model,
        "command": "run",
        "num_processes": metadata.num_processes if metadata else None,
        "accelerator": result.accelerator,
        "parameters": dict(metadata.parameters) if metadata else {},
        "system_info": _totals(metadata.system_info) if metadata else None,
        "metrics": metrics,
    }


def _totals(system_info: JSONObject | None) -> dict[str, Any] | None:
    """Keep the totals only: the hosts one by one stand in each leaf's metadata and may take a megabyte."""
    if system_info is None:
        return None
    return {key: value for key, value in system_info.items() if not isinstance(value, (Mapping, list))}


def write_run_table(result: TrainingResult) -> Path:
    """Write or replace ``run/results.json`` (rule 2.1.16) of a result; raises FileSystemError."""
    path = result.root.joinpath(*result.relpath.split("/"), "run", "results.json")
    write_json(path, run_table(result), keep_equal=True)
    return path


def read_bandwidth_gib_per_second(measured: Sequence[Leaf]) -> float | None:
    """Mean over the measured leaves of ``train_io_mean_MB_per_second`` (MiB/s), in GiB/s; None if any lacks it (rule 3.3.8)."""
    rates = [leaf.summary.metric.io_mean_mib_per_second if leaf.summary else None for leaf in measured]
    known = [rate for rate in rates if rate is not None]
    return sum(known) / len(known) / _MIB_PER_GIB if known and len(known) == len(rates) else None


def _agreed(values: Sequence[int | None]) -> int | str:
    """Give the value that all leaves share; blank where they differ or one has none."""
    first = values[0] if values else None
    return first if first is not None and set(values) == {first} else ""


def whose(result: StoredResult) -> Row:
    """The columns that say whose result a row is and of what."""
    return {
        "Organization": result.submitter,
        "Division": result.division.value.upper(),
        "Benchmark Type": result.benchmark,
        "Model": MODEL_LABELS.get(result.model, result.model),
        "Name": result.system,
    }


def rollup_row(result: TrainingResult, *, warmup_runs: int, description: Mapping[str, Any] | None = None) -> Row:
    """One row of the organisation's table: the training block from the measured leaves, the other blocks blank.

    ``warmup_runs`` leaves are dropped from the front; ``description`` fills columns that the system description knows.
    Raises ValueError for a column that does not exist.
    """
    unknown = set(description or {}) - set(COLUMNS)
    if unknown:
        raise ValueError(f"no such column: {', '.join(sorted(unknown))}")
    measured = result.runs[warmup_runs:]
    summaries = [leaf.summary for leaf in measured]
    bandwidth = read_bandwidth_gib_per_second(measured)
    known = {
        **whose(result),
        "Training - Accelerator Type": result.accelerator or "",
        "Training - # Client Nodes": _agreed([s.num_hosts if s else None for s in summaries]),
        "Training - Logs": {"text": "Logs", "href": result.relpath},
        "Training - # Simulated Accelerators": _agreed([s.num_accelerators if s else None for s in summaries]),
        "Training - Read B/W (GiB/s)": "" if bandwidth is None else bandwidth,
    }
    return {column: {**known, **(description or {})}.get(column, "") for column in COLUMNS}


def write_rollup(results_dir: Path, division: Division, submitter: str, rows: Sequence[Row]) -> tuple[Path, Path]:
    """Write ``results/results.json`` and ``results.csv`` of an organisation with these rows added or replaced.

    Rows of other results that stand in the table already are kept, and a Public ID stays with its row for ever. Raises
    FileSystemError where the standing table cannot be read (it is then left alone) or the new one cannot be written.
    """
    folder = rollup_path(results_dir, division, submitter)
    old = _standing_rows(folder / "results.json", results_dir)
    merged = {_identity(row): row for row in old}
    for row in rows:
        standing = merged.get(_identity(row))
        merged[_identity(row)] = {**row, "Public ID": row.get("Public ID") or (standing or {}).get("Public ID", "")}
    table = [merged[key] for key in sorted(merged)]
    write_json(folder / "results.json", table, keep_equal=True)
    write_text(folder / "results.csv", _csv(table), keep_equal=True)
    return folder / "results.json", folder / "results.csv"


def withdraw_rollup(results_dir: Path, division: Division, submitter: str, row: Row) -> bool:
    """Take the row of a result out of the organisation's table; whether there was one. Raises FileSystemError as ``write_rollup``.

    A row that has a Public ID stays: it was published, and the ID belongs to it. A table without rows goes.
    """
    folder = rollup_path(results_dir, division, submitter)
    old = _standing_rows(folder / "results.json", results_dir)
    kept = [standing for standing in old if _identity(standing) != _identity(row) or standing.get("Public ID")]
    if len(kept) == len(old):
        return False
    if kept:
        write_table(folder, kept)
    else:
        for path in (folder / "results.json", folder / "results.csv"):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise file_system_error("cannot take away a table without rows", path, error) from error
    return True


def write_table(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``results.json`` and ``results.csv`` of these rows as they are. Raises FileSystemError."""
    write_json(folder / "results.json", list(rows), keep_equal=True)
    write_text(folder / "results.csv", _csv(rows), keep_equal=True)


def _identity(row: Mapping[str, Any]) -> tuple[str, ...]:
    # Rows of vector databases have no model and no column for the database; where the logs are tells them apart.
    logs = row.get("VDB - Logs")
    place = str(logs.get("href", "")) if isinstance(logs, Mapping) else ""
    return (*(str(row.get(column, "")) for column in _IDENTITY), place)


def _standing_rows(path: Path, results_dir: Path) -> list[Row]:
    if not path.exists():
        return []
    files = TreeFiles(results_dir)
    content = files.content(path, limit=64 * 1024**2)
    try:
        rows = json.loads(content or b"")
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FileSystemError(
            "the table that stands there is not a list of rows; it is left alone",
            details={"path": path},
            suggestion="move it away; it is made anew from the leaves",
            code="MLPS-E414",
        )
    return rows


def _csv(rows: Sequence[Row]) -> str:
    # Columns that newer tables have beyond the 54 follow in the order in which rows bring them.
    extra = dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*COLUMNS, *extra], restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: value.get("href", "") if isinstance(value, Mapping) else value for key, value in row.items()})
    return buffer.getvalue()
