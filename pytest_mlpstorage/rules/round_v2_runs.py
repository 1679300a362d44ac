"""The runs of a result of edition 2.0, and what each really ran with: DLIO's own configuration before what the tool recorded."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.coerce import native
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_noise, is_timestamp
from pytest_mlpstorage.results.records import Leaf, LeafMetadata, ReadProblem, StoredResult, Summary
from pytest_mlpstorage.rules.checkpoints import effective
from pytest_mlpstorage.rules.leaf_memory import LeafMemory
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__ = [
    "Override",
    "RoundRun",
    "by_accelerator",
    "complete",
    "directories_without_run",
    "finished_by_accelerator",
    "is_round_v2",
    "measured_runs",
    "named",
    "run_directories",
    "run_leaves",
]

_ROUND: Final = "2.0"

_OVERRIDE: Final = re.compile(r"(?:\+{1,2}|~)?workload\.([^=\s]+)(?:=(.*))?\Z", re.DOTALL)
_WORKLOAD: Final = re.compile(r"\+{0,2}workload=(.+)\Z", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Override:
    """One key that was set on the command line, and where that is recorded."""

    key: str
    value: Any
    file: str
    field: str


@dataclasses.dataclass(frozen=True)
class _Configuration:
    """What stands in ``dlio_config/``: the resolved workload, the overrides, the workload's name. None where it cannot be read."""

    workload: Mapping[str, Any] | None = None
    overrides: tuple[Override, ...] | None = None
    name: str = ""
    file: str = ""
    problems: tuple[ReadProblem, ...] = ()


def _read_configuration(leaf: Leaf, root: Path) -> _Configuration:
    files, folder = TreeFiles(root), leaf.config_folder
    documents: dict[str, Any] = {}
    for name in ("config.yaml", "overrides.yaml"):
        if f"{folder}/{name}" in leaf.files - leaf.pruned:
            documents[name] = files.yaml_document(leaf.path / folder / name)
    resolved, given = documents.get("config.yaml"), documents.get("overrides.yaml")
    workload = resolved.get("workload") if isinstance(resolved, Mapping) else None
    lines = [line for line in given if isinstance(line, str)] if isinstance(given, list) else None
    if resolved is not None and not isinstance(workload, Mapping):
        files.complain(leaf.path / folder / "config.yaml", "holds no mapping 'workload'")
    if given is not None and lines is None:
        files.complain(leaf.path / folder / "overrides.yaml", "holds no list of overrides")
    place = f"{leaf.relpath}/{folder}"
    found = [(line, match) for line in lines or () if (match := _OVERRIDE.match(line.strip()))]
    names = [match[1].strip() for line in lines or () if (match := _WORKLOAD.match(line.strip()))]
    return _Configuration(
        workload=workload if isinstance(workload, Mapping) else None,
        overrides=None if lines is None else tuple(Override(m[1], native(m[2]), f"{place}/overrides.yaml", line) for line, m in found),
        name=names[-1] if names else "",
        file=f"{place}/config.yaml",
        problems=tuple(files.problems),
    )


_MEMORY: Final = LeafMemory(_read_configuration, kept=32)


@dataclasses.dataclass(frozen=True)
class RoundRun:
    """One run directory of edition 2.0. The round's checker judged ``dlio_config/``; so do we, and fall back on the metadata.

    That order matters: a real run recorded one value in its metadata and ran with another.
    """

    leaf: Leaf
    configuration: _Configuration

    @property
    def summary(self) -> Summary | None:
        """What the run measured."""
        return self.leaf.summary

    @property
    def metadata(self) -> LeafMetadata | None:
        """What the tool recorded."""
        return self.leaf.metadata

    @property
    def finished(self) -> bool:
        """Whether the run came to its end: it left a summary, which may be damaged or withheld."""
        return self.summary is not None or any(name.endswith("summary.json") for name in self.leaf.files)

    @property
    def summary_file(self) -> str:
        """Path of the summary relative to the tree."""
        return self.summary.path if self.summary is not None and self.summary.path else f"{self.leaf.relpath}/summary.json"

    @property
    def has_parameters(self) -> bool:
        """Whether anything says what the run ran with."""
        return self.configuration.workload is not None or (self.metadata is not None and bool(self.metadata.parameters))

    def parameter(self, key: str) -> Any:
        """A parameter that was in force, in its native type; None when nothing says it."""
        value = value_at(self.configuration.workload or {}, key)
        if value is None and self.metadata is not None:
            return effective(self.metadata, key)
        return native(value)

    def origin(self, key: str) -> str:
        """The file that says a parameter, relative to the tree."""
        if value_at(self.configuration.workload or {}, key) is not None or self.metadata is None:
            return self.configuration.file
        return self.metadata.path or self.leaf.relpath

    @property
    def overrides(self) -> tuple[Override, ...] | None:
        """Every key that was set, by either record, sorted; None where neither is there."""
        metadata = self.metadata
        name = next((k for k in ("params_dict", "override_parameters") if metadata and isinstance(metadata.raw.get(k), Mapping)), None)
        if metadata is None or name is None:
            return self.configuration.overrides
        recorded = metadata.override_parameters
        found = [Override(str(key), native(value), metadata.path, f"{name}.{key}") for key, value in recorded.items()]
        found += [override for override in self.configuration.overrides or () if override.key not in recorded]
        return tuple(sorted(found, key=lambda override: override.key))

    @property
    def accelerator(self) -> str:
        """The emulated accelerator, in lower case; empty where nothing says it."""
        if self.metadata is not None and self.metadata.accelerator:
            return self.metadata.accelerator.strip().lower()
        return self.configuration.name.rpartition("_")[2].lower() if "_" in self.configuration.name else ""

    def damage(self) -> Iterator[Finding]:
        """Findings on records of the run that are there and cannot be read."""
        for problem in self.leaf.problems:
            lost = (self.summary is None and problem.file.endswith("summary.json")) or (
                self.metadata is None and "metadata" in problem.file
            )
            if lost:
                yield Finding(f"a file {problem.message}", file=problem.file)
        for problem in self.configuration.problems:
            yield Finding(f"a file {problem.message}", file=problem.file)


