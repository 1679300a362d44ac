"""The metrics of any result, recomputed from the files of its runs: one way to them whatever its family and edition."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import CheckpointingResult, KVCacheResult, StoredResult, TrainingResult, VectorDatabaseResult
from pytest_mlpstorage.rules.aggregate import aggregate_training
from pytest_mlpstorage.rules.aggregate_checkpointing import aggregate_checkpointing, aggregate_checkpointing_v2
from pytest_mlpstorage.rules.aggregate_kv_cache import aggregate_kv_cache
from pytest_mlpstorage.rules.aggregate_v1 import aggregate_v1
from pytest_mlpstorage.rules.aggregate_v2 import aggregate_training_v2
from pytest_mlpstorage.rules.aggregate_vector_database import aggregate_vector_database

__all__ = ["Metric", "metrics_of"]

Metric = float | int | str


def metrics_of(result: StoredResult, edition: Edition) -> dict[str, Metric]:
    """Metrics by their official names (units in them); one that the runs do not give is absent, never 0."""
    return dict(_metrics(result, edition))


def _metrics(result: StoredResult, edition: Edition) -> Mapping[str, Metric]:
    if isinstance(result, TrainingResult):
        return _training(result, edition)
    if isinstance(result, CheckpointingResult):
        # Edition 2.0 takes the clocks of all ranks, edition 3.0 what each summary says.
        return (aggregate_checkpointing_v2(result) if edition.name == "2.0" else aggregate_checkpointing(result, edition)).metrics
    # An older edition has no such benchmark, so no metrics of it either; a tree may hold one all the same.
    if isinstance(result, VectorDatabaseResult) and edition.vector_database is not None:
        return aggregate_vector_database(result, edition).metrics
    if isinstance(result, KVCacheResult) and edition.kv_cache is not None:
        return aggregate_kv_cache(result, edition).metrics
    return {}


def _training(result: TrainingResult, edition: Edition) -> Mapping[str, Metric]:
    if edition.name == "1.0":
        return aggregate_v1(result)
    return (aggregate_training_v2 if edition.name == "2.0" else aggregate_training)(result, edition).metrics
