"""Start the rank program of this package once on each host, and read what it says."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster.host_probe import HostProbe
from pytest_mlpstorage.cluster.introduction import own_words, refuse_others
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.results.host_facts import HostFacts

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import HostLike, Launcher

__all__ = ["MARK", "ask_hosts", "host_answer"]

MARK = "mlps-host-facts "
_DEADLINE_SECONDS = 120.0


def host_answer(entry: Mapping[str, Any]) -> tuple[HostFacts, HostProbe]:
    """What a host has sent; raises MPIError where it is in the words of another version of this package."""
    try:
        fields = dict(entry)
        probe = HostProbe.from_json(fields.pop("probe"))
        return HostFacts.from_json(fields), probe
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MPIError(
            f"{entry.get('name')} has pytest-mlpstorage {entry.get('package')} and describes itself otherwise than {__version__} here",
            suggestion=f"install one version on every host: python -m pip install pytest-mlpstorage=={__version__}",
            code="MLPS-E322",
        ) from error


def ask_hosts(
    launcher: Launcher,
    hosts: Sequence[HostLike],
    arguments: Sequence[str],
    mpi_args: Sequence[str] = (),
    *,
    deadline_seconds: float = _DEADLINE_SECONDS,
) -> list[dict[str, Any]]:
    """What the rank program of this package, started once on each host with these arguments, says of each: one entry a host.

    Raises MPIError where not every host answers or one has another version of this package, BenchmarkExecutionError where a rank fails.
    """
    from pytest_mlpstorage.launch.job import Host, Job
    from pytest_mlpstorage.launch.supervisor import require_success, run_job

    names = list(dict.fromkeys(host.name for host in hosts))
    program = ("-m", "pytest_mlpstorage.cluster", "--out", "-", "--ranks", str(len(names)), "--same-as", own_words(), *arguments)
    job = Job(len(names), program, hosts=tuple(Host(name, 1) for name in names), mpi_args=tuple(mpi_args))
    with tempfile.TemporaryDirectory(prefix="mlps-facts-") as folder:
        out, err = Path(folder) / "stdout", Path(folder) / "stderr"
        outcome = run_job(launcher, job, stdout=out, stderr=err, deadline_seconds=deadline_seconds)
        lines = [line.partition(MARK)[2] for line in out.read_text(encoding="utf-8", errors="replace").splitlines() if MARK in line]
        entries = _entries(lines[0]) if len(lines) == 1 else None
        if entries is not None:  # also of a job that failed: one that does not understand another has ended it
            refuse_others(entries)
        require_success(outcome)
    if entries is None:
        what = f"came {len(lines)} times instead of once" if len(lines) != 1 else "did not come whole"
        raise MPIError(f"the hosts' facts {what}", details={"hosts": ", ".join(names)}, code="MLPS-E321")
    if len(entries) != len(names):
        ran_on = [str(entry.get("name") or entry.get("probed_by_host")) for entry in entries]
        raise MPIError(
            f"{len(names)} hosts were declared, and the ranks ran on {len(entries)}",
            details={"declared": ", ".join(names), "ran on": ", ".join(ran_on)},
            suggestion="two names of cluster.hosts may be one host",
            code="MLPS-E321",
        )
    return entries


def _entries(line: str) -> list[dict[str, Any]] | None:
    """What the hosts say, or None for a line that is cut off: of a rank that was killed while it wrote."""
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, list) and all(isinstance(entry, dict) for entry in told) else None
