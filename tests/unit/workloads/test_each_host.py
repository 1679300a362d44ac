"""Every family asks every host that runs its ranks: for space, memory and open files, and names the one that lacks it."""

from __future__ import annotations

import dataclasses

import checkpointing_cases
import kv_cache_cases
import pretend_session
import pytest
import vector_database_cases

from pytest_mlpstorage.workloads import (
    checkpointing_preflight,
    kv_cache_preflight,
    training_preflight,
    vector_database_preflight,
)
from pytest_mlpstorage.workloads.base import HostedWorkload
from pytest_mlpstorage.workloads.training import WORKLOAD as TRAINING

HOSTS = "h0, h1"
UNET = "training:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 2, dataset: {num_files_train: 420}}\n"
FAMILIES = {
    "training": (
        lambda folder, **hosts: pretend_session.session_of(
            TRAINING, folder, f"division: whatif\nsubmitter: acme\nsystem: box\ncluster: {{hosts: [{HOSTS}]}}\n{UNET}", **hosts
        ),
        training_preflight,
    ),
    "checkpointing": (
        lambda folder, **hosts: checkpointing_cases.session_of(
            folder,
            checkpointing_cases.text(
                f"model: llama3-8b, accelerator: b200, accelerators: 2, {checkpointing_cases.TINY}", division="whatif", hosts=HOSTS
            ),
            **hosts,
        ),
        checkpointing_preflight,
    ),
    "kvcache": (
        lambda folder, **hosts: kv_cache_cases.session_of(
            folder, kv_cache_cases.text(kv_cache_cases.SMALL, division="whatif", hosts=HOSTS), **hosts
        ),
        kv_cache_preflight,
    ),
    "vectordb": (
        lambda folder, **hosts: vector_database_cases.session_of(
            folder, vector_database_cases.text(vector_database_cases.SMALL, hosts=HOSTS), **hosts
        ),
        vector_database_preflight,
    ),
}


@pytest.fixture(params=list(FAMILIES))
def planned(request, tmp_path, monkeypatch):
    """A function that plans a case on two hosts, of which the second is changed, and gives what the preflight says of hosts."""
    make, module = FAMILIES[request.param]
    monkeypatch.setattr(module, "mpi_findings", lambda *_: iter(()))

    def plan(**changes):
        made = make(tmp_path, hosts=(256, 256))
        first, second = made._cluster.hosts
        if "free" in changes:
            mounts = tuple(
                dataclasses.replace(mount, source="another:/disk", free_bytes=changes["free"], device=f"9:{number}")
                for number, mount in enumerate(second.mounts)
            )
            second = dataclasses.replace(second, mounts=mounts)
        if "memory" in changes:
            second = dataclasses.replace(second, memory={**second.memory, "MemAvailable": changes["memory"]})
        second = dataclasses.replace(second, open_files_limit=changes.get("files", 10**6))
        first = dataclasses.replace(first, open_files_limit=10**6)
        if "calls_itself" in changes:
            first, second = (dataclasses.replace(host, declared=host.name, name=changes["calls_itself"]) for host in (first, second))
        made._cluster = dataclasses.replace(made._cluster, hosts=(first, second))
        (case,) = made.cases(request.param)
        workload = made.workload(case)
        assert isinstance(workload, HostedWorkload)
        case_plan = made.plan(case)
        return workload, case_plan, list(workload.preflight(case_plan))

    return plan


def of_hosts(findings):
    return [finding for finding in findings if finding.rule in ("MLPS-SPACE-1", "MLPS-SPACE-2", "MLPS-MEMORY-1", "MLPS-HOST-3")]


def test_two_sound_hosts_lack_nothing(planned):
    workload, plan, findings = planned()
    assert of_hosts(findings) == []
    assert [list(workload.host_findings(plan, number)) for number in range(workload.hosts_used(plan))] == [[], []]


def test_space_is_asked_on_the_second_host_too_and_it_is_named(planned):
    workload, plan, findings = planned(free=2**20)
    rules = {finding.rule for finding in of_hosts(findings)}
    assert rules == {"MLPS-SPACE-1", "MLPS-SPACE-2"}
    assert all(" on h1" in finding.message for finding in of_hosts(findings)), findings
    assert list(workload.host_findings(plan, 0)) == []
    assert list(workload.host_findings(plan, 1)) == of_hosts(findings), "the item of the host tells the same words"


def test_memory_and_open_files_of_the_second_host_are_told_with_its_name(planned):
    workload, plan, findings = planned(memory=2**20, files=100)
    told = of_hosts(findings)
    assert {finding.rule for finding in told} == {"MLPS-MEMORY-1", "MLPS-HOST-3"}
    assert all("h1" in finding.message for finding in told)
    assert list(workload.host_findings(plan, 1)) == told


def test_hosts_that_call_themselves_alike_are_told_by_their_declared_names(planned):
    _, _, findings = planned(memory=2**20, files=100, free=2**20, calls_itself="localhost")
    told = of_hosts(findings)
    assert {finding.rule for finding in told} == {"MLPS-MEMORY-1", "MLPS-HOST-3", "MLPS-SPACE-1", "MLPS-SPACE-2"}
    assert all("h1" in finding.message and "localhost" not in finding.message for finding in told), told


def test_each_names_the_directories_that_its_ranks_use(planned):
    workload, plan, _ = planned()
    (place,) = workload.places(plan)
    assert place.path in {plan.config.data_dir, *plan.config.storage_dirs, plan.config.data_dir / "kv_cache"}
    assert plan.cluster.hosts[0].mount(place.path)
