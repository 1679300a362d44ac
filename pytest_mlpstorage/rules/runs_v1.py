"""How a rule of round 1.0 goes over the runs of a result: with what they were configured, and what they measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pytest_mlpstorage.results.records import Leaf, Summary, TrainingResult
from pytest_mlpstorage.results.run_config_v1 import RunConfig, configs_of
from pytest_mlpstorage.rules.runs import with_summary
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["MeasuredRun", "configured_runs", "lacks_config", "lacks_overrides", "measured_with_config", "plausible"]

_MOST: int = 10**15
"""Beyond it a count of files, accelerators or samples is damage: products of such numbers cannot even be written out."""


@dataclasses.dataclass(frozen=True)
class MeasuredRun:
    """A run whose summary and workload were both read."""

    summary: Summary
    config: RunConfig


def lacks_overrides(leaf: Leaf) -> NoEvidence:
    """A run whose overrides could not be read; V1-3 speaks of that."""
    return NoEvidence("overrides.yaml could not be read", f"{leaf.relpath}/{leaf.config_folder}/overrides.yaml")


def lacks_config(leaf: Leaf) -> NoEvidence:
    """A run whose workload could not be read."""
    return NoEvidence("config.yaml could not be read", f"{leaf.relpath}/{leaf.config_folder}/config.yaml")


def configured_runs(result: TrainingResult) -> Iterator[tuple[Leaf, RunConfig | None]]:
    """Each run with each of its different configurations; None for a run that has none."""
    for leaf in result.runs:
        configs = configs_of(leaf)
        if not configs:
            yield leaf, None
        for config in configs:
            yield leaf, config


def measured_with_config(result: TrainingResult) -> Iterator[MeasuredRun | NoEvidence]:
    """Each run with its summary and the workload that was configured beside it."""
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        config = next(iter(configs_of(leaf)), None)
        yield MeasuredRun(summary, config) if config is not None and config.parameters is not None else lacks_config(leaf)


def plausible(count: int | None) -> bool:
    """Whether a count can be one: a whole number from 1 to one that can still be reckoned with."""
    return count is not None and 1 <= count <= _MOST
