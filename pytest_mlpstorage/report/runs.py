"""The table of runs: one row a run leaf, from the tree and from what an item said while it ran."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import StoredResult, TrainingResult
from pytest_mlpstorage.rules.runs import required_utilization_percent, warmup_count
from pytest_mlpstorage.units import format_bytes

__all__ = ["RunRow", "merge", "row_of_item", "rows_of_result"]


@dataclasses.dataclass(frozen=True)
class RunRow:
    """One run. ``leaf`` is its path in the tree; figures that are not known are None, what else was measured is ``other``.

    ``command`` is how it was started, empty where nothing says so.
    """

    model: str
    accelerator: str = ""
    run: str = ""
    leaf: str = ""
    au_percent: float | None = None
    samples_per_second: float | None = None
    mib_per_second: float | None = None
    seconds: float | None = None
    mark: str = ""
    other: str = ""
    command: str = ""


_FIGURES: Mapping[str, tuple[str, ...]] = {
    "au_percent": ("au_percent", "train_au_mean_percentage"),
    "samples_per_second": ("samples_per_second", "train_throughput_mean_samples_per_second"),
    "mib_per_second": ("mib_per_second", "train_io_mean_MiB_per_second", "train_io_mean_MB_per_second"),
    "seconds": ("seconds",),
}
"""Names under which an item may give a figure of the table."""

_NOT_SHOWN = frozenset({"case", "model", "accelerator", "run", "phase", "leaf", "mark", "verdict", "expected_seconds", "deadline_seconds"})


def row_of_item(said: Mapping[str, Any]) -> RunRow:
    """The row that an item handed over under ``mlps_run``; ``other``, for which it has no column, is the headline, else each figure."""
    figures = {field: _figure(said, names) for field, names in _FIGURES.items()}
    known = {name for names in _FIGURES.values() for name in names} | _NOT_SHOWN
    headline = str(said.get("headline") or "")
    measured = any(figures[field] is not None for field in ("au_percent", "samples_per_second", "mib_per_second"))
    rest = {} if measured else {key: value for key, value in said.items() if key not in known and _is_number(value)}
    return RunRow(
        model=str(said.get("model") or said.get("case") or ""),
        accelerator=str(said.get("accelerator") or ""),
        run=str(said.get("run") or ""),
        leaf=str(said.get("leaf") or ""),
        mark=str(said.get("mark") or said.get("verdict") or ""),
        other=headline if rest and headline else _listed(rest),
        command=str(said.get("command") or ""),
        **figures,
    )


def _listed(figures: Mapping[str, Any]) -> str:
    return ", ".join(_with_name(key, value) for key, value in sorted(figures.items()))


def _with_name(name: str, value: float) -> str:
    """A figure without a headline: bytes as a size, what is counted before its name, and anything else after it."""
    if name == "bytes" or name.startswith("bytes_"):
        return f"{format_bytes(value)}{name.removeprefix('bytes').replace('_', ' ')}"
    return f"{value:,} {name}" if isinstance(value, int) else f"{name} {value:,.6g}"


def _figure(said: Mapping[str, Any], names: Iterable[str]) -> float | None:
    return next((float(said[name]) for name in names if _is_number(said.get(name))), None)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def rows_of_result(result: StoredResult, edition: Edition) -> list[RunRow]:
    """Rows of every run of a result, the warm-up marked, and those whose utilization is below the edition's minimum."""
    if not isinstance(result, TrainingResult):
        return []
    warmups = warmup_count(result, edition)
    required = required_utilization_percent(edition, result.model)
    rows = []
    for index, leaf in enumerate(result.runs):
        summary = leaf.summary
        metric = summary.metric if summary is not None else None
        au = metric.au_mean_percent if metric is not None else None
        marks = ["no summary"] if summary is None else []
        if au is not None and required is not None and au < required:
            marks.append(f"AU below {required:g} %")
        warmup = index < warmups
        rows.append(
            RunRow(
                model=result.model,
                accelerator=(leaf.metadata.accelerator if leaf.metadata else None) or result.accelerator or "",
                run="warm-up" if warmup else str(index + 1 - warmups),
                leaf=leaf.relpath,
                au_percent=au,
                samples_per_second=metric.mean_samples_per_second if metric is not None else None,
                mib_per_second=metric.io_mean_mib_per_second if metric is not None else None,
                seconds=summary.duration_seconds if summary is not None else None,
                mark=", ".join(marks),
                command=(leaf.metadata.executed_command or "") if leaf.metadata else "",
            )
        )
    return rows


def merge(from_tree: Iterable[RunRow], from_items: Iterable[RunRow]) -> list[RunRow]:
    """One row a leaf, sorted by leaf: what an item said, completed by what the tree holds."""
    rows = {row.leaf or f"{row.model} {row.run}": row for row in from_items}
    for row in from_tree:
        # The tree is what a result is judged by; its seconds are the run's own, from its start to its end.
        said = rows.get(row.leaf)
        rows[row.leaf] = dataclasses.replace(row, command=said.command) if said is not None and said.command else row
    return [rows[key] for key in sorted(rows)]
