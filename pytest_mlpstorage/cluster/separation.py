"""Whether data and results lie on different filesystems, asked of every host of a run: mounts are a host's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.cluster.collect import ask_hosts
from pytest_mlpstorage.cluster.filesystem_probe import probe_separation
from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.results.separation import FilesystemSeparation

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import HostLike, Launcher

__all__ = ["probe_every_host"]


def probe_every_host(
    launcher: Launcher | None, hosts: Sequence[HostLike], data: Path, results: Path, *, mpi_args: Sequence[str] = ()
) -> FilesystemSeparation:
    """Probe with a hard link on each host: here where it is the only one, else by one rank on each, in one launch.

    Both directories must be there on every host. Raises FileSystemError where nothing can be found out here, MPIError or
    BenchmarkExecutionError where that is so on another host.
    """
    from pytest_mlpstorage.launch.job import is_local

    if len({host.name for host in hosts}) <= 1 and all(is_local(host.name) for host in hosts):
        return probe_separation(data, results)
    if launcher is None:
        raise MPIError(
            f"{len(hosts)} hosts cannot be asked without a launcher",
            suggestion="see launch.launcher in the configuration",
            code="MLPS-E310",
        )
    entries = ask_hosts(launcher, hosts, ("--separation", str(data), str(results)), mpi_args)
    return FilesystemSeparation.of_hosts([FilesystemSeparation.from_json(entry) for entry in entries])
