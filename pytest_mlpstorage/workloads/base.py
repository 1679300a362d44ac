"""The small interface of a workload: its section of the configuration, its cases, plan, command and collection."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:  # collection must not pay for what only a run needs
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.config import FamilySchema, ItemConfig, Setting, SuiteConfig
    from pytest_mlpstorage.launch.job import Job, Launcher
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.results.pictures import Picture
    from pytest_mlpstorage.results.records import LeafMetadata
    from pytest_mlpstorage.verdict import Finding, Judgement
    from pytest_mlpstorage.workloads.execute import Voice

__all__ = [
    "NO_DATAGEN",
    "Case",
    "CleaningWorkload",
    "Collected",
    "HostedWorkload",
    "Judged",
    "Place",
    "Plan",
    "PreconditioningWorkload",
    "Step",
    "Workload",
    "records_name",
]


NO_DATAGEN = "MLPS-DATASET-1"
"""Under what a preflight says that the data set is there and the leaf of its generation is not."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One launch of a case, in order: ``datagen``, then the runs ``warmup``, ``1``, ``2`` and so on.

    ``phase`` is the level of the results tree it is written to; ``index`` counts the leaves of that phase from 0.
    """

    name: str
    phase: str
    index: int = 0


@dataclasses.dataclass(frozen=True)
class Case:
    """One entry of a family's section: what the items of one class share. ``id`` is the text in their brackets."""

    family: str
    id: str
    model: str
    item: ItemConfig
    steps: tuple[Step, ...]


class Plan(Protocol):
    """A case with everything known before it is launched."""

    @property
    def case(self) -> Case:
        """The case that was planned."""

    def leaf_parent(self, step: Step) -> Path:
        """Directory that the step's leaf will stand in, under a timestamp."""

    def lines(self) -> Sequence[str]:
        """The plan for people: sizes and which limit binds, bytes to write and read, memory a rank, expected time."""

    def metadata(self, step: Step, leaf: Path) -> LeafMetadata:
        """The metadata record of a leaf that this step will write at ``leaf`` (its final path)."""

    def expected_seconds(self, step: Step) -> float:
        """How long the step should take; the deadline is made of it."""

    def bytes_to_write(self, step: Step) -> int:
        """Bytes the step puts on the storage under test."""

    def bytes_to_read(self, step: Step) -> int:
        """Bytes the step reads from the storage under test."""


@dataclasses.dataclass(frozen=True)
class Collected:
    """What a finished launch measured: metric name (its unit in it) → value, what a reader must know, and our block.

    ``headline`` is its one figure for the column *Measured*, with its unit.
    """

    metrics: Mapping[str, float]
    notes: tuple[str, ...] = ()
    mlps: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    headline: str = ""


