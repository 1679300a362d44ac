"""The plan of one checkpointing case: parameters, sizes, placement, memory and expected time, before anything is launched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import SuiteConfig
from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointSize
from pytest_mlpstorage.editions.core_config import core_config_hash
from pytest_mlpstorage.editions.families import CheckpointingEdition, CheckpointModel
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.layout import result_path
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.units import GIB, MIB, format_bytes
from pytest_mlpstorage.workloads.base import Case, Step
from pytest_mlpstorage.workloads.checkpointing_engine import CheckpointEngine
from pytest_mlpstorage.workloads.checkpointing_settings import READS, WRITES, CheckpointingSection
from pytest_mlpstorage.workloads.foreseen import Foreseen, Space

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.workloads.checkpointing_handover import Handover

__all__ = ["ASSUMED_BYTES_PER_SECOND", "CheckpointingPlan"]

ASSUMED_BYTES_PER_SECOND = 250 * MIB
"""Assumed speed of the storage a host, only for the deadline; it is printed as an assumption."""

STARTUP_SECONDS = 5.0
"""mpirun, Python and MPI; DLIO takes some seconds more for torch."""


@dataclasses.dataclass(frozen=True)
class CheckpointingPlan:
    """Everything known of a checkpointing case before launch.

    ``parameters`` are the nested official parameters in effect, ``overrides`` the dotted ones that a user or this tool laid over the
    edition's. ``size`` is None, with the reason in ``size_problem``, where these ranks cannot hold the model: the rules name it.
    ``placement``: ranks of each host that is used, in order. ``engine`` is what will measure. ``handovers`` takes what lay
    between two runs, by the name of the step that came after it.
    """

    case: Case
    config: SuiteConfig
    edition: Edition
    rules: CheckpointingEdition
    entry_model: CheckpointModel
    section: CheckpointingSection
    cluster: ClusterFacts
    engine: CheckpointEngine
    ranks: int
    accelerator: str
    subset: bool
    parameters: Mapping[str, Any]
    overrides: Mapping[str, Any]
    base_folder: Path
    size: CheckpointSize | None
    size_problem: str
    placement: tuple[int, ...]
    handovers: dict[str, Handover] = dataclasses.field(default_factory=dict, compare=False)

    # -- what follows from the parameters ---------------------------------------------------------------------------

    @property
    def model(self) -> str:
        """The edition's model name."""
        return self.case.model

    @property
    def folder(self) -> Path:
        """Where the checkpoints of this model stand, one directory each."""
        return self.base_folder / self.model

    @property
    def seen_here(self) -> bool:
        """Whether this process sees the checkpoints: hosts other than this one may have the folder to themselves."""
        return len(self.placement) == 1 or self.folder.is_dir()

    @property
    def separate(self) -> bool:
        """Whether one run writes and another one reads."""
        return self.section.invocations == "separate"

    def counts(self, step: Step) -> tuple[int, int]:
        """Checkpoints that a step writes, and reads."""
        writes, reads = (int(value_at(self.parameters, key, 0)) for key in (WRITES, READS))
        return (writes if step.name != "read" else 0), (reads if step.name != "write" else 0)

    def step_parameters(self, step: Step) -> Mapping[str, Any]:
        """The dotted parameters of a step that its numbers of checkpoints make."""
        writes, reads = self.counts(step)
        return {WRITES: writes, READS: reads}

    @property
    def seconds_between(self) -> float:
        """Sleep before each checkpoint."""
        return float(value_at(self.parameters, "checkpoint.time_between_checkpoints", 0) or 0)

    @property
    def data_parallel(self) -> int | None:
        """Copies that a subset job belongs to; None where the job is whole."""
        subset = value_at(self.parameters, "checkpoint.mode") == "subset"
        copies = value_at(self.parameters, "model.parallelism.data")
        return int(copies) if subset and copies is not None else None

    @property
    def total_bytes(self) -> int:
        """Bytes of one checkpoint; 0 where it cannot be sized."""
        return self.size.total_bytes if self.size is not None else 0

    @property
    def host_bytes(self) -> tuple[int, ...]:
        """Bytes of one checkpoint by host."""
        if self.size is None:
            return tuple(0 for _ in self.placement)
        by_rank, start, found = self.size.bytes_by_rank, 0, []
        for ranks in self.placement:
            found.append(sum(by_rank[start : start + ranks]))
            start += ranks
        return tuple(found)

    @property
    def rank_memory_bytes(self) -> int:
        """Memory of the rank that takes most."""
        return self.engine.rank_memory_bytes(max(self.size.bytes_by_rank) if self.size is not None else 0)

    # -- the Plan protocol --------------------------------------------------------------------------------------------

    def bytes_to_write(self, step: Step) -> int:
        """Bytes put on the storage under test."""
        return self.counts(step)[0] * self.total_bytes

    def bytes_to_read(self, step: Step) -> int:
        """Bytes read from the storage under test."""
        return self.counts(step)[1] * self.total_bytes

    def expected_seconds(self, step: Step) -> float:
        """Expected wall time: bytes at an assumed speed of each host, and the sleep before each checkpoint."""
        moved = self.bytes_to_write(step) + self.bytes_to_read(step)
        return STARTUP_SECONDS + moved / (ASSUMED_BYTES_PER_SECOND * len(self.placement)) + sum(self.counts(step)) * self.seconds_between

    def foreseen(self, step: Step) -> Foreseen:
        """What is known of a step: bytes, memory, and the sleeps between checkpoints; how fast the storage is nobody knows before."""
        from pytest_mlpstorage.workloads.checkpointing_state import space_bytes

        writes, reads = self.counts(step)
        sleeps, memory = (writes + reads) * self.seconds_between, self.rank_memory_bytes
        because = {"takes": "how fast this storage is, nobody knows before"}
        if sleeps:
            because["takes"] += f"; {writes + reads} sleeps of {self.seconds_between:g} s are the least"
        known = self.size is not None
        if not known:
            because |= dict.fromkeys(("writes", "reads", "memory"), self.size_problem)
        return Foreseen(
            self.bytes_to_write(step) if known else None,
            self.bytes_to_read(step) if known else None,
            sleeps,
            rank_memory_bytes=memory if known else None,
            host_memory_bytes=memory * max(self.placement) if known else None,
            ranks=self.ranks,
            space=Space(self.base_folder, f"checkpointing:{self.case.id}", space_bytes(self, writes)) if known and writes else None,
            because=because,
        )

    def lines(self) -> Sequence[str]:
        """The plan for people, one fact a line."""
        hosts = len(self.placement)
        head = (
            f"{self.case.id}: {self.ranks} simulated accelerators on {hosts} host(s) "
            f"with {format_bytes(self.cluster.total_memory_bytes)} of memory together, written and read by {self.engine.describe()}"
        )
        if self.size is None:
            return [head, f"  a checkpoint: cannot be sized: {self.size_problem}"]
        by_rank = self.size.bytes_by_rank
        spread = (
            f"{format_bytes(min(by_rank))} to {format_bytes(max(by_rank))}" if min(by_rank) != max(by_rank) else format_bytes(by_rank[0])
        )
        runs = [
            f"  {step.name}: writes {self.counts(step)[0]} checkpoints ({format_bytes(self.bytes_to_write(step))}), reads "
            f"{self.counts(step)[1]} ({format_bytes(self.bytes_to_read(step))})"
            for step in self.case.steps
        ]
        hand_over = []
        if self.separate:
            words = " ".join(self.section.between_command or ("nothing",))
            limit = self.rules.failover_gap_seconds
            hand_over.append(f"  between them: {words}" + (f", at most {limit:g} s (4.7.1)" if limit is not None else ""))
        mode = f", subset of {self.data_parallel} copies" if self.data_parallel is not None else f", {self.size.data_parallel} copies"
        return [
            head,
            f"  a checkpoint: {format_bytes(self.total_bytes)} ({self.total_bytes} bytes = {self.size.total_gib:.4f} GiB{mode}) "
            f"in {self.folder}: model {format_bytes(self.size.model_bytes)}, optimizer {format_bytes(self.size.optimizer_bytes)}",
            f"  a rank: {spread}; a host: {format_bytes(max(self.host_bytes))} of {max(self.placement)} ranks at most",
            *runs,
            *hand_over,
            f"  memory: about {format_bytes(self.rank_memory_bytes)} a rank, "
            f"{format_bytes(self.rank_memory_bytes * max(self.placement))} on the fullest host; accelerators: "
            f"{self.ranks} × {self.rules.accelerator_memory_gb.get(self.accelerator, 0)} GB for {self.size.total_gib:.1f} GiB (4.3.4)",
            f"  core-config-v1 hash: {core_config_hash(self.parameters, 'checkpointing')}",
        ]

    def leaf_parent(self, step: Step) -> Path:  # noqa: ARG002 - checkpointing has no level for the phase
        """The model directory."""
        return self.result_dir()

    def result_dir(self) -> Path:
        """The model directory: one result."""
        c = self.config
        return result_path(c.results_dir, c.division, c.submitter, c.system, "checkpointing", self.model)

    @property
    def host_memory_gib(self) -> tuple[float, ...]:
        """Memory of each host that is used."""
        return tuple(host.memory_bytes / GIB for host in self.cluster.hosts[: len(self.placement)])

    def metadata(self, step: Step, leaf: Path) -> LeafMetadata:
        """The metadata record of a leaf, in the edition's vocabulary."""
        from pytest_mlpstorage.workloads.checkpointing_records import leaf_metadata

        return leaf_metadata(self, step, leaf)
