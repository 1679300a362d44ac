"""The record of a leaf that shows on which filesystems its data and its results lay (3.4.2, 4.4.2, 5.4.2, 6.4.1); of any family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.cluster.separation import probe_every_host
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import is_local
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.separation import SEPARATION, FilesystemSeparation

if TYPE_CHECKING:
    from pytest_mlpstorage.config import SuiteConfig

__all__ = ["write_separation"]


def write_separation(config: SuiteConfig, data: Path, staged: Path) -> FilesystemSeparation:
    """Probe ``data`` (a data, checkpoint or cache directory that is there) against the results on every host; write it into a leaf.

    To be called for each run, before its launch: mounts change. Raises FileSystemError, MPIError or BenchmarkExecutionError
    where nothing can be found out: better now than after the run.
    """
    hosts = config.cluster.hosts
    alone = len(hosts) <= 1 and all(is_local(host.name) for host in hosts)
    launcher = None if alone else find_launcher(config.launch.launcher)
    found = probe_every_host(launcher, hosts, data, config.results_dir, mpi_args=config.launch.mpi_args)
    write_json(staged / SEPARATION, found.to_json())
    return found
