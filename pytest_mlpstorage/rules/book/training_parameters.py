"""Rules on what a run may set differently from its workload (section 3.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import boolean, integer, native
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_metadata
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

# Conflict C-1: what the metadata calls `verification` is what a tool believed when it started, in upper case, and null
# where it had no belief. The division of a result is the directory that it was submitted in, and nothing else is asked.
#
# Conflict C-7: `checkpoint.checkpoint_folder` may be set. The rule's table leaves it out, but every workload that writes
# checkpoints must put them somewhere, the official code accepts it, and it changes no work. It stands in the edition's list.

_CLOSED_LIST = "only those of the closed list, or set by the tool"

_OBJECT_STORAGE_FREE = ("local_fs",)
"""Values of ``storage.storage_type`` that are no object storage."""


@rule(
    "3.6.2", "trainingClosedSubmissionParameters", subject=TrainingResult, editions=("3.0",), preflight=True, divisions=(Division.CLOSED,)
)
def closed_parameters(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A closed run overrides only parameters of the closed list, or those that the tool itself sets.

    Only the keys of the recorded overrides are judged; keys that begin with ``workflow`` are not. One that the open
    division allows makes the result invalid here; it would be OPEN under ``open/``.
    """
    lacking: list[NoEvidence] = []
    allowed: set[str] = set()
    for leaf, metadata, key, value in _overrides(result, lacking):
        category = edition.training.key_category(key)
        if category is Category.OPEN:
            yield _refused(leaf, metadata, key, value, "is allowed only in the open division: under open/ the result would be OPEN")
        elif category is Category.INVALID:
            yield _refused(leaf, metadata, key, value, "is in no list of parameters that a submission may set")
        else:
            wrong = list(_conditions(result, edition, leaf, metadata, key, value))
            yield from wrong
            allowed |= set() if wrong else {key}
    yield from lacking
    if allowed or not lacking:
        yield Met(f"overridden and allowed: {len(allowed)}", _CLOSED_LIST)


@rule("3.6.3", "trainingOpenSubmissionParameters", subject=TrainingResult, editions=("3.0",), preflight=True, divisions=(Division.OPEN,))
def open_parameters(result: TrainingResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """An open run overrides only parameters of the closed and the open list, or those that the tool itself sets."""
    lacking: list[NoEvidence] = []
    allowed: set[str] = set()
    freed: set[str] = set()
    for leaf, metadata, key, value in _overrides(result, lacking):
        category = edition.training.key_category(key)
        if category is Category.INVALID:
            yield _refused(leaf, metadata, key, value, "is in no list of parameters that a submission may set, open or closed")
        elif category is Category.OPEN:
            freed.add(key)
            yield Finding(
                f"{key} is set, which only the open division allows",
                severity=Severity.INFO,
                category=Category.OPEN,
                measured=shown(value),
                file=metadata.path or leaf.relpath,
                field=f"override_parameters.{key}",
            )
        else:
            wrong = list(_conditions(result, edition, leaf, metadata, key, value))
            yield from wrong
            allowed |= set() if wrong else {key}
    yield from lacking
    if allowed or not lacking:
        yield Met(f"overridden and allowed: {len(allowed)}", _CLOSED_LIST)
    if freed:
        yield Met(f"overridden and refused in closed: {len(freed)}", "open division: those of the open list too")


def _overrides(result: TrainingResult, lacking: list[NoEvidence]) -> Iterator[tuple[Leaf, LeafMetadata, str, Any]]:
    """Each override of each run, sorted by key; runs without a record of them are added to ``lacking``."""
    for run in with_metadata(result):
        if isinstance(run, NoEvidence):
            lacking.append(run)
            continue
        leaf, metadata = run
        recorded = (metadata.raw.get("override_parameters"), metadata.raw.get("params_dict"))
        if metadata.raw and not any(isinstance(part, Mapping) for part in recorded):
            lacking.append(NoEvidence("the metadata has no override_parameters", metadata.path or leaf.relpath))
            continue
        for key, value in sorted(metadata.override_parameters.items(), key=lambda pair: str(pair[0])):
            yield leaf, metadata, str(key), native(value)


def _refused(leaf: Leaf, metadata: LeafMetadata, key: str, value: Any, why: str) -> Finding:
    return Finding(f"{key} {why}", measured=shown(value), file=metadata.path or leaf.relpath, field=f"override_parameters.{key}")


def _conditions(result: TrainingResult, edition: Edition, leaf: Leaf, metadata: LeafMetadata, key: str, value: Any) -> Iterator[Finding]:
    """What the lists allow only under a condition."""
    training = edition.training
    if key == "reader.odirect" and boolean(value) is not False and result.model not in training.odirect_models:
        yield _refused(leaf, metadata, key, value, f"is allowed only for {', '.join(training.odirect_models) or 'no model'}")
    if key in training.object_storage_keys and metadata.parameter("storage.storage_type") in (None, *_OBJECT_STORAGE_FREE):
        yield _refused(leaf, metadata, key, value, "is allowed only for object storage")
    if key == "reader.prefetch_size" and training.prefetch_sizes and integer(value) not in training.prefetch_sizes:
        # The rule's text names the values and the official code does not look: worth a reviewer's eye, no verdict.
        yield Finding(
            "reader.prefetch_size is none of the values that the rules name",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            measured=shown(value),
            required=", ".join(map(str, training.prefetch_sizes)),
            file=metadata.path or leaf.relpath,
            field=f"override_parameters.{key}",
        )
