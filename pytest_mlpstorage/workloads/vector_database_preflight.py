"""What can be known before the first vector: rules on the plan, the engine, paths, space, memory, MPI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import EngineError
from pytest_mlpstorage.units import MIB, format_bytes
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity
from pytest_mlpstorage.workloads.base import NO_DATAGEN
from pytest_mlpstorage.workloads.host_limits import PROCESS_FILES, memory_for, open_files
from pytest_mlpstorage.workloads.mpi_trial import mpi_findings
from pytest_mlpstorage.workloads.storage_checks import file_systems, first_of_its_storage, on_host, results_space, usable
from pytest_mlpstorage.workloads.vector_database_judge import preflight_rules
from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan
from pytest_mlpstorage.workloads.vector_database_server import asked
from pytest_mlpstorage.workloads.vector_database_state import MARK, leaves, may_replace, space_bytes, whole_collection

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import HostFacts

__all__ = ["host_findings", "preflight"]

_BYTES_PER_SAMPLE: Final = 26
_RESULTS_BYTES: Final = 16 * MIB
_LOADER_BYTES: Final = 512 * MIB
_ENGINE_FILES: Final = 128
"""Segments and logs that an embedded engine holds open, or the connections of a client."""


def preflight(plan: VectorPlan) -> Iterator[Finding]:
    """All that stands in the way of this plan, and what a reader should know of it."""
    yield from preflight_rules(plan)
    yield from _shards(plan)
    yield from _engine(plan)
    yield from _shape(plan)
    for host in plan.cluster.hosts[: plan.hosts] if plan.entry.uri is None else ():
        yield from _paths(plan, host)
    yield from usable("data_dir", plan.config.data_dir)
    yield from usable("results_dir", plan.config.results_dir)
    for number in range(min(plan.hosts, len(plan.cluster.hosts))):
        yield from host_findings(plan, number)
    yield from _marks(plan)
    yield from _loaded_elsewhere(plan)
    yield from mpi_findings(plan.config, plan.ranks)


def _shards(plan: VectorPlan) -> Iterator[Finding]:
    """Shards that the engine has not; what a division allows is said by the rules on the plan."""
    if plan.shards > 1 and plan.embedded:
        yield Finding(
            f"{plan.entry.engine} has no shards",
            measured=plan.shards,
            required=1,
            field="vectordb.dataset.num_shards",
            rule="MLPS-VDB-PLAN-1",
        )


def _engine(plan: VectorPlan) -> Iterator[Finding]:
    """Whether the engine's package is there and its server answers."""
    try:
        said = asked(plan)
    except EngineError as error:
        yield _unusable(plan, error.message, "; ".join(map(str, error.details.values())), "")
        return
    if "message" in said:
        yield _told(plan, said)
    elif plan.entry.uri is not None:
        yield from _collection(plan, said)


def _told(plan: VectorPlan, words: dict[str, Any]) -> Finding:
    """An error of the engine as a finding."""
    details = "; ".join(f"{key}: {value}" for key, value in words.get("details", {}).items())
    return _unusable(plan, str(words["message"]), details, str(words.get("suggestion") or ""))


def _collection(plan: VectorPlan, said: dict[str, Any]) -> Iterator[Finding]:
    """What a server that is not ours has under the name of the collection, against what the mark says."""
    words = said.get("attach")
    if words and (whole_collection(plan) is not None or "cause" in words.get("details", {})):
        yield _told(plan, words)
    elif said.get("there") and not may_replace(plan):
        yield _unusable(
            plan,
            f"{plan.entry.engine} has a collection {plan.name}, and nothing says that this suite made it: it will not be touched",
            str(plan.folder / MARK),
            "another name: dataset.collection_name",
        )


def _unusable(plan: VectorPlan, message: str, measured: str, required: str) -> Finding:
    field = "vectordb.workloads.uri" if plan.entry.uri else "vectordb.workloads.engine"
    return Finding(message, measured=measured or None, required=required or None, field=field, rule="MLPS-VDB-ENGINE-1")