@dataclasses.dataclass(frozen=True)
class Judged:
    """A judged result: its path in the tree, its verdict, its metrics (units in the names).

    ``measured`` and ``required`` are the figure that decides and its limit, for people. ``moved`` says of leaves that stood outside of the
    tree where in it they are now.
    """

    relpath: str
    judgement: Judgement
    metrics: Mapping[str, float | int | str | None]
    accelerator: str | None = None
    measured: str = ""
    required: str = ""
    pictures: tuple[Picture, ...] = ()
    moved: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Workload(Protocol):
    """A family of workloads, found by the entry point group ``pytest_mlpstorage.workloads``."""

    family: str

    def schema(self) -> FamilySchema:
        """The family's section of the configuration: its own keys and the official ones."""

    def defaults(self, config: SuiteConfig) -> Sequence[Setting]:
        """What the edition gives to keys of the family's section that nobody set, by their path in the YAML."""

    def settings(self, case: Case, config: SuiteConfig) -> Sequence[Setting]:
        """Every effective official parameter of a case with its origin, from the configuration and the edition alone."""

    def cases(self, config: SuiteConfig) -> Sequence[Case]:
        """The cases of a configuration, from the configuration alone: collection asks neither cluster nor engine."""

    def plan(self, case: Case, config: SuiteConfig, cluster: ClusterFacts) -> Plan:
        """Work out sizes and parameters; raises ConfigurationError for what cannot be."""

    def preflight(self, plan: Any) -> Iterator[Finding]:
        """Everything that can be found out before the first byte of I/O, rules and probes, as findings with their ids."""

    def found(self, plan: Any, step: Step) -> str | None:
        """Why the step need not be done again (a finished phase that is in the tree), or None.

        Asked for each step alone. A family whose runs belong together also has ``series``, which is asked for those instead
        (:class:`pytest_mlpstorage.workloads.series.SeriesWorkload`).

        Raises ConfigurationError or FileSystemError where what is there contradicts the plan.
        """

    def job(self, plan: Any, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job | None:
        """The launch of a step, or None for a calculation; with ``write`` its input files are put below ``scratch``."""

    def require(self, plan: Any, step: Step) -> None:
        """Raise FileSystemError unless what the step reads is in its place; called before a leaf is begun."""

    def prepare(self, plan: Any, step: Step, *, run_id: str) -> tuple[str, ...]:
        """Called before the launch, to mark what will be half-made; returns what a person should know."""

    def collect(self, plan: Any, step: Step, *, staged: Path, scratch: Path, outcome: Outcome) -> Collected:
        """Read what the run left; raises BenchmarkExecutionError where it is not what a finished run leaves."""

    def finish(self, plan: Any, step: Step, *, leaf: Path, run_id: str, collected: Collected) -> None:
        """Called when the leaf stands in its place, to mark what is now complete."""

    def judge(self, plan: Any) -> Judged | None:
        """Judge the finished result as it is read back from the tree; None where nothing was measured yet."""

    def diagnose(self, stderr_tail: Sequence[str]) -> str | None:
        """The cause that an engine's own words name, or None."""


@runtime_checkable
class CleaningWorkload(Protocol):
    """What a family adds whose ranks write what must not outlive a launch that failed; one that was killed cannot remove it itself."""

    def clean_up(self, plan: Any, step: Step, *, scratch: Path, launcher: Launcher) -> Sequence[str]:
        """Called when all processes of a step that failed, or was interrupted, are gone; what is said of all that stays."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A directory that each host of a case reads or writes, and the key of the configuration that sets it.

    ``path`` is ``results_dir`` or one of ``storage_dirs`` of the configuration: hosts are asked of those before anything is planned.
    ``seen_by``: each ``host`` may have its own; all ``hosts`` must have the same; so must pytest, for a ``run``.
    """

    path: Path
    key: str
    seen_by: Literal["host", "hosts", "run"]


@runtime_checkable
class HostedWorkload(Protocol):
    """What a family adds that knows what its ranks need of a host; of others only the results directory is looked at there."""

    def hosts_used(self, plan: Any) -> int:
        """How many hosts run ranks of the plan: the first ones."""

    def places(self, plan: Any) -> Sequence[Place]:
        """Directories that its ranks use beside that of the results."""

    def packages(self, plan: Any) -> Sequence[str]:
        """Keys of ``results.host_facts.VERSIONS`` that every host must have, in the version of this one."""

    def host_findings(self, plan: Any, number: int) -> Iterator[Finding]:
        """What the host of that number lacks: memory, free space, open files. ``preflight`` has them too, of all hosts."""


@runtime_checkable
class PreconditioningWorkload(Protocol):
    """What a family adds whose storage is to be filled before anything of it is measured."""

    def precondition_findings(self, plan: Any) -> Iterator[Finding]:
        """What a reader must know of how the storage was before."""

    def what_precondition_does(self, plan: Any) -> str:
        """What was, or would be, done; one line."""

    def precondition_bytes(self, plan: Any) -> int:
        """Bytes that doing it would write; 0 where nothing is to be done."""

    def precondition(self, plan: Any, *, launcher: Launcher, voice: Voice) -> None:
        """Do it, unless it is declared, done or not wanted."""


def records_name(workload: Workload) -> str:
    """The word for a family in the names of its leaves' files: its ``benchmark``, where its section has another name."""
    return str(getattr(workload, "benchmark", workload.family))
