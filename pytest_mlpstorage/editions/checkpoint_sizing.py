"""Sizes of a checkpoint by DLIO's formulas: parameters of a model, bytes of each rank, GiB of all (rules.md §4.3)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.units import GIB

__all__ = ["SHAPE_KEYS", "CheckpointShape", "CheckpointSize", "checkpoint_size"]

_BYTES: Final = {"fp16": 2, "fp32": 4}
"""Bytes of an element, of the types that the edition's models use."""

_SHARDED_OVER_COPIES: Final = 3
"""The ZeRO stage that divides the model state over its copies; below it the first copy alone writes the model."""

_OPTIMIZER_TENSORS: Final = 3
_OPTIMIZER_VECTORS: Final = 5
# Far more ranks than any job has; a damaged record may name more than a loop can count.
_MOST_RANKS: Final = 100_000
_LARGEST: Final = 10**12

_COUNTS: Final = {
    "layers": "model.num_layers",
    "hidden": "model.transformer.hidden_size",
    "ffn_hidden": "model.transformer.ffn_hidden_size",
    "heads": "model.transformer.num_attention_heads",
    "kv_heads": "model.transformer.num_kv_heads",
    "vocabulary": "model.transformer.vocab_size",
    "tensor": "model.parallelism.tensor",
    "pipeline": "model.parallelism.pipeline",
}
_ZERO_STAGE: Final = "model.parallelism.zero_stage"
_MODEL_DATATYPE: Final = "model.model_datatype"
_OPTIMIZER_DATATYPE: Final = "model.optimizer_datatype"

SHAPE_KEYS: Final = (*_COUNTS.values(), _ZERO_STAGE, _MODEL_DATATYPE, _OPTIMIZER_DATATYPE)
"""The official parameters that the size of a checkpoint follows from."""