def _shape(plan: VectorPlan) -> Iterator[Finding]:
    """Clients that the engine cannot serve."""
    if plan.processes > 1 and plan.capabilities.readers == "one":
        yield Finding(
            f"{plan.entry.engine} can be opened by one process only",
            measured=plan.processes,
            required=1,
            field="vectordb.run.num_query_processes",
            rule="MLPS-VDB-PLAN-2",
        )
    if plan.embedded and plan.hosts > 1:
        yield Finding(
            f"{plan.entry.engine} is embedded: its collection is files that processes of one host open, so no other host can search it",
            measured=f"{plan.hosts} hosts",
            required="one host in cluster.hosts, or a database that is a server (pgvector or milvus, with its uri)",
            field="vectordb.workloads.engine",
            rule="MLPS-VDB-PLAN-4",
        )
    if plan.own_server and plan.hosts > 1:
        yield Finding(
            f"a server of {plan.entry.engine} that the suite starts is reached from its own host only",
            measured=f"{plan.hosts} hosts",
            required="one host, or the address of a server",
            field="vectordb.workloads.uri",
            rule="MLPS-VDB-PLAN-3",
        )


def _paths(plan: VectorPlan, host: HostFacts) -> Iterator[Finding]:
    yield from file_systems(plan.config, host, plan.config.data_dir, what="the database", field="data_dir", rule_id="5.4.2")


def host_findings(plan: VectorPlan, number: int) -> Iterator[Finding]:
    """What the host of that number lacks: space, memory, open files."""
    yield from _space(plan, number)
    yield from _memory(plan, number)
    yield from open_files(
        plan.cluster.hosts,
        number,
        ranks=plan.section.clients_per_host,
        in_a_process=PROCESS_FILES + _ENGINE_FILES,
        field="vectordb.run.num_query_processes",
    )


def _space(plan: VectorPlan, number: int) -> Iterator[Finding]:
    hosts, data_dir = plan.cluster.hosts, plan.config.data_dir
    samples = int(plan.processes * (plan.section.cold_queries + plan.runtime_seconds * 2000) * _BYTES_PER_SAMPLE)
    runs = len(plan.case.steps) - 1
    yield from results_space(plan.config.results_dir, hosts, number, _RESULTS_BYTES + samples * runs, f"the samples of {runs} runs")
    needed, free = space_bytes(plan), hosts[number].mount(data_dir).free_bytes
    if needed is not None and free < needed and first_of_its_storage(hosts, number, data_dir):
        yield Finding(
            f"{data_dir}{on_host(hosts, number)} has too little free space for {plan.rows} vectors × {plan.dim} and their index while "
            "it is built",
            measured=format_bytes(free),
            required=format_bytes(needed),
            field="data_dir",
            rule="MLPS-SPACE-1",
        )


def _memory(plan: VectorPlan, number: int) -> Iterator[Finding]:
    """What the searching processes of a host need together, and on the first one what the load needs."""
    host, processes = plan.cluster.hosts[number], plan.workers * plan.section.clients_per_host
    searching = plan.process_memory_bytes * processes
    yield from memory_for(f"{processes} searching process(es)", host, searching, field="vectordb.run.num_query_processes")
    if number == 0:
        yield from memory_for("building the index", host, _LOADER_BYTES + plan.raw_bytes, field="vectordb.num_vectors", warns=True)


def _marks(plan: VectorPlan) -> Iterator[Finding]:
    """What a reader must know of figures of such an index."""
    residence = plan.family.residence
    if residence == "disk":
        return
    whatif = plan.config.division is Division.WHATIF
    text = {
        "memory": "the index is memory-resident: searches read no storage, and the figures are no verdict on storage",
        "page-cache": "the index is read through the operating system's cache: once it lies there, searches read no storage",
    }[residence]
    yield Finding(
        text,
        severity=Severity.INFO if whatif or residence == "page-cache" else Severity.WARNING,
        category=Category.CLOSED,
        measured=f"{plan.entry.engine} {plan.family.native}",
        field="vectordb.workloads.index_type",
        rule="MLPS-VDB-03",
    )


def _loaded_elsewhere(plan: VectorPlan) -> Iterator[Finding]:
    """A collection that is there while the leaf of its load is not: the runs can be measured, and are no complete result."""
    state = whole_collection(plan)
    if state is None or any(leaf.metadata is not None for leaf in leaves(plan, "datagen")):
        return
    whatif = plan.config.division is Division.WHATIF
    yield Finding(
        f"the collection {plan.name} was loaded for another result, so this one has no datagen leaf; copy {state.leaf} into "
        f"{plan.result_dir() / 'datagen'}, or have it loaded anew with --mlps-rerun=datagen",
        severity=Severity.INFO if whatif else Severity.WARNING,
        category=Category.CLOSED,
        measured="none",
        required="one load (rules 5.2.1 and 5.2.2)",
        file="the plan",
        field="data_dir",
        rule=NO_DATAGEN,
    )
