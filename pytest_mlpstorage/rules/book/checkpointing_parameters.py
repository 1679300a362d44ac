"""The rule on the parameters of a closed checkpointing run (4.6.3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import CheckpointingEdition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.results.coerce import integer, native
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.rules.checkpoints import checkpointing_of, is_subset, runs_of_known_model
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import LONGEST, shown
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence

__all__: list[str] = []

_MOST_NAMED = 20
"""Differing parameters of a run that are named one by one."""

_DEEPEST = 16
"""Dots in a key; a workload has two."""

# Conflict C-1: what the metadata calls `verification` is what a tool believed when it started, in upper case, and null
# where it had no belief. The division of a result is the directory that it was submitted in, and nothing else is asked.


@rule(
    "4.6.3",
    "checkpointClosedCheckpointParameters",
    subject=CheckpointingResult,
    editions=("3.0",),
    preflight=True,
    divisions=(Division.CLOSED,),
)
def closed_parameters(result: CheckpointingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run did the work of the edition's workload for the model: every recorded parameter is there and has the same value.

    Only the checkpoint folder may differ, the numbers of checkpoints may be 0 instead (for a phase that another run supplies), and
    the two parameters of the subset form may be set where that form is allowed. A parameter that is not recorded is not judged.
    """
    # Conflict C-16: the official check reads `yaml_params`, which no real metadata has, and so compares nothing. What counts is
    # what the run had, which is `parameters`, and `override_parameters` where a tool did not fold them in. What the tool itself
    # sets for object storage is no change of the work, and a literal reading would refuse everyone who has it.
    book = checkpointing_of(edition)
    for run in runs_of_known_model(result, edition):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, metadata, name, model = run
        file = metadata.path or leaf.relpath
        if not metadata.parameters:
            yield NoEvidence("the metadata has no parameters", file)
            continue
        free = {*book.closed_keys, *edition.training.injected_keys}
        if name in book.subset_models and is_subset(metadata):
            free.update(book.subset_keys)
        groups = {"parameters": dict(_flat(metadata.parameters)), "override_parameters": metadata.override_parameters}
        reference = dict(dotted(model.parameters))
        differing = tuple(_differing(groups, reference, free, book))
        for field, key, value, wanted in differing[:_MOST_NAMED]:
            yield Finding(
                f"{key} is no parameter of the workload" if wanted is None else f"{key} is not what the workload has",
                measured=shown(value) or "null",
                required=shown(wanted),
                file=file,
                field=field,
            )
        if len(differing) > _MOST_NAMED:
            yield Finding("more parameters differ from the workload", measured=len(differing), required=0, file=file, field="parameters")
        if not differing:
            judged = reference.keys() - free
            recorded = len(judged & {key for values in groups.values() for key in values})
            yield Met(f"{recorded} of {len(judged)} parameters recorded, none differs", f"the workload of {name}, checkpoints may be 0")


def _differing(
    groups: Mapping[str, Mapping[str, Any]], reference: Mapping[str, Any], free: Collection[str], book: CheckpointingEdition
) -> Iterator[tuple[str, str, Any, Any]]:
    """Field, key, value and the workload's value (None where it has no such key) of each parameter that differs, once a key."""
    named: set[str] = set()
    for group, values in groups.items():
        for key, value in sorted(values.items()):
            wanted = reference.get(key)
            unused = key in book.template_keys_ignored and integer(value) == 0
            if key not in free and key not in named and not unused and not _same(native(value), wanted):
                named.add(key)
                yield f"{group}.{key[:LONGEST]}", key[:LONGEST], value, wanted


def _same(value: object, wanted: object) -> bool:
    """Whether a recorded value is the workload's; true is not 1."""
    return value is not None and value == wanted and isinstance(value, bool) is isinstance(wanted, bool)


def _flat(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Leaves of foreign parameters by dotted key; what is nested deeper than any workload is a leaf, an empty group is none."""
    waiting: list[tuple[str, Any]] = [(str(key), value) for key, value in parameters.items()]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, Mapping) and key.count(".") < _DEEPEST:
            waiting += [(f"{key}.{inner}", below) for inner, below in value.items()]
        else:
            yield key, value
