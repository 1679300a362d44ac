"""What can be known before the first byte of a cache: rules on the plan, paths, direct I/O, space, memory, MPI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.units import MIB, format_bytes
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity
from pytest_mlpstorage.workloads.host_limits import PROCESS_FILES, memory_for, open_files
from pytest_mlpstorage.workloads.kv_cache_changes import change_findings
from pytest_mlpstorage.workloads.kv_cache_foreseen import free_for, space_bytes, usable_bytes
from pytest_mlpstorage.workloads.kv_cache_judge import preflight_rules
from pytest_mlpstorage.workloads.kv_cache_official import official_findings
from pytest_mlpstorage.workloads.kv_cache_serving import serving_findings
from pytest_mlpstorage.workloads.kv_cache_sizing import asked_dir
from pytest_mlpstorage.workloads.mpi_trial import mpi_findings
from pytest_mlpstorage.workloads.storage_checks import first_of_its_storage, on_host, results_space

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["host_findings", "preflight"]

FILES_PER_WORKER = 4
"""Entries that a worker of a client has open together, at most."""

RESULTS_BYTES_PER_PASS = 4 * MIB
"""Room for a rank's file and event log of one pass."""


def preflight(plan: KVCachePlan) -> Iterator[Finding]:
    """All that stands in the way of this plan, and what a reader should know of it."""
    yield from preflight_rules(plan)
    yield from change_findings(plan)
    yield from serving_findings(plan)
    yield from _workload(plan)
    yield from official_findings(plan)
    yield from _paths(plan)
    usable = [*_usable("kvcache.cache_dir", plan.cache_dir), *_usable("results_dir", plan.config.results_dir)]
    yield from usable
    if not usable and plan.official is None:
        yield from _direct(plan)
    for number in range(min(plan.hosts, len(plan.cluster.hosts))):
        yield from host_findings(plan, number)
    yield from mpi_findings(plan.config, plan.ranks)


def _workload(plan: KVCachePlan) -> Iterator[Finding]:
    """Keys of the user's workload file that act otherwise here than in the official code."""
    for keys, message in (
        (plan.workload.honoured, "has no effect in the official code and has one here"),
        (plan.workload.without_effect, "has no effect here"),
    ):
        for key in keys:
            yield Finding(
                f"{key} {message}",
                severity=Severity.INFO,
                category=Category.OPEN,
                file=str(plan.workload_file),
                field=key,
                rule="MLPS-KVC-2",
            )


def _paths(plan: KVCachePlan) -> Iterator[Finding]:
    config = plan.config
    whatif = config.division is Division.WHATIF
    for host in plan.cluster.hosts[: plan.hosts]:
        cache, results = host.mount(_asked(plan)), host.mount(config.results_dir)
        if cache.is_memory_fs:
            yield Finding(
                f"{plan.cache_dir} on {host.called} is in memory, not on storage",
                severity=Severity.WARNING if whatif else Severity.ERROR,
                measured=cache.fstype,
                required="a file system on storage",
                field="kvcache.cache_dir",
                rule="MLPS-PATH-1",
            )
        if cache.device == results.device:
            yield Finding(
                f"cache and results lie on one file system on {host.called}: writing results disturbs what is measured",
                severity=Severity.WARNING if whatif else Severity.ERROR,
                measured=f"{cache.target} ({cache.fstype})",
                required="two file systems (rule 6.4.1)",
                field="kvcache.cache_dir",
                rule="MLPS-PATH-2",
            )


def _asked(plan: KVCachePlan) -> Path:
    return asked_dir(plan.section, plan.config)


def _usable(name: str, path: Path) -> Iterator[Finding]:
    """Whether a directory can be made and written, looked at without making it."""
    there = _nearest_existing(path)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is no directory" if not there.is_dir() else "cannot be written"
        yield Finding(
            f"{name}: {there} {what}", measured=str(path), required="a directory that can be written", field=name, rule="MLPS-PATH-4"
        )


