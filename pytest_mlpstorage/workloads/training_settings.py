"""The ``training:`` section of the configuration: its own keys; the official ones come from the engines' key lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlpstorage.editions import edition

if TYPE_CHECKING:
    from pytest_mlpstorage.config import ItemConfig
    from pytest_mlpstorage.verdict import Division

__all__ = ["TrainingEntry", "TrainingSection", "known_to_the_edition", "one_accelerator_a_model"]


class TrainingSection(BaseModel):
    """Keys of ``training:`` that hold for all its workloads; left out, the edition decides."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    warmup_runs: Annotated[int, Field(ge=0, le=5, description="Runs before the measured ones, not counted (edition 3.0: 1)")] | None = None
    measured_runs: Annotated[int, Field(ge=1, le=100, description="Runs that count (edition 3.0: 5)")] | None = None
    drop_caches: Annotated[
        bool,
        Field(description="Drop the data set from the memory of every host before each epoch; false only measures what lies there"),
    ] = True


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
    for position, item in enumerate(items):
        entry = item.own
        assert isinstance(entry, TrainingEntry)
        if entry.model in first:
            yield (
                position,
                "model",
                f"{entry.model} stands in entry {first[entry.model]} too; the results tree has no level for the accelerator, "
                "so one system name holds one result a model: use another file with another system name",
            )
        first.setdefault(entry.model, item.index)


def known_to_the_edition(entry: Mapping[str, str], edition_name: str, division: Division) -> Iterator[tuple[str, str]]:
    """Refuse a model or an accelerator that the edition does not accept in the division, with the nearest names.

    Yields (key, message). ``entry`` holds what was written, right or not.
    """
    model, accelerator = entry.get("model"), entry.get("accelerator")
    rules = edition(edition_name).training
    models, accelerators = rules.models_for(division), rules.accelerators_for(division)
    if model is not None and model not in models:
        yield "model", rules.why_not(model, accelerators[0], division) or ""
    if accelerator is not None and accelerator not in accelerators:
        yield "accelerator", rules.why_not(models[0], accelerator, division) or ""
    if model in models and accelerator in accelerators:
        # Both are known; whether they go together is the model's matter.
        why = rules.why_not(model, accelerator, division)
        if why is not None:
            yield "model", why
