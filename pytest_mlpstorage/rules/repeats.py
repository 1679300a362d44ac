"""The single values behind each headline of a result, of runs, checkpoints or trials: a difference means something beyond their spread."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.checkpoint_metric import PHASES, checkpoints_of_rank
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.reader import read_epoch_stats
from pytest_mlpstorage.results.records import (
    CheckpointingResult,
    KVCacheResult,
    Leaf,
    LeafMetadata,
    StoredResult,
    TrainingResult,
    VectorDatabaseResult,
)
from pytest_mlpstorage.rules.aggregate import aggregate_training, measured_runs
from pytest_mlpstorage.rules.aggregate_checkpointing import RATE_COLUMNS, aggregate_checkpointing, aggregate_checkpointing_v2
from pytest_mlpstorage.rules.aggregate_kv_cache import trial_metrics
from pytest_mlpstorage.rules.aggregate_v1 import overall_metrics
from pytest_mlpstorage.rules.aggregate_v2 import aggregate_training_v2
from pytest_mlpstorage.rules.aggregate_vector_database import aggregate_vector_database
from pytest_mlpstorage.rules.headlines import headline_of
from pytest_mlpstorage.rules.kv_cache_runs import published, with_summary
from pytest_mlpstorage.rules.metrics import metrics_of
from pytest_mlpstorage.rules.round_v2_runs import finished_by_accelerator, named
from pytest_mlpstorage.verdict import Division, NoEvidence

__all__ = ["Figure", "figures_of"]

_WINDOW: Final = {
    "read_gib_per_second": "storage_read_bandwidth_window_gibps",
    "write_gib_per_second": "storage_write_bandwidth_window_gibps",
}


_PASS: Final = re.compile(r"option(\d{1,6})-trial", re.ASCII)
"""How the steps of a KV cache run are called."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """One headline of a result: its value as the rule book forms it, and the single ``values`` behind it (``of`` says of what)."""

    value: float
    values: tuple[float, ...] = ()
    of: str = "runs"

    @property
    def low(self) -> float:
        """The least of the single values."""
        return min(self.values, default=self.value)

    @property
    def high(self) -> float:
        """The greatest of the single values."""
        return max(self.values, default=self.value)


def figures_of(result: StoredResult, edition: Edition) -> dict[str, Figure]:
    """The headlines of a result by their official names; one that the runs do not give is absent, never 0."""
    metrics = {**metrics_of(result, edition), **_window_rates(result)}
    values, of = _single(result, edition)
    found = {}
    for name, value in metrics.items():
        if headline_of(name) is not None and isinstance(value, (int, float)) and math.isfinite(value):
            found[name] = Figure(float(value), tuple(values.get(name, ())), of)
    return found


def _single(result: StoredResult, edition: Edition) -> tuple[Mapping[str, list[float]], str]:
    if isinstance(result, TrainingResult):
        return _listed(_training(result, edition)), "runs"
    if isinstance(result, CheckpointingResult):
        runs = _listed(_checkpointing(result, edition))
        if any(len(values) > 1 for values in runs.values()):
            return runs, "runs"
        return _listed(_checkpoints(result)), "checkpoints"
    if isinstance(result, VectorDatabaseResult) and edition.vector_database is not None:
        alone = (dataclasses.replace(result, runs=(leaf,)) for leaf in result.runs)
        return _listed(aggregate_vector_database(one, edition).metrics for one in alone), "runs"
    if isinstance(result, KVCacheResult) and edition.kv_cache is not None:
        return _listed(chain(trial_metrics(result, edition), _window_trials(result))), "trials"
    return {}, "runs"


def _listed(each: Iterator[Mapping[str, float | str]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for metrics in each:
        for name, value in metrics.items():
            if isinstance(value, (int, float)):
                found.setdefault(name, []).append(value)
    return found


def _training(result: TrainingResult, edition: Edition) -> Iterator[Mapping[str, float]]:
    """The metrics of each measured run as if it were the whole result: nothing is claimed of one, so as whatif."""
    if edition.name == "1.0":
        yield from (overall_metrics([leaf.summary]) for leaf in result.runs if leaf.summary is not None)
    elif edition.name == "2.0":
        yield from _round_2(result, edition)
    else:
        for leaf in measured_runs(result, edition):
            yield aggregate_training(dataclasses.replace(_alone(result, leaf), division=Division.WHATIF), edition).metrics


def _round_2(result: TrainingResult, edition: Edition) -> Iterator[Mapping[str, float]]:
    groups = finished_by_accelerator(result)
    for accelerator, group in groups.items():
        for run in group:
            alone = dataclasses.replace(_alone(result, run.leaf), division=Division.WHATIF)
            for name, value in aggregate_training_v2(alone, edition).metrics.items():
                yield {named(name, accelerator, groups): value}


def _alone(result: TrainingResult, leaf: Leaf) -> TrainingResult:
    """The result with one run only, which says of itself that it is no warm-up."""
    metadata = leaf.metadata if leaf.metadata is not None else LeafMetadata()
    leaf = dataclasses.replace(leaf, metadata=dataclasses.replace(metadata, mlps={**metadata.mlps, "step": "1"}))
    return dataclasses.replace(result, runs=(leaf,))


def _checkpointing(result: CheckpointingResult, edition: Edition) -> Iterator[Mapping[str, float | str]]:
    for leaf in result.runs:
        alone = dataclasses.replace(result, runs=(leaf,))
        yield (aggregate_checkpointing_v2(alone) if edition.name == "2.0" else aggregate_checkpointing(alone, edition)).metrics


def _checkpoints(result: CheckpointingResult) -> Iterator[Mapping[str, float]]:
    """Each checkpoint as rank 0 timed it, whose means the summary holds; the runs of a phase are one then."""
    for leaf in result.runs:
        stats, _ = read_epoch_stats(leaf, root=result.root)
        for phase in PHASES:
            rate, duration = RATE_COLUMNS[phase]
            for checkpoint in checkpoints_of_rank(stats[0], phase) if stats else ():
                seconds = checkpoint.span.wall_seconds
                known = {rate: checkpoint.gib_per_second, duration: seconds}
                yield {name: value for name, value in known.items() if value is not None and math.isfinite(value)}


def _window_trials(result: KVCacheResult) -> Iterator[Mapping[str, float]]:
    """The same rates of each pass, which the record of the run tells."""
    leaf = published(result)
    passes = leaf.metadata.mlps.get("passes") if leaf is not None and leaf.metadata is not None else None
    for told in passes if isinstance(passes, list) else ():
        match = _PASS.match(str(told.get("step"))) if isinstance(told, Mapping) else None
        metrics = told.get("metrics") if match is not None else None
        if match is not None and isinstance(metrics, Mapping):
            values = {f"option {match[1]} {name}": number(metrics.get(name)) for name in _WINDOW}
            yield {name: value for name, value in values.items() if value is not None}


def _window_rates(result: StoredResult) -> dict[str, float]:
    """What our own program says of a KV cache run: bandwidths of what was completed in the window."""
    found = with_summary(result) if isinstance(result, KVCacheResult) else NoEvidence("")
    if isinstance(found, NoEvidence):
        return {}
    rates = {}
    for _, option in sorted(found[1].options.items()):
        block = option.raw.get("mlps")
        for name, key in _WINDOW.items():
            value = number(block.get(key)) if isinstance(block, Mapping) else None
            if value is not None:
                rates[f"option {option.number} {name}"] = value
    return rates
