"""Ask all hosts of a cluster what they are."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.cluster.facts import ClusterFacts, HostFacts, host_facts
from pytest_mlpstorage.errors import MPIError

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import HostLike, Launcher

__all__ = ["MARK", "ask_hosts", "collect_cluster"]

MARK = "mlps-host-facts "
_DEADLINE_SECONDS = 120.0


def collect_cluster(
    launcher: Launcher | None,
    hosts: Sequence[HostLike],
    paths: Sequence[str | Path] = (),
    *,
    declared_memory_bytes: int | None = None,
    mpi_args: Sequence[str] = (),
) -> ClusterFacts:
    """Facts of all hosts: of this one directly where it is the only one, else by one rank on each, in one launch.

    ``declared_memory_bytes`` replaces the measured memory of every host, exactly where the user has declared it. A cluster
    that cannot be asked is an error, never a guess. Raises MPIError when a host does not answer,
    BenchmarkExecutionError when its rank fails, OSError for a path of this host that cannot be looked at.
    """
    from pytest_mlpstorage.launch.job import is_local

    if len(hosts) <= 1 and all(is_local(host.name) for host in hosts):
        facts: tuple[HostFacts, ...] = (host_facts(paths),)
        method = "local"
    elif launcher is None:
        raise MPIError(f"{len(hosts)} hosts cannot be asked without a launcher", suggestion="see launch.launcher in the configuration")
    else:
        facts, method = _ask(launcher, hosts, paths, mpi_args), "mpi"
    if declared_memory_bytes is not None:
        facts = tuple(dataclasses.replace(host, memory_bytes=declared_memory_bytes, memory_declared=True) for host in facts)
        method += " + declared memory"
    return ClusterFacts(facts, method)


def _ask(launcher: Launcher, hosts: Sequence[HostLike], paths: Sequence[str | Path], mpi_args: Sequence[str]) -> tuple[HostFacts, ...]:
    return tuple(HostFacts.from_json(entry) for entry in ask_hosts(launcher, hosts, tuple(map(str, paths)), mpi_args))


def ask_hosts(
    launcher: Launcher, hosts: Sequence[HostLike], arguments: Sequence[str], mpi_args: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """What the rank program of this package, started once on each host with these arguments, says of each: one entry a host.

    Raises MPIError where not every host answers, BenchmarkExecutionError where a rank fails.
    """
    from pytest_mlpstorage.launch.job import Host, Job
    from pytest_mlpstorage.launch.supervisor import require_success, run_job

    names = list(dict.fromkeys(host.name for host in hosts))
    program = ("-m", "pytest_mlpstorage.cluster", "--out", "-", "--ranks", str(len(names)), *arguments)
    job = Job(len(names), program, hosts=tuple(Host(name, 1) for name in names), mpi_args=tuple(mpi_args))
    with tempfile.TemporaryDirectory(prefix="mlps-facts-") as folder:
        out, err = Path(folder) / "stdout", Path(folder) / "stderr"
        require_success(run_job(launcher, job, stdout=out, stderr=err, deadline_seconds=_DEADLINE_SECONDS))
        lines = [line.partition(MARK)[2] for line in out.read_text(encoding="utf-8").splitlines() if MARK in line]
    if len(lines) != 1:
        raise MPIError(f"the hosts' facts came {len(lines)} times instead of once", details={"hosts": ", ".join(names)})
    entries: list[dict[str, Any]] = json.loads(lines[0])
    if len(entries) != len(names):
        ran_on = [str(entry.get("name") or entry.get("probed_by_host")) for entry in entries]
        raise MPIError(
            f"{len(names)} hosts were declared, and the ranks ran on {len(entries)}",
            details={"declared": ", ".join(names), "ran on": ", ".join(ran_on)},
            suggestion="two names of cluster.hosts may be one host",
        )
    return entries
