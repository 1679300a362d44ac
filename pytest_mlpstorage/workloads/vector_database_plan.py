"""The plan of one vector database case: data set, index, clients, bytes and expected time, before anything is launched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.config import SuiteConfig
from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import VectorDatabaseEdition
from pytest_mlpstorage.results.layout import check_component, result_path
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.results.vector_limits import Threshold
from pytest_mlpstorage.units import KIB, MIB, format_bytes, format_seconds
from pytest_mlpstorage.vectordb.address import address_shown
from pytest_mlpstorage.workloads.base import Case, Step
from pytest_mlpstorage.workloads.foreseen import Foreseen, Space
from pytest_mlpstorage.workloads.vector_database_settings import VectorEntry, VectorSection

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.vectordb.engine import Capabilities, IndexFamily

__all__ = ["BENCHMARK", "VectorPlan"]

BENCHMARK: Final = "vector_database"
"""The directory of this family in a tree, and the word for it in metadata."""

SIZE_FACTORS: Final[Mapping[str, float]] = {
    "DISKANN": 1.3, "HNSW": 1.5, "AISAQ": 0.15, "IVF_FLAT": 1.05, "IVF_SQ8": 0.40, "FLAT": 1.0,
}  # fmt: skip
"""Bytes of an index over those of its vectors, as the official tool estimates; shards split them and do not copy them."""

BUILD_SECONDS_PER_NUMBER: Final = 5e-6
"""A graph of 20 000 × 128 took 12 s on two cores, one of 10 000 × 768 took 48 s on the same two under load: per component, rounded up."""

LOAD_BYTES_PER_SECOND: Final = 5 * MIB
OPEN_BYTES_PER_SECOND: Final = 50 * MIB
STARTUP_SECONDS: Final = 5.0
PROCESS_BYTES: Final = 128 * MIB
"""Memory of a process that searches, beside its queries (90 MB were measured)."""

QUERIES_PER_SECOND: Final = 1500
"""For how many queries a second of a process the steady phase has new ones; foreseen bytes are made of it too."""

STREAM_BYTES: Final = 256 * MIB
READS_PER_QUERY: Final = 70
"""4 KiB each, of a disk-resident graph; foreseen bytes only."""


@dataclasses.dataclass(frozen=True)
class VectorPlan:
    """Everything known of a case before launch. ``build`` and ``search`` hold every parameter of the index, checked."""

    case: Case
    config: SuiteConfig
    edition: Edition
    rules: VectorDatabaseEdition
    section: VectorSection
    entry: VectorEntry
    cluster: ClusterFacts
    capabilities: Capabilities
    rows: int
    dim: int
    metric: str
    shards: int
    workers: int
    name: str
    build: Mapping[str, int | float | str]
    search: Mapping[str, int | float | str]
    overrides: Mapping[str, Any]
    cold_seconds: float
    runtime_seconds: float
    load_deadline_seconds: float
    build_deadline_seconds: float
    answer_deadline_seconds: float
    thresholds: Mapping[str, Threshold]

    # -- what follows from the parameters ---------------------------------------------------------------------------

    @property
    def family(self) -> IndexFamily:
        """The index, as the engine offers it."""
        return self.capabilities.families[self.entry.index_type]

    @property
    def hosts(self) -> int:
        """Hosts that run clients."""
        return max(1, len(self.config.cluster.hosts))

    @property
    def ranks(self) -> int:
        """All clients."""
        return self.hosts * self.section.clients_per_host

    @property
    def processes(self) -> int:
        """All processes that search."""
        return self.ranks * self.workers

    @property
    def embedded(self) -> bool:
        """Whether the engine lives in the processes that search."""
        return self.capabilities.form == "embedded"

    @property
    def address(self) -> str:
        """The address of the server without its password; empty where the suite starts it, and for an embedded engine."""
        return address_shown(self.entry.uri or "")

    @property
    def own_server(self) -> bool:
        """Whether the suite starts the server."""
        return not self.embedded and self.entry.uri is None

    @property
    def folder(self) -> Path:
        """Where everything of this case stands on the storage under test."""
        return self.config.data_dir / BENCHMARK / f"{self.entry.engine}-{self.entry.index_type}"

    @property
    def store(self) -> Path:
        """Where exact answers are kept."""
        return self.config.data_dir / BENCHMARK / "exact_answers"

    @property
    def raw_bytes(self) -> int:
        """Bytes of the vectors."""
        return self.rows * self.dim * 4

    @property
    def index_bytes(self) -> int:
        """Foreseen bytes of the index."""
        return int(self.raw_bytes * SIZE_FACTORS.get(self.entry.index_type, 1.5))

    @property
    def stream_queries(self) -> int:
        """Queries made for each process; enough for the cold phase whatever else is said."""
        asked = self.section.stream_queries
        room = STREAM_BYTES // (self.dim * 4)
        steady = asked if asked is not None else min(room, int(self.runtime_seconds * QUERIES_PER_SECOND) + 1)
        return self.section.cold_queries + max(1, steady)

    @property
    def open_deadline_seconds(self) -> float:
        """How long looking at the collection and opening it may take: its rows are counted, and some indexes are read whole."""
        return self.answer_deadline_seconds + self.index_bytes / OPEN_BYTES_PER_SECOND

    @property
    def process_memory_bytes(self) -> int:
        """Memory of one process that searches."""
        return (
            PROCESS_BYTES
            + self.stream_queries * self.dim * 4 * 2
            + (self.index_bytes if self.embedded and self.family.residence == "memory" else 0)
        )

    @property
    def dataset_parameters(self) -> Mapping[str, Any]:
        """What decides whether a collection on disk is the one that this plan needs."""
        section = self.section
        return {
            "engine": self.entry.engine,
            "uri": self.address,
            "index_type": self.entry.index_type,
            "metric_type": self.metric,
            "num_shards": self.shards,
            "collection_name": self.name,
            "num_vectors": self.rows,
            "dimension": self.dim,
            "generator": section.generator,
            "sigma": section.sigma,
            "seed": section.seed,
            **{f"index.{key}": value for key, value in self.build.items()},
        }

    # -- the Plan protocol --------------------------------------------------------------------------------------------

    def bytes_to_write(self, step: Step) -> int:
        """Bytes put on the storage under test: vectors and index at datagen."""
        return self.raw_bytes + self.index_bytes if step.phase == "datagen" else 0

    def bytes_to_read(self, step: Step) -> int:
        """Foreseen bytes read; what an engine really reads is measured."""
        if step.phase == "datagen":
            return 0
        queries = self.processes * (self.section.cold_queries + self.runtime_seconds * 300)
        return int(queries * READS_PER_QUERY * 4 * KIB)

    def expected_seconds(self, step: Step) -> float:
        """Expected wall time: of a load its bytes and its numbers at assumed speeds, of a run its phases and the exact answers."""
        numbers = self.rows * self.dim
        if step.phase == "datagen":
            return STARTUP_SECONDS + self.raw_bytes / LOAD_BYTES_PER_SECOND + numbers * BUILD_SECONDS_PER_NUMBER + numbers * 4e-8
        answers = self.processes * 2 * self.section.recall_queries
        cold = min(self.cold_seconds, self.section.cold_queries * 0.02)
        return STARTUP_SECONDS * 2 + cold + self.runtime_seconds + numbers * 4e-8 * max(1.0, answers / 1000)

    def foreseen(self, step: Step) -> Foreseen:
        """What is known of a step: bytes of the vectors, and the time of the steady phase; the size of an index is an estimate."""
        memory, processes = self.process_memory_bytes, self.workers * self.section.clients_per_host
        if step.phase == "datagen":
            from pytest_mlpstorage.workloads.vector_database_state import space_bytes

            sizes = (format_bytes(count) for count in (self.raw_bytes, self.index_bytes))
            index = "{} of vectors and an index of {}, as the official tool estimates it".format(*sizes)
            needed = space_bytes(self)
            return Foreseen(
                self.bytes_to_write(step),
                None,
                0.0,
                ranks=self.ranks,
                space=Space(self.config.data_dir, f"vectordb:{self.case.id}", needed, "" if needed is not None else "on the server"),
                because={
                    "writes": index,
                    "reads": "what building the index reads is the engine's own",
                    "memory": "that of building the index is the engine's own",
                    "takes": "how fast the engine takes vectors and builds its index is not known",
                },
            )
        steady, cold = self.runtime_seconds, self.cold_seconds
        return Foreseen(
            0,
            None,
            steady,
            rank_memory_bytes=memory * self.workers,
            host_memory_bytes=memory * processes,
            ranks=self.ranks,
            because={
                "reads": "what the searches read is measured",
                "memory": f"{self.workers} searching process(es) of {format_bytes(memory)} each",
                "takes": f"{steady:g} s of steady searching, a cold phase of up to {format_seconds(cold)} and exact answers before it",
            },
        )

    def lines(self) -> Sequence[str]:
        """The plan for people, one fact a line."""
        entry, section = self.entry, self.section
        where = self.address or (f"a server of its own in {self.folder}" if self.own_server else str(self.folder))
        shown = ", ".join(f"{key} {value}" for key, value in self.build.items()) or "no parameters"
        asked = ", ".join(f"{key} {value}" for key, value in self.search.items()) or "no parameters"
        lines = [
            f"{self.case.id}: {self.rows} vectors × {self.dim} ({section.generator}, seed {section.seed}), {self.metric}, "
            f"{format_bytes(self.raw_bytes)} raw, index foreseen at {format_bytes(self.index_bytes)}",
            f"  {entry.engine}, index {self.family.native} ({self.family.residence}-resident), {shown}; in {where}",
            f"  {self.ranks} client(s) × {self.workers} process(es) on {self.hosts} host(s), closed loop, single queries, k {section.k}, "
            f"{asked}",
            f"  a run: {section.cold_queries} cold queries a process (at most {format_seconds(self.cold_seconds)}), then "
            f"{format_seconds(self.runtime_seconds)} steady; no query is asked twice before {self.stream_queries} of a process",
            f"  deadlines: load {format_seconds(self.load_deadline_seconds)}, build {format_seconds(self.build_deadline_seconds)}, "
            f"an answer {format_seconds(self.answer_deadline_seconds)}",
        ]
        if self.entry.engine not in self.rules.databases_closed:
            allowed = " or ".join(self.rules.databases_closed)
            lines.append(f"  CLOSED needs {allowed} and the official code image: what {entry.engine} measures here is OPEN or whatif")
        if self.family.residence == "memory":
            lines.append("  memory-resident: searches of this index read no storage, so its figures are no verdict on storage")
        return lines

    def leaf_parent(self, step: Step) -> Path:
        """The phase directory of the step."""
        return self.result_dir() / step.phase

    def result_dir(self) -> Path:
        """The directory of the index, below that of its engine: one result (conflict C-3)."""
        c = self.config
        engine = result_path(c.results_dir, c.division, c.submitter, c.system, BENCHMARK, self.entry.engine)
        return engine / check_component(self.entry.index_type, "index_type")

    def metadata(self, step: Step, leaf: Path) -> LeafMetadata:
        """The metadata record of a leaf, in the edition's vocabulary."""
        from pytest_mlpstorage.workloads.vector_database_records import leaf_metadata

        return leaf_metadata(self, step, leaf)
