"""The files of a checkpoint and their bytes, rank by rank, as DLIO's checkpoint engine lays them out (training.md §5)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape, checkpoint_size
from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["ShardFile", "largest_file", "rank_files", "shard_files"]

_SHARDED_OVER_COPIES: Final = 3
"""The ZeRO stage that divides the model state over its copies."""

_WRITTEN_WHOLE: Final = 0
"""The ZeRO stage without any division: the first copy writes the model state in the same single file a rank as above."""


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """One file of one rank, by its name in the folder of a checkpoint."""

    name: str
    bytes: int


def shard_files(shape: CheckpointShape, processes: int, data_parallel: int | None = None) -> tuple[tuple[ShardFile, ...], ...]:
    """Files of each rank in the order in which it writes them: model state from the first layer on, then optimizer state.

    ``data_parallel`` is ``model.parallelism.data`` of a subset run. Raises ConfigurationError where these ranks cannot hold the
    model, and for what DLIO refuses.
    """
    copies = _copies(shape, processes, data_parallel)
    return tuple(_files(shape, rank, copies) for rank in range(processes))


def rank_files(shape: CheckpointShape, rank: int, processes: int, data_parallel: int | None = None) -> tuple[ShardFile, ...]:
    """The entry of one rank in ``shard_files``, without working out the others."""
    return _files(shape, rank, _copies(shape, processes, data_parallel))


def largest_file(files: tuple[tuple[ShardFile, ...], ...]) -> int:
    """Bytes of the largest file of all ranks."""
    return max(file.bytes for of_rank in files for file in of_rank)


def _copies(shape: CheckpointShape, processes: int, data_parallel: int | None) -> int:
    if shape.zero_stage > _SHARDED_OVER_COPIES:
        raise ConfigurationError(
            f"there is no ZeRO stage {shape.zero_stage}", details={"allowed": f"0 to {_SHARDED_OVER_COPIES}"}, code="MLPS-E115"
        )
    if shape.zero_stage == _SHARDED_OVER_COPIES and shape.pipeline > 1:
        raise ConfigurationError(
            f"ZeRO stage {_SHARDED_OVER_COPIES} excludes pipeline parallelism",
            details={"model.parallelism.pipeline": shape.pipeline},
            code="MLPS-E115",
        )
    return checkpoint_size(shape, processes=processes, data_parallel=data_parallel).data_parallel


def _files(shape: CheckpointShape, rank: int, copies: int) -> tuple[ShardFile, ...]:
    part, copy = rank % shape.copy_processes, rank // shape.copy_processes
    optimizer = ShardFile(f"zero_pp_rank_{copy}_mp_rank_{part}_optim_states.pt", shape.optimizer_bytes(copies))
    return (*_model_files(shape, rank, part, copy, copies), optimizer)


def _model_files(shape: CheckpointShape, rank: int, part: int, copy: int, copies: int) -> Iterator[ShardFile]:
    stage = rank // shape.tensor % shape.pipeline
    if shape.zero_stage == _SHARDED_OVER_COPIES:
        yield ShardFile(f"zero_pp_rank_{copy}_mp_rank_{part}_model_states.pt", shape.stage_bytes(stage, copies))
    elif copy > 0:
        return
    elif shape.zero_stage == _WRITTEN_WHOLE:
        yield ShardFile(f"zero_pp_rank_{copy}_mp_rank_{part}_model_states.pt", shape.stage_bytes(stage, 1))
    elif shape.pipeline == 1:
        yield ShardFile(f"model_{part}_model_states.pt", shape.stage_bytes(stage, 1))
    else:
        for layer, size in _layers(shape, stage):
            yield ShardFile(f"layer_{layer}-model_{part}_model_states.pt", size)


def _layers(shape: CheckpointShape, stage: int) -> Iterator[tuple[int, int]]:
    """Layers of a stage by number, with a rank's bytes of each: 0 the embedding, 1 … L, then the head and the final norm."""
    if stage == 0:
        yield 0, shape.head_bytes(1)
    first = 1 + sum(shape.stage_layers(before) for before in range(stage))
    for layer in range(first, first + shape.stage_layers(stage)):
        yield layer, shape.layer_bytes(1)
    if stage == shape.pipeline - 1:
        yield shape.layers + 1, shape.head_bytes(1)
        yield shape.layers + 2, shape.norm_bytes(1)
