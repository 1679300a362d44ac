"""The ``training:`` section of the configuration: its own keys; the official ones come from the engines' key lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pytest_mlpstorage.config import ItemConfig

__all__ = ["TrainingEntry", "TrainingSection", "one_accelerator_a_model"]


class TrainingSection(BaseModel):
    """Keys of ``training:`` that hold for all its workloads; left out, the edition decides."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    warmup_runs: Annotated[int, Field(ge=0, le=5, description="Runs before the measured ones, not counted (edition 3.0: 1)")] | None = None
    measured_runs: Annotated[int, Field(ge=1, le=100, description="Runs that count (edition 3.0: 5)")] | None = None


class TrainingEntry(BaseModel):
    """One entry of ``training.workloads``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: Annotated[str, Field(min_length=1, description="Model of the edition, such as unet3d")]
    accelerator: Annotated[str, Field(min_length=1, description="Accelerator to emulate, such as b200")]
    accelerators: Annotated[int, Field(ge=1, le=100_000, description="Simulated accelerators on all hosts together (MPI ranks)")]


def one_accelerator_a_model(items: Sequence[ItemConfig]) -> Iterator[tuple[int, str, str]]:
    """Refuse two entries of one model: the accelerator is no level of the official tree (design §3).

    Yields (index of the entry, key, message).
    """
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        entry = item.own
        assert isinstance(entry, TrainingEntry)
        if entry.model in first:
            yield (
                index,
                "model",
                f"{entry.model} stands in entry {first[entry.model]} too; the results tree has no level for the accelerator, "
                "so one system name holds one result a model: use another file with another system name",
            )
        first.setdefault(entry.model, index)
