"""Facts of this host, asked of its kernel; the records of them stand in ``results``."""

from __future__ import annotations

import os
import platform
import resource
import socket
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster.hardware import block_devices, interfaces, is_virtual, numa_nodes
from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.cluster.procfs import (
    cgroup_memory_limit_bytes,
    cpu_facts,
    disk_counters,
    memory_bytes,
    network_counters,
    os_release,
    read_text,
)
from pytest_mlpstorage.cluster.surroundings import kernel_settings, process_limits, versions
from pytest_mlpstorage.results.cluster_facts import ClusterFacts, now
from pytest_mlpstorage.results.host_facts import HostFacts

__all__ = ["ClusterFacts", "HostFacts", "host_facts"]


def host_facts(paths: Sequence[str | Path] = (), *, declared: str = "", mpi: str = "") -> HostFacts:
    """Facts of this host, in some milliseconds, without starting anything. Raises OSError for a path that cannot be looked at.

    ``declared`` is the name that the configuration has for this host, ``mpi`` what the MPI library says that this process has loaded.
    """
    memory, cpu, uname = memory_bytes(), cpu_facts(), os.uname()
    running, _, total = (read_text("/proc/loadavg").split()[3:4] or ["0/0"])[0].partition("/")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mounts = tuple(mount_of(path) for path in paths)
    return HostFacts(
        name=socket.gethostname(),
        declared=declared,
        memory_bytes=memory["MemTotal"],
        cores=cpu["cores"],
        logical_cores=cpu["logical_cores"],
        usable_cores=len(os.sched_getaffinity(0)),
        sockets=cpu["sockets"],
        cpu_model=cpu["model"],
        architecture=cpu["architecture"],
        kernel=uname.release,
        kernel_version=read_text("/proc/version"),
        os_release=os_release(),
        memory=memory,
        memory_limit_bytes=cgroup_memory_limit_bytes(),
        open_files_limit=soft,
        open_files_hard_limit=hard,
        mounts=mounts,
        python=platform.python_version(),
        package=__version__,
        collected=now(),
        uptime_seconds=float((read_text("/proc/uptime") or "0").split()[0]),
        load_average=os.getloadavg(),
        running_processes=int(running),
        total_processes=int(total),
        disks=tuple(disk_counters()),
        network=tuple(network_counters()),
        processors=tuple(cpu["processors"]),
        numa_nodes=numa_nodes(),
        interfaces=interfaces(),
        block_devices=block_devices(mounts),
        virtual=is_virtual(),
        limits=process_limits(),
        settings=kernel_settings(),
        versions=versions(mpi),
    )