def _nearest_existing(path: Path) -> Path:
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _direct(plan: KVCachePlan) -> Iterator[Finding]:
    """Whether this host's files take O_DIRECT, tried on a file that is gone afterwards; in a memory filesystem that says nothing."""
    if plan.section.io.path != "direct":
        yield Finding(
            "reads go through the page cache, from which each entry is dropped before it is read",
            severity=Severity.INFO,
            category=Category.OPEN,
            measured="buffered",
            required="direct",
            field="kvcache.io.path",
            rule="MLPS-DIRECT-1",
        )
        return
    from pytest_mlpstorage.kvcache.probe import probe_target

    folder = _nearest_existing(plan.cache_dir)
    try:
        probe = probe_target(folder)
    except MLPStorageError as error:
        yield Finding(f"{error.message}: {error.cause or folder}", field="kvcache.cache_dir", rule="MLPS-DIRECT-1")
        return
    if not probe.direct:
        yield Finding(
            f"{folder} takes no direct I/O: {probe.reason}",
            measured=probe.mount.fstype,
            required="O_DIRECT, or kvcache.io.path: buffered",
            field="kvcache.io.path",
            rule="MLPS-DIRECT-1",
        )


def host_findings(plan: KVCachePlan, number: int) -> Iterator[Finding]:
    """What the host of that number lacks: space, memory, open files."""
    hosts = plan.cluster.hosts
    if first_of_its_storage(hosts, number, _asked(plan)):
        yield from _space(plan, number)
    needed = RESULTS_BYTES_PER_PASS * plan.ranks * len(plan.case.steps)
    yield from results_space(plan.config.results_dir, hosts, number, needed, f"the records of {len(plan.case.steps)} pass(es)")
    yield from _memory(plan, number)
    yield from open_files(
        hosts,
        number,
        ranks=plan.section.clients_per_host,
        in_a_process=PROCESS_FILES + FILES_PER_WORKER * max(option.workers for option in plan.options),
        field="kvcache.options",
    )


def _space(plan: KVCachePlan, number: int) -> Iterator[Finding]:
    clients, where = plan.sharers, f"{plan.cache_dir}{on_host(plan.cluster.hosts, number)}"
    free = plan.cluster.hosts[number].mount(_asked(plan)).free_bytes
    room, asked = usable_bytes(free), space_bytes(plan)
    if plan.capacity_bytes is not None and asked is not None and free < asked:
        yield Finding(
            f"{where} has too little free space for {format_bytes(plan.capacity_bytes)} of each of the {clients} client(s) that use it",
            measured=format_bytes(free),
            required=f"{format_bytes(asked)}, or a lower kvcache.capacity",
            field="kvcache.capacity",
            rule="MLPS-SPACE-1",
        )
    for option in plan.options:
        share = room / clients
        limit = share if plan.capacity_bytes is None else min(share, plan.capacity_bytes)
        # As many entries are being written at once as an option allows; they cannot give way to one another.
        needed = option.largest_entry_bytes * option.writes_at_once
        held = plan.held_bytes(option)
        if limit < needed:
            yield Finding(
                f"a client of option {option.number}{on_host(plan.cluster.hosts, number)} may have too little room for the entries that it "
                f"writes at once: {option.writes_at_once} of up to {format_bytes(option.largest_entry_bytes)}",
                severity=Severity.WARNING if limit >= option.largest_entry_bytes else Severity.ERROR,
                measured=format_bytes(limit),
                required=format_bytes(needed),
                field="kvcache.cache_dir",
                rule="MLPS-SPACE-1",
            )
        elif held > room:
            yield Finding(
                f"option {option.number} is foreseen to fill {where}, and then to remove entries: {format_bytes(held)} on a host",
                severity=Severity.INFO,
                category=Category.CLOSED,
                measured=format_bytes(free),
                required=format_bytes(free_for(held)),
                field="kvcache.cache_dir",
                rule="MLPS-SPACE-1",
            )


def _memory(plan: KVCachePlan, number: int) -> Iterator[Finding]:
    largest, clients = max(plan.options, key=plan.rank_memory_bytes), plan.section.clients_per_host
    what, needed = f"{clients} client(s) of option {largest.number}", plan.rank_memory_bytes(largest) * clients
    yield from memory_for(what, plan.cluster.hosts[number], needed, field="kvcache.clients_per_host")
