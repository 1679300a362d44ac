"""DLIO hangs where hosts run different numbers of ranks: said before anything is started."""

from __future__ import annotations

import dataclasses

import pretend_session
import pytest

from pytest_mlpstorage.workloads import training_preflight
from pytest_mlpstorage.workloads.dlio_spread import uneven_ranks
from pytest_mlpstorage.workloads.training import WORKLOAD


@pytest.mark.parametrize("placement", [(3,), (1, 1, 1), (), (2,) * 100])
def test_equal_numbers_are_fine(placement):
    assert list(uneven_ranks(placement, "accelerators")) == []


def test_other_numbers_are_refused_with_what_would_do():
    (finding,) = uneven_ranks((2, 1), "accelerators")
    assert finding.line() == (
        "[MLPS-DLIO-3] DLIO waits without end where hosts run different numbers of ranks; measured 2, 1 ranks on 2 hosts; "
        "required a multiple of 2 ranks, or slots that are alike; in accelerators"
    )
    (finding,) = uneven_ranks((2, *[1] * 9), "accelerators")
    assert finding.measured == "2, 1, 1, 1, 1, 1, 1, 1 … ranks on 10 hosts"


@pytest.mark.parametrize(
    ("ranks", "hosts", "uneven"),
    [
        (3, "[h0, h1]", "2, 1 ranks on 2 hosts"),
        (4, "[h0, h1]", None),
        (3, "[localhost]", None),
        (3, "['h0:1', 'h1:2']", "1, 2 ranks on 2 hosts"),
        (4, "['h0:2', 'h1:4']", None),
        (4, "['h0:3', h1]", "3, 1 ranks on 2 hosts"),
    ],
)
def test_training_is_asked_for_the_ranks_that_each_host_gets(tmp_path, monkeypatch, ranks, hosts, uneven):
    monkeypatch.setattr(training_preflight, "mpi_findings", lambda *_: iter(()))
    entry = f"{{model: unet3d, accelerator: b200, accelerators: {ranks}, dataset: {{num_files_train: 420}}}}"
    content = f"division: whatif\nsubmitter: acme\nsystem: box\ncluster: {{hosts: {hosts}}}\ntraining:\n  workloads: [{entry}]\n"
    made = pretend_session.session_of(WORKLOAD, tmp_path, content, hosts=(256,) * len(hosts.split(",")))
    (case,) = made.cases("training")
    found = [finding.measured for finding in training_preflight.preflight(made.plan(case)) if finding.rule == "MLPS-DLIO-3"]
    assert found == ([] if uneven is None else [uneven])


def test_memory_is_counted_for_the_ranks_that_a_host_gets(tmp_path, monkeypatch):
    monkeypatch.setattr(training_preflight, "mpi_findings", lambda *_: iter(()))
    entry = "{model: unet3d, accelerator: b200, accelerators: 4, dataset: {num_files_train: 420}}"
    content = f"division: whatif\nsubmitter: acme\nsystem: box\ncluster: {{hosts: ['h0:4', 'h1:4']}}\ntraining:\n  workloads: [{entry}]\n"
    made = pretend_session.session_of(WORKLOAD, tmp_path, content, hosts=(256, 256))
    (case,) = made.cases("training")
    plan = made.plan(case)
    assert (plan.placement, plan.ranks_on_fullest_host) == ((4,), 4)
    for short, lacking in (("h0", ["h0"]), ("h1", [])):
        memory = {"MemAvailable": 3 * plan.rank_memory_bytes}
        hosts = (dataclasses.replace(host, memory=memory) if host.name == short else host for host in plan.cluster.hosts)
        cluster = dataclasses.replace(plan.cluster, hosts=tuple(hosts))
        found = training_preflight.preflight(dataclasses.replace(plan, cluster=cluster))
        assert [finding.message.partition(" has ")[0] for finding in found if finding.rule == "MLPS-MEMORY-1"] == lacking
