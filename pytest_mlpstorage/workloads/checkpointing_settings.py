"""The ``checkpointing:`` section of the configuration: its own keys, and what its entries must not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pytest_mlpstorage.config import KeySpec
from pytest_mlpstorage.config.sections import Duration
from pytest_mlpstorage.dlio.keys import official_keys
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.base import nearest
from pytest_mlpstorage.editions.families import CheckpointingEdition
from pytest_mlpstorage.errors import ConfigurationError

if TYPE_CHECKING:
    from pytest_mlpstorage.config import ItemConfig
    from pytest_mlpstorage.verdict import Division

__all__ = [
    "FOLDER",
    "READS",
    "WRITES",
    "CheckpointingEntry",
    "CheckpointingSection",
    "checkpoint_keys",
    "checkpointing_rules",
    "contradictions",
    "known_to_the_edition",
]

FOLDER: Final = "checkpoint.checkpoint_folder"
WRITES: Final = "checkpoint.num_checkpoints_write"
READS: Final = "checkpoint.num_checkpoints_read"

_MODE: Final = "checkpoint.mode"
_COPIES: Final = "model.parallelism.data"
_GROUPS: Final = ("checkpoint.", "model.", "storage.", "framework")
# Least values that the sizes of a checkpoint can be made of; the key lists of DLIO name none.
_LEAST: Final = {WRITES: 0, READS: 0, "model.parallelism.zero_stage": 0, "checkpoint.time_between_checkpoints": 0}


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0].strip():
        raise ValueError("given an empty command; allowed a program and its arguments, such as [/usr/local/bin/failover, --now]")
    return words


class CheckpointingSection(BaseModel):
    """Keys of ``checkpointing:`` that hold for all its workloads."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    invocations: Annotated[
        Literal["together", "separate"],
        Field(description="together: one run writes and then reads; separate: one run writes and another one reads"),
    ] = "together"
    between_command: Annotated[
        tuple[str, ...] | None,
        AfterValidator(lambda words: words if words is None else _command(words)),
        Field(
            description="Program and arguments, started without a shell between the two runs of invocations: separate "
            "(failover, emptying caches); edition 3.0 allows 30 s between the runs"
        ),
    ] = None
    between_deadline: Annotated[Duration, Field(description="The command between the two runs is ended after this time, such as 2min")] = (
        "5min"
    )
    drop_caches: Annotated[
        bool,
        Field(description="Drop the checkpoints from the memory of every host before they are read; false only measures what lies there"),
    ] = True
    engine: Annotated[
        Literal["auto", "dlio", "mlpstorage"],
        Field(description="What writes and reads: dlio, mlpstorage (our own program), or auto: DLIO where the installed one can"),
    ] = "auto"

    @field_validator("between_command")
    @classmethod
    def _needs_two_runs(cls, command: tuple[str, ...] | None, others: ValidationInfo) -> tuple[str, ...] | None:
        if command is not None and others.data.get("invocations", "separate") != "separate":
            raise ValueError("one run writes and reads, so nothing is between; allowed only with invocations: separate")
        return command


