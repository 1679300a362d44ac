"""A session on hosts that are pretended: this one's facts with another memory, and two filesystems below its directories."""

from __future__ import annotations

import dataclasses

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.editions import edition_names
from pytest_mlpstorage.session import BenchmarkSession
from pytest_mlpstorage.units import GIB

PLENTY = 2**60


def load(workload, folder, content, *assignments):
    """Write the configuration to ``folder`` and load it."""
    path = folder / "c.yaml"
    path.write_text(content)
    options = {"families": [workload.schema()], "options": {}, "assignments": assignments, "environ": {}, "editions": edition_names()}
    return load_config(path, invocation_dir=folder, **options)


def session_of(
    workload, folder, content, *assignments, hosts=(256,), available=None, free=PLENTY, separate=True, fstype="ext4", source="/dev/sda1"
):
    """A session on hosts of so many GiB; storage and results lie on two filesystems with ``free`` bytes each, unless not ``separate``."""
    config = load(workload, folder, content, *assignments)
    made = BenchmarkSession(config, {workload.family: workload})
    real = host_facts([*config.storage_dirs, config.results_dir])

    def mount(one):
        results = separate and one.path == str(config.results_dir)
        kind = "ext4" if results else fstype
        return dataclasses.replace(one, device="8:2" if results else "8:1", fstype=kind, source=source, free_bytes=free)

    mounts = tuple(map(mount, real.mounts))
    memory = [{**real.memory, "MemAvailable": int((gib if available is None else available) * GIB)} for gib in hosts]
    facts = [
        dataclasses.replace(real, name=f"h{n}", memory_bytes=gib * GIB, memory=memory[n], memory_limit_bytes=None, mounts=mounts)
        for n, gib in enumerate(hosts)
    ]
    made._cluster = ClusterFacts(tuple(facts), "test")
    return made
