"""The ``vectordb:`` section of the configuration: its own keys, and what its entries must not say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pytest_mlpstorage.config import KeySpec
from pytest_mlpstorage.config.sections import Duration
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.editions.families import VectorDatabaseEdition
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.workloads.vector_database_thresholds import ThresholdSection

if TYPE_CHECKING:
    from pytest_mlpstorage.config import ItemConfig
    from pytest_mlpstorage.verdict import Division

__all__ = [
    "FAMILY",
    "OFFICIAL_KEYS",
    "OFFICIAL_SCALES",
    "OWN_SCALES",
    "VectorEntry",
    "VectorSection",
    "contradictions",
    "known_to_the_edition",
    "vector_rules",
]

FAMILY: Final = "vectordb"
"""Name of the section, as the official command line calls the benchmark; its directory in a tree is ``vector_database``."""

OWN_SCALES: Final[Mapping[str, tuple[int, int]]] = {"quick": (50_000, 128), "small": (100_000, 768)}
"""Vectors and dimensions by name, of scales that no edition has."""

OFFICIAL_SCALES: Final[Mapping[str, str]] = {"1m": "default", "10m": "10m"}
"""The edition's configuration by the name of its scale here."""

_ENGINE: Final = "parameters by the engine's own names, beside the official ones"

OFFICIAL_KEYS: Final[Mapping[str, KeySpec]] = {
    "dataset.collection_name": KeySpec("str", help="Name of the collection (default: made of the data set and the index)"),
    "dataset.num_shards": KeySpec("int", help="Shards of the collection, where the engine has them (default 1)", minimum=1),
    "index.metric_type": KeySpec("str", help="COSINE, L2 or IP (default COSINE)"),
    "index.max_degree": KeySpec("int", help="Neighbours of a node in the graph (DISKANN, AISAQ)", minimum=1),
    "index.search_list_size": KeySpec("int", help="Candidates while the graph is built (DISKANN, AISAQ)", minimum=1),
    "index.M": KeySpec("int", help="Neighbours of a node in the graph (HNSW)", minimum=1),
    "index.ef_construction": KeySpec("int", help="Candidates while the graph is built (HNSW)", minimum=1),
    "index.inline_pq": KeySpec("int", help="Bytes of compressed vectors in a node (AISAQ)", minimum=0),
    "index.pq_chunk_num": KeySpec("int", help="Pieces of a compressed vector, 0 for as many as the engine likes (zvec)", minimum=0),
    "index.nlist": KeySpec("int", help="Lists of an inverted file (IVF_FLAT, IVF_SQ8)", minimum=1),
    "index.engine_parameters": KeySpec("any", help=f"Build {_ENGINE}"),
    "search.search_ef": KeySpec("int", help="Candidates of a search, at least k", minimum=1),
    "search.nprobe": KeySpec("int", help="Lists of an inverted file that a search looks into", minimum=1),
    "search.engine_parameters": KeySpec("any", help=f"Search {_ENGINE}"),
    "run.num_query_processes": KeySpec("int", help="Searching processes of each client, each in a closed loop (default 1)", minimum=1),
}
"""The parameters of the rule book that this suite can set, and those of engines that it ships."""


