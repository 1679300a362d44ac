"""Vector database configurations planned on pretend hosts, and summaries as a run of the planned case would write them."""

from __future__ import annotations

import copy

import pretend_session

from pytest_mlpstorage.workloads.vector_database import WORKLOAD

ZVEC = "  workloads:\n    - {engine: zvec, index_type: DISKANN}\n"
MILVUS = "  workloads:\n    - {engine: milvus, index_type: DISKANN, uri: 'http://127.0.0.1:1'}\n"
PGVECTOR = "  workloads:\n    - {engine: pgvector, index_type: HNSW}\n"
SMALL = "  num_vectors: 5000\n  dimension: 32\n  runs: 2\n  cold_queries: 100\n  duration: 5s\n" + ZVEC

PHASE = {
    "name": "steady",
    "seconds": 60.0,
    "queries": 20_000,
    "failed": 0,
    "failures": {},
    "recall": 0.99,
    "read_4kib_per_query": 70.0,
    "device_reads_per_query": 69.0,
    "errors": {},
}
SUMMARY = {
    "num_vectors": 5000,
    "dimension": 32,
    "index_type": "DISKANN",
    "database": {"database": "zvec", "storage_backend": "local_fs"},
    "throughput_qps": 333.0,
    "recall": 0.99,
    "mlps": {
        "scored_phase": "steady",
        "engine": {"params_requested": {"max_degree": 64}, "params_effective": {"max_degree": 64}},
        "dataset": {"contrast": 2.2, "k": 10},
        "load": {"rows": 5000, "distinct_ids": 5000},
        "phases": [{**PHASE, "name": "cold", "queries": 200}, PHASE],
        "cold_proof": {"verified": True, "statement": "cold: verified"},
        "memory": {"index_bytes": 10**6},
        "marks": [],
    },
}


def text(section, *, division="whatif", hosts="", top=""):
    """A YAML with a section ``vectordb:``."""
    cluster = f"cluster:\n  hosts: [{hosts}]\n" if hosts else ""
    return f"division: {division}\nsubmitter: acme\nsystem: box\n{top}{cluster}vectordb:\n{section}"


def load(folder, content, *assignments):
    return pretend_session.load(WORKLOAD, folder, content, *assignments)


def session_of(folder, content, *assignments, **hosts):
    return pretend_session.session_of(WORKLOAD, folder, content, *assignments, **hosts)


def plan_of(folder, section=SMALL, *assignments, division="whatif", names="", top="", **hosts):
    """The plan of the only case."""
    made = session_of(folder, text(section, division=division, hosts=names, top=top), *assignments, **hosts)
    (case,) = made.cases("vectordb")
    return made.plan(case)


def summary(**changes):
    """A good summary with changes by dotted key; ``steady.recall`` and ``cold.recall`` are of the phases."""
    made = copy.deepcopy(SUMMARY)
    for key, value in changes.items():
        *groups, last = key.split("__")
        at = made
        if groups and groups[0] in ("cold", "steady"):
            at = made["mlps"]["phases"][groups.pop(0) == "steady"]
        for group in groups:
            at = at[group]
        at[last] = value
    return made