class CheckpointingEntry(BaseModel):
    """One entry of ``checkpointing.workloads``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: Annotated[str, Field(min_length=1, description="Model of the edition, such as llama3-8b")]
    accelerator: Annotated[str, Field(min_length=1, description="Accelerator to emulate, such as b200")]
    accelerators: Annotated[int, Field(ge=1, le=100_000, description="Simulated accelerators on all hosts together (MPI ranks)")]
    accelerators_per_host: Annotated[
        int | None,
        Field(ge=1, le=100_000, description="Ranks put on each host, hosts filled in their order (default: by slots, else evenly)"),
    ] = None
    subset: Annotated[bool, Field(description="The subset form of the official tool; edition 3.0 has it for llama3-8b with 8 ranks")] = (
        False
    )


def checkpoint_keys() -> dict[str, KeySpec]:
    """Official parameters of a checkpointing workload, by dotted key."""
    return {
        name: KeySpec(type=key.type, engines=key.engines, help=key.help, minimum=_LEAST.get(name, _least(name, key.minimum)))
        for name, key in official_keys().items()
        if name.startswith(_GROUPS)
    }


def _least(name: str, known: int | None) -> int | None:
    counts = name.startswith(("model.parallelism.", "model.transformer.")) or name == "model.num_layers"
    return 1 if counts else known


def checkpointing_rules(edition_name: str) -> CheckpointingEdition:
    """What the edition says of checkpointing; ConfigurationError where it has none."""
    found = edition(edition_name).checkpointing
    if found is None:
        raise ConfigurationError(f"edition {edition_name} has no checkpointing", suggestion="choose edition 2.0 or 3.0", code="MLPS-E116")
    return found


def known_to_the_edition(entry: Mapping[str, str], edition_name: str, division: Division) -> Iterator[tuple[str, str]]:
    """Refuse a model or an accelerator that the edition does not have, with the nearest names.

    Yields (key, message). ``entry`` holds what was written, right or not.
    """
    rules = edition(edition_name).checkpointing
    if rules is None:
        yield "model", f"edition {edition_name} has no checkpointing; allowed in edition 2.0 and later"
        return
    model, accelerator = entry.get("model"), entry.get("accelerator")
    if model is not None and model not in rules.models:
        yield "model", f"model {model!r} is none of edition {edition_name}; {nearest(model, rules.models)}"
    accepted = rules.accelerators_by_division[division]
    if accelerator is not None and accelerator not in accepted:
        elsewhere = [d.value for d, names in rules.accelerators_by_division.items() if accelerator in names]
        where = f" (only in {', '.join(elsewhere)})" if elsewhere else ""
        yield "accelerator", f"accelerator {accelerator!r} is not in division {division.value}{where}; {nearest(accelerator, accepted)}"


def contradictions(items: Sequence[ItemConfig]) -> Iterator[tuple[int, str, str]]:
    """Refuse entries that contradict one another or themselves. Yields (index of the entry, key, message)."""
    first: dict[str, int] = {}
    for position, item in enumerate(items):
        entry = item.own
        assert isinstance(entry, CheckpointingEntry)
        if entry.model in first:
            yield (
                position,
                "model",
                f"{entry.model} stands in entry {first[entry.model]} too; one system name holds one result a model: "
                "use another file with another system name",
            )
        first.setdefault(entry.model, item.index)
        per_host = entry.accelerators_per_host
        if per_host is not None and per_host > entry.accelerators:
            yield position, "accelerators_per_host", f"given {per_host}; allowed at most the {entry.accelerators} accelerators of all hosts"
        for key, message in _parameters({key: setting.value for key, setting in item.parameters.items()}):
            yield position, key, message


def _parameters(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What parameters say against one another, as DLIO would refuse it, or worse would not."""
    folder = given.get(FOLDER)
    if isinstance(folder, str) and not PurePath(folder).is_absolute() and "<" not in folder:
        yield FOLDER, f"given {folder!r}; allowed an absolute path: ranks on other hosts have other working directories"
    writes, reads = given.get(WRITES), given.get(READS)
    if writes == 0 and reads == 0:
        yield READS, "given 0, and so is the number of checkpoints to write; allowed one of them above 0"
    elif isinstance(writes, int) and isinstance(reads, int) and 0 < writes < reads:
        yield READS, f"given {reads}, and {writes} are written; allowed at most as many as are written"
    mode, copies = given.get(_MODE), given.get(_COPIES)
    if mode not in (None, "default", "subset"):
        yield _MODE, f"given {mode!r}; {nearest(str(mode), ('default', 'subset'))}"
    if mode != "subset" and copies is not None:
        yield _COPIES, f"given {copies}, and checkpoint.mode is not subset; allowed only with checkpoint.mode: subset (DLIO derives it)"
    if mode == "subset" and copies is None:
        yield _MODE, "given 'subset' without model.parallelism.data; allowed with the number of copies that a whole job would have"
    for key, allowed in (("model.model_datatype", ("fp16", "fp32")), ("model.optimizer_datatype", ("fp16", "fp32"))):
        if key in given and given[key] not in allowed:
            yield key, f"given {given[key]!r}; {nearest(str(given[key]), allowed)}"