class VectorSection(BaseModel):
    """Keys of ``vectordb:`` that hold for all its workloads."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_default=True)

    scale: Annotated[
        Literal["quick", "small", "1m", "10m"],
        Field(description="Vectors × dimensions: quick 50 000 × 128, small 100 000 × 768, 1m and 10m × 1536 as the official data sets"),
    ] = "1m"
    num_vectors: Annotated[int | None, Field(ge=1, le=10**10, description="Vectors of the data set (default: the scale's)")] = None
    dimension: Annotated[int | None, Field(ge=1, le=65_536, description="Dimensions of a vector (default: the scale's)")] = None
    generator: Annotated[
        Literal["clustered-v1", "uniform"],
        Field(description="clustered-v1: neighbours differ from the rest, so recall tells indexes apart; uniform: as the official tool"),
    ] = "clustered-v1"
    sigma: Annotated[float, Field(ge=0, le=100, description="Spread of clustered-v1 around its centres")] = 1.0
    queries: Annotated[Literal["planted", "heldout"], Field(description="planted: near a row; heldout: one more of the mixture")] = (
        "planted"
    )
    seed: Annotated[int, Field(ge=0, le=2**63 - 1, description="Of vectors and queries")] = 7
    k: Annotated[int, Field(ge=1, le=1000, description="Neighbours that a query asks for, and recall is measured at")] = 10
    runs: Annotated[int | None, Field(ge=1, le=100, description="Runs of searches (default: the edition's, 5)")] = None
    clients_per_host: Annotated[int, Field(ge=1, le=10_000, description="Clients (MPI ranks) on each host")] = 1
    cold_queries: Annotated[int, Field(ge=0, le=10**9, description="Searches of each process in the cold phase; 0: no such phase")] = 500
    cold_duration: Annotated[Duration, Field(description="The longest that the cold phase lasts")] = "60s"
    duration: Annotated[
        Duration | None, Field(description="The steady phase; its figures are the official ones (default: the edition's, 60 s)")
    ] = None
    recall_queries: Annotated[
        int, Field(ge=1, le=10**7, description="Answers of each process and phase that are compared with the exact ones")
    ] = 500
    stream_queries: Annotated[
        int | None,
        Field(ge=1, le=10**9, description="Queries made for each process before a run (default: 1500 a second, at most 256 MiB)"),
    ] = None
    load_deadline: Annotated[Duration | None, Field(description="Inserting ends with an error after this time (default: foreseen)")] = None
    build_deadline: Annotated[Duration | None, Field(description="Building ends with an error after this time (default: foreseen)")] = None
    answer_deadline: Annotated[
        Duration, Field(description="How long an engine may be silent: in one search, when it opens or closes, or beyond a phase")
    ] = "20s"
    drop_caches: Annotated[
        bool, Field(description="Remove the index from the memory of the host before a run, and prove it; false measures what lies there")
    ] = True
    thresholds: ThresholdSection = Field(default_factory=ThresholdSection, description="Own limits (MLPS-VDB-nn), no rules of the book")


class VectorEntry(BaseModel):
    """One entry of ``vectordb.workloads``: a database with an index."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    engine: Annotated[str, Field(min_length=1, description="Vector database: zvec, pgvector, milvus, or a plug-in's")]
    index_type: Annotated[str, Field(min_length=1, description="Index in upper case, such as DISKANN or HNSW")]
    uri: Annotated[
        str | None, Field(min_length=1, description="Address of a server that runs; left out, the suite starts one where it can")
    ] = None
    storage_backend: Annotated[
        str | None, Field(min_length=1, description="What the server keeps its data on, such as s3; recorded (rule 5.5.1)")
    ] = None


def vector_rules(edition_name: str) -> VectorDatabaseEdition:
    """What the edition says of vector databases; ConfigurationError where it has none."""
    found = edition(edition_name).vector_database
    if found is None:
        raise ConfigurationError(f"edition {edition_name} has no vector database", suggestion="choose edition 3.0", code="MLPS-E116")
    return found


def known_to_the_edition(entry: Mapping[str, str], edition_name: str, _division: Division) -> Iterator[tuple[str, str]]:
    """Refuse what cannot be a directory of a result. Yields (key, message). What a division allows is said by rules at preflight."""
    if edition(edition_name).vector_database is None:
        yield "engine", f"edition {edition_name} has no vector database; allowed in edition 3.0"
        return
    index = entry.get("index_type")
    if index is not None and index != index.upper():
        yield "index_type", f"given {index}; allowed upper case: {index.upper()}"
    for key in ("engine", "index_type"):
        name = entry.get(key)
        if name is not None and not (name.replace("_", "").replace("-", "").isalnum() and name.isascii()):
            yield key, f"given {name}; allowed letters, digits, '_' and '-': it becomes a directory of the results tree"


def contradictions(items: Sequence[ItemConfig]) -> Iterator[tuple[int, str, str]]:
    """Refuse an index of one database that is given twice: the tree has one place for it. Yields (index of the entry, key, message)."""
    first: dict[tuple[str, str], int] = {}
    for position, item in enumerate(items):
        entry = item.own
        assert isinstance(entry, VectorEntry)
        key = (entry.engine, entry.index_type)
        if key in first:
            yield (
                position,
                "index_type",
                f"{entry.engine} with {entry.index_type} stands in entry {first[key]} too; one system name holds one result of it: "
                "use another file with another system name",
            )
        first.setdefault(key, item.index)
