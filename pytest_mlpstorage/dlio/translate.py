"""What the edition's vocabulary means to the registry's DLIO 2.0.0, which does not know all of it (training.md §2, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import value_at

__all__ = ["RECORD_KEYS", "translate_for_registry"]

RECORD_KEYS = {
    "dataset.record_length_bytes": "dataset.record_length",
    "dataset.record_length_bytes_stdev": "dataset.record_length_stdev",
    "dataset.record_length_bytes_resize": "dataset.record_length_resize",
}


def translate_for_registry(workload: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys and values to set before DLIO 2.0.0 reads ``workload`` (the nested ``workload`` section).

    Record lengths in bytes become ``record_length…``; without checkpoints the tensors of rank 0 (half a gigabyte) and the
    checkpoint folder are not made; with them the size comes from ``model.model_size``. Raises ConfigurationError where
    both spellings are given and differ.
    """
    found: dict[str, Any] = {}
    for official, old in RECORD_KEYS.items():
        value, given = value_at(workload, official), value_at(workload, old)
        if value is None:
            continue
        if given is not None and given != value:
            raise ConfigurationError(
                f"{official} and {old} contradict each other",
                details={official: value, old: given},
                suggestion=f"leave {old} out",
                code="MLPS-E113",
            )
        found[old] = value
    if not value_at(workload, "workflow.checkpoint", False):
        found["checkpoint.model_size"] = 0
        found["checkpoint.layer_parameters"] = []
        found["checkpoint.optimization_groups"] = []
        # DLIO makes this folder although it will not write to it; the data folder is there anyway.
        found["checkpoint.checkpoint_folder"] = value_at(workload, "dataset.data_folder", ".")
    elif value_at(workload, "checkpoint.model_size") is None and value_at(workload, "model.model_size") is not None:
        found["checkpoint.model_size"] = value_at(workload, "model.model_size")
    return found
