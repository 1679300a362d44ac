"""What can be known before the first byte of a checkpoint: engine, MPI, rules, paths, space, memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_mlpstorage.units import MIB, format_bytes
from pytest_mlpstorage.verdict import Division, Finding
from pytest_mlpstorage.workloads.checkpointing_judge import preflight_rules
from pytest_mlpstorage.workloads.checkpointing_state import space_bytes
from pytest_mlpstorage.workloads.dlio_spread import uneven_ranks
from pytest_mlpstorage.workloads.host_limits import PROCESS_FILES, memory_for, open_files
from pytest_mlpstorage.workloads.mpi_trial import mpi_findings
from pytest_mlpstorage.workloads.storage_checks import file_systems, first_of_its_storage, on_host, results_space, usable

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["host_findings", "preflight"]

FILES_AT_ONCE = 16
"""Files of a checkpoint that a rank has open together: a few shards, and what DLIO keeps of its own."""

RESULTS_BYTES = 16 * MIB
RESULTS_BYTES_PER_RANK = 64 * 1024
"""Room for metadata, tables, the three files of each rank and whatever a failed run leaves."""


def preflight(plan: CheckpointingPlan) -> Iterator[Finding]:
    """All that stands in the way of this plan, and what a reader should know of it."""
    rules = list(preflight_rules(plan))
    yield from rules
    if plan.size is None:
        yield Finding(
            f"a checkpoint of {plan.model} cannot be dealt out: {plan.size_problem}",
            measured=plan.ranks,
            required=_ranks_allowed(plan),
            field="accelerators",
            rule="MLPS-CKPT-1",
        )
    yield from _engine(plan)
    if not plan.engine.is_own:
        yield from uneven_ranks(plan.placement, "accelerators")
    yield from _paths(plan)
    yield from usable("checkpoint.checkpoint_folder", plan.folder)
    yield from usable("results_dir", plan.config.results_dir)
    for number in range(len(plan.placement)):
        yield from host_findings(plan, number)
    if plan.size is not None:
        # Ranks are tried last: where a count is refused no rank of it will ever start.
        yield from mpi_findings(plan.config, plan.ranks)


def _ranks_allowed(plan: CheckpointingPlan) -> str:
    if plan.config.division is Division.CLOSED:
        return str(plan.entry_model.processes)
    return f"a positive multiple of {plan.entry_model.open_multiple}"


def _engine(plan: CheckpointingPlan) -> Iterator[Finding]:
    for key in plan.engine.ignored(plan.case.item.parameters):
        yield Finding(
            f"our checkpoint program does not know {key} (set in {plan.case.item.parameters[key].origin}) and would take no notice of it",
            measured=plan.engine.describe(),
            required="a DLIO that writes and reads checkpoints, or no such key",
            field=key,
            rule="MLPS-CKPT-2",
        )


def _paths(plan: CheckpointingPlan) -> Iterator[Finding]:
    for host in plan.cluster.hosts[: len(plan.placement)]:
        yield from file_systems(
            plan.config, host, plan.base_folder, what="checkpoints", field="checkpoint.checkpoint_folder", rule_id="4.4.2"
        )


def host_findings(plan: CheckpointingPlan, number: int) -> Iterator[Finding]:
    """What the host of that number lacks: space, memory, open files."""
    yield from _space(plan, number)
    yield from _memory(plan, number)
    yield from open_files(
        plan.cluster.hosts, number, ranks=plan.placement[number], in_a_process=PROCESS_FILES + FILES_AT_ONCE, field="accelerators"
    )


def _space(plan: CheckpointingPlan, number: int) -> Iterator[Finding]:
    hosts, writes = plan.cluster.hosts, max(plan.counts(step)[0] for step in plan.case.steps)
    if plan.size is not None and writes and first_of_its_storage(hosts, number, plan.base_folder):
        free = hosts[number].mount(plan.base_folder).free_bytes
        needed = space_bytes(plan, writes, free_bytes=free)
        if free < needed:
            yield Finding(
                f"{plan.base_folder}{on_host(hosts, number)} has too little free space for {writes} checkpoints of "
                f"{format_bytes(plan.total_bytes)}",
                measured=format_bytes(free),
                required=format_bytes(needed),
                field="checkpoint.checkpoint_folder",
                rule="MLPS-SPACE-1",
            )
    needed = RESULTS_BYTES + RESULTS_BYTES_PER_RANK * plan.ranks * len(plan.case.steps)
    yield from results_space(plan.config.results_dir, hosts, number, needed, f"the records of {len(plan.case.steps)} run(s)")


def _memory(plan: CheckpointingPlan, number: int) -> Iterator[Finding]:
    ranks = plan.placement[number]
    what = f"{ranks} ranks of {plan.engine.describe()}"
    yield from memory_for(what, plan.cluster.hosts[number], plan.rank_memory_bytes * ranks, field="accelerators")
