"""One change of an open submission for every rule that is asked of its vector database result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from submission_changes import ABSENT, METADATA, Change, Key, Mutation, added_beside, called, change, field, gone, text

__all__ = ["CLOSED_ONLY", "VECTOR", "VECTOR_CHANGES"]

VECTOR: Final = "vector"
"""The submission with a vector database, in the open division: what measures here is not the database of the closed one."""

CLOSED_ONLY: Final = "the rule is asked in the closed division only"
"""Why a change also moves the submission there."""

SUBMISSION: Final = "open/northwind"
INDEX: Final = f"{SUBMISSION}/results/array-1/vector_database/zvec/DISKANN"
LOAD: Final = f"{INDEX}/datagen/2*"
RUN: Final = f"{INDEX}/run/2*"
COLD, STEADY = 0, 1
MOVED: Final = called("open", "closed")


def summed(*keys: Key, to: Any = ABSENT, nth: int = 2) -> Change:
    """A field of the summary of a run."""
    return field(f"{RUN}/summary.json", *keys, to=to, nth=nth)


def own(*keys: Key, to: Any = ABSENT, nth: int = 2) -> Change:
    """A field of what this suite recorded in it."""
    return summed("mlps", *keys, to=to, nth=nth)


def phase(which: int, key: str, to: Any) -> Change:
    """A figure of a phase."""
    return own("phases", which, key, to=to)


def loaded(*keys: Key, to: Any = ABSENT) -> Change:
    """A field of the summary of the load."""
    return field(f"{LOAD}/summary.json", *keys, to=to)


def of_run(*keys: Key, to: Any = ABSENT, nth: int = 2) -> Change:
    """A field of the metadata of a run."""
    return field(f"{RUN}/{METADATA}", *keys, to=to, nth=nth)


VECTOR_CHANGES: Final[Mapping[tuple[str, str], Mutation]] = {
    ("vector_database", rule): mutation
    for rule, mutation in {
        "5.1.1": change("a run does not say how many vectors it searched", summed("num_vectors")),
        "5.1.2": change("a run searched vectors of one dimension more", summed("dimension", to=lambda dim: dim + 1)),
        "5.2.1": change("one vector was not inserted", loaded("inserted_vectors", to=lambda count: count - 1)),
        "5.2.2": change("a run searched another index", summed("index_type", to="HNSW")),
        "5.3.1": change("a run is taken away", gone(RUN, 4)),
        "5.3.2": change("a run found nothing", summed("recall", to=0.0)),
        "5.3.3": change("a run made no query", summed("query_count", to=0)),
        "5.3.4": change("a run has no latency of the last percent", summed("p99_latency_ms")),
        "5.3.5": change(
            "the exact answers of a run do not cover the collection",
            field(f"{RUN}/result_verdict.json", "flat_setup", "coverage", to=0.99, nth=2),
        ),
        "5.4.1": change("a run was given no directory", of_run("args", "data_dir")),
        "5.4.2": change(
            "database and results lay on one filesystem", field(f"{RUN}/fs_separation.json", "same_filesystem", to=True, nth=2)
        ),
        "5.5.1": change(
            "the database lay on object storage of no kind that is known",
            field(f"{SUBMISSION}/systems/array-1.yaml", "system_under_test", "solution", "architecture", "benchmark_API", to="object"),
        ),
        "5.6.2": change("the submission was put under closed", MOVED),
        "5.6.3": change("a closed run searched an index of the open list", summed("index_type", to="IVF_FLAT"), MOVED, several=CLOSED_ONLY),
        "5.6.4": change(
            "a closed run set a parameter of the open list",
            of_run("override_parameters", "database.host", to="db1"),
            MOVED,
            several=CLOSED_ONLY,
        ),
        "5.6.5": change("a run does not name its database", summed("database", "database")),
        "EDN-01": change(
            "a run is stamped with an edition that is none", field(f"{RUN}/provenance.json", "rules_edition", to="9.0", nth=2)
        ),
        "EDN-02": change(
            "a run is stamped with the hash of no class",
            field(f"{RUN}/provenance.json", "core_config", "hash", to="0" * 16, nth=2),
            no_worse="info",
        ),
        "LEAF-01": change(
            "there is a second metadata file", added_beside(f"{RUN}/summary.json", "vector_database_20260101_000000_metadata.json")
        ),
        "MLPS-ENGINE-1": change("the load was into another database", loaded("database", "database", to="pgvector")),
        "MLPS-FILES-1": change("the metadata cannot be read", text(f"{RUN}/{METADATA}", "{")),
        "MLPS-LEAF-1": change("a run was made as an experiment", of_run("mlps", "not_for_submission", to=True)),
        "MLPS-NAME-1": change("the submitter is a placeholder", called(SUBMISSION, "your-company")),
        "MLPS-TABLE-1": change(
            "the table publishes another rate",
            field(f"{SUBMISSION}/results/results.json", 0, "VDB - Queries per Sec", to=lambda rate: rate + 1),
        ),
        "MLPS-VDB-01": change("a run found half of the neighbours", phase(STEADY, "recall", 0.5)),
        "MLPS-VDB-02": change("a run made five queries", phase(STEADY, "queries", 5)),
        "MLPS-VDB-03": change("the cold searches of a run read nothing", phase(COLD, "read_4kib_per_query", 0.0)),
        "MLPS-VDB-04": change("a search of a run failed", phase(STEADY, "failed", 1)),
        "MLPS-VDB-05": change("the vectors hardly differ", loaded("mlps", "dataset", "contrast", to=1.2)),
        "MLPS-VDB-06": change("the index of a run was read through the page cache", own("engine", "residence", to="page-cache")),
        "MLPS-VDB-07": change("a run was five times as fast", summed("throughput_qps", to=lambda rate: 5 * rate)),
        "MLPS-VDB-08": change("the cold phase of a run is not proved", own("cold_proof", "verified", to=False)),
        "MLPS-VDB-09": change("the collection lacks a row", loaded("mlps", "load", "rows", to=lambda count: count - 1)),
        "MLPS-VDB-10": change("the engine used another degree", own("engine", "params_effective", "max_degree", to=1)),
        "PROV-01": change("the provenance record of a run is lost", gone(f"{RUN}/provenance.json", 2)),
        "RC-VDB-1": change("a run says it is of another benchmark", of_run("benchmark_type", to="training")),
        "RC-VDB-2": change("a run was to last no second", of_run("args", "runtime", to=0)),
        "SUB-2": change("a run was of another model", of_run("model", to="zvec_HNSW")),
    }.items()
}
"""By kind of subject and id of rule."""
