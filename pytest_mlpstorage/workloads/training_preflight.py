"""What can be known before the first byte of training I/O: engine, MPI, paths, space, memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.dlio.capabilities import Capabilities, probe, require
from pytest_mlpstorage.dlio.checks import check_workload
from pytest_mlpstorage.dlio.engine import choose
from pytest_mlpstorage.dlio.keys import nearest, official_keys
from pytest_mlpstorage.dlio.parquet_format import INSTALL as INSTALL_PYARROW
from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.results.reader import read_training_result
from pytest_mlpstorage.results.state import Complete, read_dataset_state
from pytest_mlpstorage.units import MIB, format_bytes
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity
from pytest_mlpstorage.workloads.base import NO_DATAGEN
from pytest_mlpstorage.workloads.dlio_spread import uneven_ranks
from pytest_mlpstorage.workloads.host_limits import PROCESS_FILES, memory_for, open_files
from pytest_mlpstorage.workloads.mpi_trial import mpi_findings
from pytest_mlpstorage.workloads.storage_checks import file_systems, first_of_its_storage, on_host, results_space, usable
from pytest_mlpstorage.workloads.training_judge import preflight_rules
from pytest_mlpstorage.workloads.training_state import space_bytes

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["host_findings", "preflight"]


def preflight(plan: TrainingPlan) -> Iterator[Finding]:
    """All that stands in the way of this plan, and what a reader should know of it."""
    capabilities = probe()
    hindrances = list(_engine(plan, capabilities))
    yield from hindrances
    yield from uneven_ranks(plan.placement, "accelerators")
    yield from mpi_findings(plan.config, plan.ranks)
    yield from preflight_rules(plan if hindrances else dataclasses.replace(plan, capabilities=capabilities))
    yield from _paths(plan, plan.config)
    for name, path in (("data_dir", plan.config.data_dir), ("results_dir", plan.config.results_dir)):
        yield from _readable(name, path)
        yield from usable(name, path)
    yield from _generated_elsewhere(plan)
    for number in range(len(plan.placement)):
        yield from host_findings(plan, number)
    if plan.steps_per_epoch < 2:
        yield Finding(
            "too few samples: a run needs two steps an epoch, since the first step of an epoch does not count",
            measured=f"{plan.files * plan.samples_per_file} samples",
            required=f"{2 * plan.batch_size * plan.ranks} samples",
            field="dataset.num_files_train",
            rule="MLPS-STEPS-1",
        )


def _engine(plan: TrainingPlan, capabilities: Capabilities) -> Iterator[Finding]:
    installed = f"DLIO {capabilities.version} ({capabilities.flavour})" if capabilities.installed else "no DLIO"
    try:
        require(capabilities)
        check_workload(plan.parameters, kind=capabilities.flavour, ranks=plan.ranks, absent=capabilities.missing)
        engine = choose(plan.parameters, flavour=capabilities.flavour, reader="auto", generator="auto")
        if engine.generator == "parquet" and not capabilities.pyarrow:
            yield Finding("parquet needs pyarrow, which is not installed", measured=installed, required=INSTALL_PYARROW, rule="MLPS-DLIO-1")
    except MLPStorageError as error:
        hint = f" ({error.suggestion})" if error.suggestion else ""
        yield Finding(f"{plan.case.id} cannot run here: {error.message}{hint}", measured=installed, rule="MLPS-DLIO-1")
        return
    known = official_keys()
    mine = {key for key, entry in known.items() if capabilities.engine in entry.engines}
    # What is translated on the way, and what an engine part of ours carries out, takes effect without DLIO knowing it.
    served = {"dataset.record_length_bytes", "dataset.record_length_bytes_stdev", "dataset.record_length_bytes_resize", "reader.odirect"}
    for key, setting in plan.case.item.parameters.items():
        entry = known.get(key)
        free = entry is None or (entry.type == "any") or key.startswith("dataset.parquet")
        if key not in mine and not free and not (capabilities.needs_translation and key in served):
            near = nearest(key, mine)
            hint = f"; did you mean {near}?" if near else ""
            yield Finding(
                f"the installed DLIO does not know {key} (set in {setting.origin}) and would ignore it in silence{hint}",
                measured=installed,
                required=", ".join(entry.engines) if entry is not None else None,
                field=key,
                rule="MLPS-DLIO-2",
            )


def _paths(plan: TrainingPlan, config: SuiteConfig) -> Iterator[Finding]:
    for host in plan.cluster.hosts[: len(plan.placement)]:
        yield from file_systems(config, host, config.data_dir, what="data", field="data_dir", rule_id="3.4.2")


LOG_BYTES_PER_STEP = 170
"""DLIO writes a line of about 85 bytes a step and rank, to dlio.log and to stderr (training.md §6)."""

FILES_PER_WORKER = 16
"""What torch keeps open in a rank for a read worker: its pipes, and one descriptor for each tensor of the batches that it has ready."""

RESULTS_BYTES = 16 * MIB
"""Room for metadata, tables and whatever a failed run leaves."""


def _readable(name: str, path: Path) -> Iterator[Finding]:
    if "${" in str(path):
        yield Finding(
            f"{name}: DLIO's configuration takes ${{…}} in a path for a reference", measured=str(path), field=name, rule="MLPS-PATH-3"
        )


def _generated_elsewhere(plan: TrainingPlan) -> Iterator[Finding]:
    """A data set that is there while the leaf of its generation is not: the runs can be measured, and are no complete result."""
    state = read_dataset_state(plan.config.data_dir, plan.model)
    if not isinstance(state, Complete) or any(
        leaf.metadata is not None for leaf in read_training_result(plan.result_dir(), root=plan.config.results_dir).datagen
    ):
        return
    whatif = plan.config.division is Division.WHATIF
    yield Finding(
        f"the data set in {plan.data_folder} was generated under another results directory, so this result has no datagen leaf; copy "
        f"{state.manifest.source_datagen_result_dir} from there into {plan.result_dir() / 'datagen'}, or have it generated anew with "
        "--mlps-rerun=datagen",
        severity=Severity.INFO if whatif else Severity.WARNING,
        category=Category.CLOSED,
        measured="none",
        required="one data generation (rules 2.1.12 and 2.1.13)",
        file="the plan",
        field="data_dir",
        rule=NO_DATAGEN,
    )


def host_findings(plan: TrainingPlan, number: int) -> Iterator[Finding]:
    """What the host of that number lacks: space, memory, open files."""
    yield from _space(plan, number)
    runs = sum(step.phase == "run" for step in plan.case.steps)
    needed = RESULTS_BYTES + LOG_BYTES_PER_STEP * plan.steps_per_epoch * plan.epochs * plan.ranks * runs
    yield from results_space(plan.config.results_dir, plan.cluster.hosts, number, needed, f"the logs of {runs} runs")
    yield from _memory(plan, number)
    yield from open_files(
        plan.cluster.hosts,
        number,
        ranks=plan.placement[number],
        in_a_process=PROCESS_FILES + plan.read_threads * FILES_PER_WORKER,
        field="reader.read_threads",
    )


def _space(plan: TrainingPlan, number: int) -> Iterator[Finding]:
    hosts, data_dir = plan.cluster.hosts, plan.config.data_dir
    needed = space_bytes(plan)
    mount = hosts[number].mount(data_dir)
    if mount.free_bytes < needed and first_of_its_storage(hosts, number, data_dir):
        yield Finding(
            f"{data_dir}{on_host(hosts, number)} has too little free space for {plan.files} files of {format_bytes(plan.size.file_bytes)}",
            measured=format_bytes(mount.free_bytes),
            required=format_bytes(needed),
            field="data_dir",
            rule="MLPS-SPACE-1",
        )


def _memory(plan: TrainingPlan, number: int) -> Iterator[Finding]:
    ranks = plan.placement[number]
    what = f"{ranks} ranks with {plan.read_threads} read workers each"
    yield from memory_for(what, plan.cluster.hosts[number], plan.rank_memory_bytes * ranks, field="reader.read_threads")
