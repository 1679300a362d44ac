"""How long a launch took when it last ran, by the leaves of its case that stand in the results tree.

Where the speed of the storage decides, nobody knows a time before. What the same launch took on an earlier start is a fact, and no
forecast: it is told beside what is known, and only of a leaf of the same step, parameters, ranks and hosts. Of such leaves nothing but
the metadata is read, the youngest first; one that cannot be read, or does not say when it ran, is passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_timestamp, metadata_name
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.units import format_seconds

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Plan, Step

__all__ = ["MOST_LEAVES", "Before", "GatheringPlan", "before"]

MOST_LEAVES: Final = 32
"""Most leaves of a directory that are looked at for one step; a result has a few."""

_HOSTS: Final = ("hosts", "num_client_hosts")


@dataclasses.dataclass(frozen=True)
class Before:
    """The last finished launch of a step: how long it took as a whole, and the phase and name of the leaf that says so."""

    seconds: float
    phase: str
    leaf: str

    def line(self) -> str:
        """One line, as those of what is known of a step."""
        return f"{'before':<8} {format_seconds(self.seconds)}, {self.phase} {self.leaf}"


@runtime_checkable
class GatheringPlan(Protocol):
    """A plan whose steps may wait elsewhere until all of them become one leaf of the result."""

    def result_dir(self) -> Path:
        """The directory of the result."""


def before(plan: Plan, step: Step, results_dir: Path) -> Before | None:
    """The last finished launch of a step that was like the one that is planned; None where the tree has none that says its time."""
    files, planned = TreeFiles(results_dir), None
    for leaf in _leaves(files, plan, step):
        recorded = _metadata(files, leaf)
        seconds = _seconds(recorded, step) if recorded is not None else None
        if recorded is None or seconds is None:
            continue
        planned = planned or plan.metadata(step, plan.leaf_parent(step) / "planned")
        if _alike(planned, recorded):
            return Before(seconds, step.phase, leaf.name)
    return None


def _leaves(files: TreeFiles, plan: Plan, step: Step) -> Iterator[Path]:
    """Where the step may stand: first where its own leaf does, then in the result that it became a part of; the youngest first."""
    parents = [plan.leaf_parent(step)]
    if isinstance(plan, GatheringPlan):
        parents.append(plan.result_dir() / step.phase)
    for parent in dict.fromkeys(parents):
        found = [name for name in files.listing(parent).directories if is_timestamp(name)]
        yield from (parent / name for name in sorted(found, reverse=True)[:MOST_LEAVES])


def _metadata(files: TreeFiles, leaf: Path) -> LeafMetadata | None:
    """The record of a leaf, whatever its family is called in the name of the file: a pass that waits has another word than its run."""
    name = next((name for name in files.listing(leaf).files if name.endswith(metadata_name("", leaf.name))), None)
    raw = files.json_object(leaf / name) if name is not None else None
    return LeafMetadata.from_json(raw) if raw is not None else None


def _seconds(recorded: LeafMetadata, step: Step) -> float | None:
    """From the begin of the step to its end, its start and what it checks included; None where the leaf is of another step."""
    start, end = recorded.invocation_start_time, recorded.invocation_end_time
    seconds = None
    if recorded.mlps.get("step") == step.name:
        seconds = (end - start).total_seconds() if start is not None and end is not None else None
    else:
        told: Any = recorded.mlps.get("passes")
        for one in told if isinstance(told, list) else ():
            if isinstance(one, Mapping) and one.get("step") == step.name:
                seconds = number(one.get("seconds"))
    return seconds if seconds is not None and seconds > 0 else None


def _alike(planned: LeafMetadata, recorded: LeafMetadata) -> bool:
    """Whether a leaf was made by the work that is planned. A leaf of many passes tells that by the fingerprint that they share."""
    series = planned.mlps.get("series")
    if series is not None:
        same = recorded.mlps.get("series") == series
    else:
        same = _text(planned.flat_parameters) == _text(recorded.flat_parameters)
    hosts = all(planned.args.get(key) == recorded.args.get(key) for key in _HOSTS)
    return same and hosts and (planned.num_processes, planned.accelerator) == (recorded.num_processes, recorded.accelerator)


def _text(parameters: Mapping[str, Any]) -> dict[str, str]:
    """As text, in which a number or a path of a plan and that of a file are the same."""
    return {key: str(value) for key, value in parameters.items()}