def run_directories(result: StoredResult) -> tuple[RoundRun, ...]:
    """Every directory of a run, by name; not what the tool wrote for another of its commands in the same place.

    Checkpointing of this edition keeps the records of ``datasize`` beside the runs. One that left a summary measured
    something, so it is a run whatever it calls itself.
    """
    runs = (RoundRun(leaf, _MEMORY.of(leaf, result.root)) for leaf in result.runs)
    return tuple(run for run in runs if run.finished or _may_be_run(run.metadata))


def _may_be_run(metadata: LeafMetadata | None) -> bool:
    return metadata is None or metadata.command is None or metadata.command.startswith("run")


def is_round_v2(edition: Edition) -> bool:
    """Whether an edition forms its figures of runs as round 2.0 did: by accelerator, and of checkpoints by the clocks of all ranks."""
    return edition.name == _ROUND


def run_leaves(result: StoredResult, edition: Edition) -> tuple[Leaf, ...]:
    """The runs of a result; round 2.0 keeps what its tool left for other commands beside them."""
    return tuple(run.leaf for run in run_directories(result)) if is_round_v2(edition) else result.runs


def measured_runs(result: StoredResult) -> Iterator[RoundRun | NoEvidence]:
    """Each run whose summary could be read; the rule on the number of runs speaks of the others."""
    runs = run_directories(result)
    if not runs:
        yield NoEvidence("there is no run", result.relpath)
    for run in runs:
        if run.summary is not None and run.summary.raw:
            yield run
        elif run.summary is not None:
            yield NoEvidence("the summary says nothing", run.leaf.relpath)
        elif any("summary" in name for name in run.leaf.pruned):
            yield NoEvidence("the summary could not be read (pruned by its publisher)", run.leaf.relpath)
        else:
            yield NoEvidence("the summary could not be read", run.leaf.relpath)


def by_accelerator(runs: tuple[RoundRun, ...]) -> dict[str, list[RoundRun]]:
    """Runs of one model by accelerator: each accelerator is a result of its own in this edition."""
    groups: dict[str, list[RoundRun]] = {}
    for run in runs:
        groups.setdefault(run.accelerator, []).append(run)
    return dict(sorted(groups.items()))


def finished_by_accelerator(result: StoredResult) -> dict[str, list[RoundRun]]:
    """The runs of a result that came to their end, by accelerator."""
    return by_accelerator(tuple(run for run in run_directories(result) if run.finished))


def complete(result: StoredResult, group: Sized, edition: Edition) -> bool:
    """Whether the runs on one accelerator are as many as a figure is made of; where nothing is claimed, any number is."""
    return result.division is Division.WHATIF or len(group) == edition.training.measured_runs


def named(name: str, accelerator: str, groups: Sized) -> str:
    """The name of a figure of the runs on one accelerator: itself where all runs are on one, else ``… on h100``."""
    return name if len(groups) == 1 else f"{name} on {accelerator or 'an unknown accelerator'}"


def directories_without_run(result: StoredResult, runs: tuple[RoundRun, ...]) -> Iterator[Finding]:
    """Findings on directories that hold no finished run, records that cannot be read, and names that are no timestamp."""
    # The edition has no rule on files; its text asks for rank 0's logs only. A run is known by its summary, so a directory
    # without one is a run that crashed. Runs must follow each other without failed ones between them, and a package holds
    # the runs of its results: such a directory must be explained or left out.
    for run in runs:
        yield from run.damage()
        if not run.finished:
            yield Finding("a run directory holds no finished run", required="a summary.json", file=run.leaf.relpath)
    place = result.relpath if result.benchmark == "checkpointing" else f"{result.relpath}/run"
    for name in result.run_listing.directories:
        if not is_timestamp(name) and not is_noise(name):
            yield Finding(
                "a directory among the runs is not named as a timestamp and was not read",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=name,
                required="YYYYMMDD_HHMMSS",
                file=f"{place}/{name}",
            )
