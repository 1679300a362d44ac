"""What the rules on checkpointing read alike: what a run was asked to do, which runs belong together, when each began and ended."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import CheckpointingEdition, CheckpointModel
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.checkpoint_metric import CheckpointPhase
from pytest_mlpstorage.results.coerce import boolean, integer, native, wall_time
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf, LeafMetadata
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.verdict import NoEvidence

__all__ = [
    "Moment",
    "asked_subset",
    "checkpoint_count",
    "checkpointing_of",
    "counts",
    "effective",
    "is_subset",
    "model_of",
    "pairs",
    "processes_of",
    "read_start",
    "recorded_model",
    "runs_of_known_model",
    "span_of",
    "write_end",
]

_COUNT_KEYS: Mapping[CheckpointPhase, str] = {"save": "num_checkpoints_write", "load": "num_checkpoints_read"}
_MODE = "checkpoint.mode"
_SUBSET = "subset"


@dataclasses.dataclass(frozen=True)
class Moment:
    """A wall-clock time with where it was read. ``exact``: from the invocation's own clock, not from the emulator's summary."""

    time: dt.datetime
    file: str
    field: str
    exact: bool = True


def checkpointing_of(edition: Edition) -> CheckpointingEdition:
    """The edition's checkpointing; ConfigurationError for an edition without."""
    if edition.checkpointing is None:
        raise ConfigurationError(f"edition {edition.name} has no checkpointing", code="MLPS-E116")
    return edition.checkpointing


def effective(metadata: LeafMetadata, key: str) -> Any:
    """A parameter as it was in force, in its native type: an override, else the recorded parameters; None when absent.

    The tool of edition 3.0 folds overrides into the parameters, that of edition 2.0 records them apart.
    """
    if key in metadata.override_parameters:
        return native(metadata.override_parameters[key])
    return metadata.parameter(key)


def checkpoint_count(metadata: LeafMetadata, phase: CheckpointPhase) -> int | None:
    """How many checkpoints a run was asked to write (``save``) or read (``load``): by its command line, else its parameters."""
    key = _COUNT_KEYS[phase]
    asked = integer(metadata.args.get(key))
    return asked if asked is not None else integer(effective(metadata, f"checkpoint.{key}"))


def counts(metadata: LeafMetadata) -> tuple[int, int] | None:
    """Checkpoints asked to be (written, read); None where the metadata lacks either."""
    written, read = checkpoint_count(metadata, "save"), checkpoint_count(metadata, "load")
    return None if written is None or read is None else (written, read)


def recorded_model(metadata: LeafMetadata) -> str | None:
    """The model that a run was asked for, as written."""
    asked = metadata.args.get("model")
    return asked if isinstance(asked, str) and asked else metadata.model


def model_of(metadata: LeafMetadata, edition: Edition) -> str | None:
    """Name of the edition's model whose size (``8b``, ``1t``) stands in the recorded name; None where none does.

    The size must stand by itself: a name with ``38b`` in it is no 8b.
    """
    name = (recorded_model(metadata) or "").lower()
    for model in checkpointing_of(edition).models:
        size = re.escape(model.rpartition("-")[2])
        if re.search(rf"(?<![0-9a-z]){size}(?![0-9a-z])", name):
            return model
    return None


def runs_of_known_model(
    result: CheckpointingResult, edition: Edition
) -> Iterator[tuple[Leaf, LeafMetadata, str, CheckpointModel] | NoEvidence]:
    """Each run with its metadata, and name and data of the edition's model that it was asked for; rule 4.3.3 speaks of the others."""
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata = run
        name = model_of(metadata, edition)
        if name is None:
            yield NoEvidence("the metadata names no model of the edition", metadata.path or leaf.relpath)
        else:
            yield leaf, metadata, name, checkpointing_of(edition).models[name]


def processes_of(metadata: LeafMetadata) -> int | None:
    """How many ranks a run was asked for."""
    asked = integer(metadata.args.get("num_processes"))
    return asked if asked is not None else metadata.num_processes


def asked_subset(metadata: LeafMetadata) -> bool:
    """Whether the command line asked for the subset form."""
    return boolean(metadata.args.get("checkpoint_subset")) is True


def is_subset(metadata: LeafMetadata) -> bool:
    """Whether a run had the subset form, by its command line or by the parameter that the tool sets for it."""
    modes = (metadata.override_parameters.get(_MODE), metadata.parameter(_MODE))
    return asked_subset(metadata) or any(isinstance(mode, str) and mode.strip().lower() == _SUBSET for mode in modes)


def pairs(result: CheckpointingResult) -> tuple[tuple[Leaf, Leaf], ...]:
    """Runs that only wrote with the runs that only read, each in order of time and taken one by one.

    A run that did both belongs to no pair, and neither does one too many on either side.
    """
    asked = [(leaf, counts(leaf.metadata)) for leaf in result.runs if leaf.metadata is not None]
    writing = [leaf for leaf, count in asked if count is not None and count[0] > 0 and count[1] == 0]
    reading = [leaf for leaf, count in asked if count is not None and count[0] == 0 and count[1] > 0]
    return tuple(zip(writing, reading, strict=False))


def _invocation(leaf: Leaf, field: str) -> Moment | None:
    metadata = leaf.metadata
    time: dt.datetime | None = getattr(metadata, field, None)
    return Moment(time, metadata.path or leaf.relpath, field) if time is not None and metadata is not None else None


def _summary(leaf: Leaf, field: str) -> Moment | None:
    summary = leaf.summary
    time: dt.datetime | None = getattr(summary, field, None)
    return Moment(time, summary.path or leaf.relpath, field, exact=False) if time is not None and summary is not None else None


def span_of(leaf: Leaf) -> tuple[Moment | None, Moment | None]:
    """Begin and end of an invocation by its own clock, each else by the summary of what it measured."""
    begin, end = _invocation(leaf, "invocation_start_time"), _invocation(leaf, "invocation_end_time")
    return begin or _summary(leaf, "start"), end or _summary(leaf, "end")


def read_start(leaf: Leaf) -> Moment | None:
    """When a reading invocation began (4.7.1)."""
    return span_of(leaf)[0]


def write_end(leaf: Leaf) -> Moment | None:
    """When a writing invocation ended: by its own clock, else by the last look at its hosts, else by its summary (4.7.1).

    The hosts are looked at again after the measurement, so only a time at or after the summary's end can be that look. Such
    times carry a ``Z`` that is read over, as the rule has it.
    """
    ended = _invocation(leaf, "invocation_end_time")
    measured = _summary(leaf, "end")
    if ended is not None or leaf.metadata is None or measured is None:
        return ended or measured
    looks = [time for value in _collection_times(leaf.metadata.raw) if (time := wall_time(value)) is not None and time >= measured.time]
    return Moment(max(looks), leaf.metadata.path or leaf.relpath, "collection_timestamp") if looks else measured


def _collection_times(document: object) -> Iterator[object]:
    """Every ``collection_timestamp`` in a document, however deep it is nested."""
    waiting: list[object] = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            for key, value in node.items():
                if key == "collection_timestamp":
                    yield value
                elif isinstance(value, (Mapping, list)):
                    waiting.append(value)
        elif isinstance(node, list):
            waiting += [item for item in node if isinstance(item, (Mapping, list))]
