"""Checkpointing configurations planned on pretend hosts."""

from __future__ import annotations

import dataclasses

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.session import BenchmarkSession
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.workloads.checkpointing import WORKLOAD

TINY = (
    "model.num_layers: 4, model.transformer: {vocab_size: 4096, hidden_size: 256, ffn_hidden_size: 1024, "
    "num_attention_heads: 8, num_kv_heads: 2}, checkpoint.time_between_checkpoints: 0s"
)
"""The model of training.md §5 that DLIO itself was run with: 5900544 + 35418624 bytes on each of 2 ranks."""


def text(entry, *, division="closed", section="", hosts=""):
    """A YAML with one entry, written as the inside of a mapping."""
    cluster = f"cluster:\n  hosts: [{hosts}]\n" if hosts else ""
    return (
        f"division: {division}\nsubmitter: acme\nsystem: box\n{cluster}checkpointing:\n"
        + "".join(f"  {line}\n" for line in section.splitlines())
        + "  workloads:\n"
        + f"    - {{{entry}}}\n"
    )


def session_of(folder, content, *assignments, hosts=(256,), available=None, free=None, separate_devices=True):
    """A session on pretend hosts of so many GiB; data and results lie on two filesystems with ``free`` bytes each."""
    path = folder / "c.yaml"
    path.write_text(content)
    config = load_config(path, families=[WORKLOAD.schema()], options={}, assignments=assignments, environ={}, invocation_dir=folder)
    made = BenchmarkSession(config, {"checkpointing": WORKLOAD})
    real = host_facts([*config.storage_dirs, config.results_dir])

    def mount(one):
        same = not separate_devices or one.path != str(config.results_dir)
        return dataclasses.replace(one, device="8:1" if same else "8:2", fstype="ext4", free_bytes=2**60 if free is None else free)

    mounts = tuple(map(mount, real.mounts))
    facts = [
        dataclasses.replace(
            real,
            name=f"h{number}",
            memory_bytes=gib * GIB,
            memory={**real.memory, "MemAvailable": int((gib if available is None else available) * GIB)},
            memory_limit_bytes=None,
            mounts=mounts,
        )
        for number, gib in enumerate(hosts)
    ]
    made._cluster = ClusterFacts(tuple(facts), "test")
    return made


def plan_of(folder, entry, *assignments, division="closed", section="", names="", **hosts):
    """The plan of the only case, and its session's configuration below it."""
    made = session_of(folder, text(entry, division=division, section=section, hosts=names), *assignments, **hosts)
    (case,) = made.cases("checkpointing")
    return made.plan(case)
