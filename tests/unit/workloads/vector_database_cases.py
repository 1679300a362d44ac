"""Vector database configurations planned on pretend hosts, and summaries as a run of the planned case would write them."""

from __future__ import annotations

import copy
import dataclasses

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.editions import edition_names
from pytest_mlpstorage.session import BenchmarkSession
from pytest_mlpstorage.units import GIB
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
    path = folder / "c.yaml"
    path.write_text(content)
    options = {"families": [WORKLOAD.schema()], "options": {}, "assignments": assignments, "environ": {}, "editions": edition_names()}
    return load_config(path, invocation_dir=folder, **options)


def session_of(folder, content, *assignments, hosts=(256,), available=None, free=2**44, separate=True, fstype="ext4"):
    """A session on pretend hosts of so many GiB; database and results lie on two filesystems with ``free`` bytes each."""
    config = load(folder, content, *assignments)
    made = BenchmarkSession(config, {"vectordb": WORKLOAD})
    real = host_facts([*config.storage_dirs, config.results_dir])

    def mount(one):
        results = separate and one.path == str(config.results_dir)
        kind = "ext4" if results else fstype
        return dataclasses.replace(one, device="8:2" if results else "8:1", fstype=kind, source="/dev/sda1", free_bytes=free)

    mounts = tuple(map(mount, real.mounts))
    memory = [{**real.memory, "MemAvailable": int((gib if available is None else available) * GIB)} for gib in hosts]
    facts = [
        dataclasses.replace(real, name=f"h{n}", memory_bytes=gib * GIB, memory=memory[n], memory_limit_bytes=None, mounts=mounts)
        for n, gib in enumerate(hosts)
    ]
    made._cluster = ClusterFacts(tuple(facts), "test")
    return made


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
