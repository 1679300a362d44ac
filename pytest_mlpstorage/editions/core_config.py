"""The core-config-v1 hash: which runs did the same work, whatever their data set size and threads (rules.md §4.5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import plain

__all__ = ["core_config", "core_config_hash"]


class _Kept(NamedTuple):
    keys: frozenset[str]
    groups: tuple[str, ...]
    dropped: frozenset[str]


# The published key lists training@1 and checkpointing@1: part of the algorithm, equal for all editions. A group keeps
# what lies below it, so the scalar `model: unet3d` of edition 1.0 is not kept, as in the published hashes of that round.
_KEPT: Final = {
    "training": _Kept(
        keys=frozenset(
            {
                "framework", "metric.au",
                "dataset.format", "dataset.num_samples_per_file",
                "dataset.record_length_bytes", "dataset.record_length_bytes_stdev", "dataset.record_length_bytes_resize",
                "dataset.record_length", "dataset.record_length_stdev", "dataset.record_length_resize",
                "reader.data_loader", "reader.batch_size", "reader.file_shuffle", "reader.sample_shuffle", "reader.shuffle_size",
                "train.epochs", "train.computation_time", "train.computation_time_stdev", "train.total_training_steps",
            }
        ),
        groups=("model.", "workflow.", "checkpoint."),
        dropped=frozenset({"checkpoint.checkpoint_folder"}),
    ),
    "checkpointing": _Kept(
        keys=frozenset({"framework"}),
        groups=("model.", "workflow.", "checkpoint."),
        dropped=frozenset({"checkpoint.checkpoint_folder", "checkpoint.num_checkpoints_write", "checkpoint.num_checkpoints_read"}),
    ),
}  # fmt: skip


def _dotted(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def core_config(parameters: Mapping[str, Any], family: str) -> dict[str, Any]:
    """Pick the parameters that make the work what it is, as sorted dotted keys with their recorded values (no type is changed).

    ``parameters``: a run's *resolved* official parameters, nested or dotted. ``family``: training or checkpointing;
    another raises ConfigurationError, because how its hash is made is not published.
    """
    if family not in _KEPT:
        raise ConfigurationError(
            f"core-config hash of {family!r} is unknown: how it is made is not published; {nearest(family, _KEPT)}", code="MLPS-E116"
        )
    kept = _KEPT[family]
    return {
        key: plain(value)
        for key, value in sorted(_dotted(parameters), key=lambda item: item[0])  # values of one key written twice may not compare
        if (key in kept.keys or key.startswith(kept.groups)) and key not in kept.dropped
    }


def core_config_hash(parameters: Mapping[str, Any], family: str) -> str:
    """First 16 hex digits of the SHA-256 of the core config as compact JSON with sorted keys; raises as ``core_config``."""
    text = json.dumps(core_config(parameters, family), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
