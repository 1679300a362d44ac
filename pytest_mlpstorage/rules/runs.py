"""How a rule on single runs goes over the run leaves of a result."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, StoredResult, Summary, TrainingResult
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence, Severity

__all__ = ["Run", "is_warmup", "of_division", "required_utilization_percent", "runs_of", "warmup_count", "with_metadata", "with_summary"]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run leaf whose summary and metadata were both read."""

    leaf: Leaf
    summary: Summary
    metadata: LeafMetadata

    @property
    def summary_file(self) -> str:
        """Path of the summary relative to the tree."""
        return self.summary.path or f"{self.leaf.relpath}/summary.json"

    @property
    def metadata_file(self) -> str:
        """Path of the metadata relative to the tree."""
        return self.metadata.path or f"{self.leaf.relpath}/metadata.json"


def _lacks(leaf: Leaf, what: str) -> NoEvidence:
    pruned = " (pruned by its publisher)" if any(what in name for name in leaf.pruned) else ""
    return NoEvidence(f"{what} could not be read{pruned}", leaf.relpath)


def _no_run(result: StoredResult) -> Iterator[NoEvidence]:
    if not result.runs:
        place = result.relpath if result.benchmark == "checkpointing" else f"{result.relpath}/run"
        yield NoEvidence("there is no run", place)


def runs_of(result: StoredResult) -> Iterator[Run | NoEvidence]:
    """Each run with summary and metadata; one that lacks either is no evidence, and rule 2.1.19 speaks of it."""
    yield from _no_run(result)
    for leaf in result.runs:
        if leaf.summary is not None and leaf.metadata is not None:
            yield Run(leaf, leaf.summary, leaf.metadata)
        else:
            yield _lacks(leaf, "summary" if leaf.summary is None else "metadata")


def with_summary(result: StoredResult) -> Iterator[tuple[Leaf, Summary] | NoEvidence]:
    """Each run with its summary."""
    yield from _no_run(result)
    for leaf in result.runs:
        yield (leaf, leaf.summary) if leaf.summary is not None else _lacks(leaf, "summary")


def with_metadata(result: StoredResult) -> Iterator[tuple[Leaf, LeafMetadata] | NoEvidence]:
    """Each run with its metadata."""
    yield from _no_run(result)
    for leaf in result.runs:
        yield (leaf, leaf.metadata) if leaf.metadata is not None else _lacks(leaf, "metadata")


def warmup_count(result: TrainingResult, edition: Edition) -> int:
    """Runs at the front of a result that do not count: the edition's number, the earliest by name (C-17).

    In whatif, where nothing is claimed, as many as the configuration had; the leaves that we wrote say so.
    """
    if result.division is Division.WHATIF:
        steps = [leaf.metadata.mlps.get("step") if leaf.metadata is not None else None for leaf in result.runs]
        if steps and all(isinstance(step, str) for step in steps):
            return sum(str(step).startswith("warmup") for step in steps)
    return edition.training.warmup_runs


def is_warmup(result: TrainingResult, leaf: Leaf, edition: Edition) -> bool:
    """Whether a run leaf is a warm-up."""
    return leaf.name in {run.name for run in result.runs[: warmup_count(result, edition)]}


def of_division(finding: Finding, result: StoredResult) -> Finding:
    """Weigh a finding on how well a run went: an error in closed and open, a warning where nothing is claimed."""
    whatif: dict[str, Any] = {"severity": Severity.WARNING}
    return dataclasses.replace(finding, **whatif) if result.division.value == "whatif" else finding


def required_utilization_percent(edition: Edition, model: str) -> float | None:
    """Least accelerator utilization of a model in percent, exact (0.57 is 57, not 56.99…); None where none is in force.

    The edition has none of the model, or its profile none at all: while the round ran, the emulator's verdict decided alone.
    """
    if edition.profile is not None and not edition.profile.au_minimum:
        return None
    minimum = edition.training.au_minimum.get(model)
    return None if minimum is None else float(Fraction(str(minimum)) * 100)
