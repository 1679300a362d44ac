"""The lines of pytest's header that say which hosts are used, and who named them."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest

from pytest_mlpstorage import startup
from pytest_mlpstorage.config import ClusterConfig, HostSpec, Origin

JOB = {"SLURM_JOB_ID": "12", "SLURM_JOB_NUM_NODES": "3"}
DEFAULT, FILE = Origin("default", "default"), Origin("yaml", "c.yaml:9:10", 9, 10)


@pytest.fixture
def hosts(monkeypatch):
    """What the header says of these hosts, in a job of Slurm or in none."""

    def hosts(names, origin, job=None):
        for name in ("SLURM_JOB_ID", "SLURM_JOBID", "SLURM_JOB_NUM_NODES", "SLURM_NNODES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (job or {}).items():
            monkeypatch.setenv(name, value)
        cluster = dataclasses.replace(ClusterConfig(), hosts=tuple(HostSpec(*name) for name in names))
        return startup._hosts(SimpleNamespace(cluster=cluster, origin=lambda _key: origin))

    return hosts


def test_hosts_are_named_with_their_slots_and_their_source(hosts):
    assert hosts([("localhost",)], DEFAULT) == "1 (localhost), by default"
    assert hosts([("a", 4), ("b",)], FILE) == "2 (a:4, b), from c.yaml:9:10"


def test_of_many_hosts_the_first_and_the_last_are_named(hosts):
    assert hosts([(f"n{number}",) for number in range(40)], FILE) == "40 (n0, n1, n2, n3, n4, n5, n6, …, n39), from c.yaml:9:10"
    assert "…" not in hosts([(f"n{number}",) for number in range(8)], FILE)


@pytest.mark.parametrize("origin", [DEFAULT, FILE])
def test_an_allocation_of_which_one_host_is_used_is_told_with_how_to_use_all(hosts, origin):
    text = hosts([("localhost",)], origin, JOB)
    assert text.endswith("; the allocation of Slurm job 12 has 3, and cluster.hosts: allocation uses them all")


def test_an_allocation_of_one_host_or_one_that_is_used_is_not(hosts):
    assert "uses them all" not in hosts([("localhost",)], DEFAULT, {**JOB, "SLURM_JOB_NUM_NODES": "1"})
    assert "uses them all" not in hosts([("a",), ("b",)], FILE, JOB)
    assert "uses them all" not in hosts([("elsewhere",)], FILE, JOB)