@dataclasses.dataclass(frozen=True)
class CheckpointShape:
    """A transformer as numbers. ``tensor`` × ``pipeline`` ranks hold one copy of it; bytes are those of one element."""

    layers: int
    hidden: int
    ffn_hidden: int
    heads: int
    kv_heads: int
    vocabulary: int
    tensor: int
    pipeline: int
    zero_stage: int
    model_element_bytes: int
    optimizer_element_bytes: int

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> CheckpointShape:
        """From nested official parameters in native types; ConfigurationError names what is missing or no such number."""
        return cls(
            **{name: _count(parameters, key) for name, key in _COUNTS.items()},
            zero_stage=_count(parameters, _ZERO_STAGE, least=0),
            model_element_bytes=_element_bytes(parameters, _MODEL_DATATYPE),
            optimizer_element_bytes=_element_bytes(parameters, _OPTIMIZER_DATATYPE),
        )

    @property
    def copy_processes(self) -> int:
        """Ranks that hold one copy of the model (TP × PP)."""
        return self.tensor * self.pipeline

    @property
    def parameters(self) -> int:
        """Parameters of the model: embedding and head, final norm, layers."""
        return 2 * self.vocabulary * self.hidden + self.hidden + self.layers * (2 * self.hidden + sum(self._matrices))

    @property
    def _matrices(self) -> tuple[int, ...]:
        """Elements of a layer's tensors but for its two norms: query-key-value, projection, feed-forward."""
        key_value = self.hidden // self.heads * self.kv_heads
        return (self.hidden * (self.hidden + 2 * key_value), self.hidden**2, 3 * self.ffn_hidden * self.hidden)

    def stage_layers(self, stage: int) -> int:
        """Layers of one pipeline stage: split evenly, what is left over to the first stages."""
        return self.layers // self.pipeline + (stage < self.layers % self.pipeline)

    def layer_bytes(self, shard: int) -> int:
        """Bytes of a rank for one layer, each tensor divided and rounded down by itself; norms not by TP."""
        return self.model_element_bytes * (2 * (self.hidden // shard) + sum(matrix // self.tensor // shard for matrix in self._matrices))

    def head_bytes(self, shard: int) -> int:
        """Bytes of a rank for the embedding, or for the head: each is a matrix of its own."""
        return self.model_element_bytes * (self.vocabulary * self.hidden // self.tensor // shard)

    def norm_bytes(self, shard: int) -> int:
        """Bytes of a rank for the final norm."""
        return self.model_element_bytes * (self.hidden // shard)

    def stage_bytes(self, stage: int, shard: int) -> int:
        """Model bytes of a rank of one pipeline stage; the first has the embedding, the last head and final norm."""
        total = self.stage_layers(stage) * self.layer_bytes(shard)
        if stage == 0:
            total += self.head_bytes(shard)
        if stage == self.pipeline - 1:
            total += self.head_bytes(shard) + self.norm_bytes(shard)
        return total

    def optimizer_bytes(self, data_parallel: int) -> int:
        """Optimizer bytes of every rank."""
        elements = self.parameters // (data_parallel * self.copy_processes) + _OPTIMIZER_VECTORS * self.hidden
        return self.optimizer_element_bytes * _OPTIMIZER_TENSORS * elements


@dataclasses.dataclass(frozen=True)
class CheckpointSize:
    """What one checkpoint of ``processes`` ranks writes, and reads back.

    ``model_bytes_by_rank``: bytes of the model state of each rank, 0 where another copy writes it. ``data_parallel``: copies
    that the model state is divided over, which in subset mode are more than the ranks hold.
    """

    processes: int
    data_parallel: int
    model_bytes_by_rank: tuple[int, ...]
    optimizer_bytes_per_rank: int

    @property
    def bytes_by_rank(self) -> tuple[int, ...]:
        """Bytes that each rank writes."""
        return tuple(model + self.optimizer_bytes_per_rank for model in self.model_bytes_by_rank)

    @property
    def model_bytes(self) -> int:
        """Model state of all ranks."""
        return sum(self.model_bytes_by_rank)

    @property
    def optimizer_bytes(self) -> int:
        """Optimizer state of all ranks."""
        return self.optimizer_bytes_per_rank * self.processes

    @property
    def total_bytes(self) -> int:
        """One whole checkpoint."""
        return self.model_bytes + self.optimizer_bytes

    @property
    def total_gib(self) -> float:
        """One whole checkpoint in GiB: what summaries call ``checkpoint_size_GB`` (conflict C-10)."""
        return self.total_bytes / GIB


def checkpoint_size(shape: CheckpointShape, *, processes: int, data_parallel: int | None = None) -> CheckpointSize:
    """Compute what each rank of a job writes for one checkpoint.

    ``data_parallel`` is ``model.parallelism.data`` of a subset run; without it the job holds whole copies only. Raises
    ConfigurationError where the ranks are no multiple of one copy, more than the copies hold, or no such number.
    """
    if not 0 < processes <= _MOST_RANKS:
        raise ConfigurationError(
            f"{processes} ranks cannot write a checkpoint", details={"allowed": f"1 to {_MOST_RANKS}"}, code="MLPS-E115"
        )
    if data_parallel is None:
        if processes % shape.copy_processes:
            raise ConfigurationError(
                f"{processes} ranks are no multiple of the {shape.copy_processes} that hold one copy of the model", code="MLPS-E115"
            )
        data_parallel = processes // shape.copy_processes
    elif not 0 < data_parallel <= _LARGEST or data_parallel * shape.copy_processes < processes:
        raise ConfigurationError(
            f"{data_parallel} copies of {shape.copy_processes} ranks are fewer than {processes} ranks", code="MLPS-E115"
        )
    shard = data_parallel if shape.zero_stage == _SHARDED_OVER_COPIES else 1
    stages = [shape.stage_bytes(stage, shard) for stage in range(min(shape.pipeline, -(-processes // shape.tensor)))]
    by_rank = tuple(
        stages[rank // shape.tensor % shape.pipeline] if shape.zero_stage == _SHARDED_OVER_COPIES or rank < shape.copy_processes else 0
        for rank in range(processes)
    )
    return CheckpointSize(processes, data_parallel, by_rank, shape.optimizer_bytes(data_parallel))


def _count(parameters: Mapping[str, Any], key: str, *, least: int = 1) -> int:
    value = value_at(parameters, key)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= _LARGEST:
        raise ConfigurationError(f"{key} must be a whole number of at least {least}, given {_shown(value)}", code="MLPS-E111")
    return value


def _element_bytes(parameters: Mapping[str, Any], key: str) -> int:
    value = value_at(parameters, key)
    if not isinstance(value, str) or value not in _BYTES:
        raise ConfigurationError(f"{key} must be one of {', '.join(_BYTES)}, given {_shown(value)}", code="MLPS-E111")
    return _BYTES[value]


def _shown(value: object) -> str:
    """A value for a message; a container, which may be nested beyond printing, by its kind."""
    return repr(value)[:60] if isinstance(value, (str, int, float, type(None))) else f"a {type(value).__name__}"
