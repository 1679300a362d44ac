"""Facts of one host, and of all hosts together."""

from __future__ import annotations

import dataclasses
import os
import platform
import resource
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster.mounts import Mount, mount_of
from pytest_mlpstorage.cluster.procfs import (
    cgroup_memory_limit_bytes,
    cpu_facts,
    disk_counters,
    memory_bytes,
    network_counters,
    os_release,
    read_text,
)
from pytest_mlpstorage.units import format_bytes

__all__ = ["ClusterFacts", "HostFacts", "consistency_issues", "host_facts"]


@dataclasses.dataclass(frozen=True)
class HostFacts:
    """One host as it was at ``collected`` (UTC, ISO 8601).

    ``memory_bytes`` is what the kernel has (MemTotal), as the official collector counts it, unless it was declared
    (``memory_declared``); ``memory_limit_bytes`` is a cgroup's limit on this process, if any. ``cores`` are physical,
    ``logical_cores`` threads, ``usable_cores`` the threads this process may run on. ``mounts`` has one entry for each path
    that was asked about, in that order. ``disks`` and ``network`` are the kernel's counters, for differences.
    """

    name: str
    memory_bytes: int
    cores: int
    logical_cores: int
    usable_cores: int
    sockets: int
    cpu_model: str
    architecture: str
    kernel: str
    kernel_version: str
    os_release: Mapping[str, str]
    memory: Mapping[str, int]
    memory_limit_bytes: int | None
    open_files_limit: int
    open_files_hard_limit: int
    mounts: tuple[Mount, ...]
    python: str
    package: str
    collected: str
    uptime_seconds: float
    load_average: tuple[float, float, float]
    running_processes: int
    total_processes: int
    disks: tuple[Mapping[str, Any], ...] = ()
    network: tuple[Mapping[str, Any], ...] = ()
    memory_declared: bool = False

    def mount(self, path: str | Path) -> Mount:
        """The mount of a path that was asked about; raises KeyError for another one."""
        for mount in self.mounts:
            if mount.path == str(path):
                return mount
        raise KeyError(str(path))

    def to_json(self) -> dict[str, Any]:
        """All fields, for a file that ``from_json`` reads."""
        return {**dataclasses.asdict(self), "mounts": [mount.to_json() for mount in self.mounts]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> HostFacts:
        """The record as ``to_json`` wrote it; raises KeyError or TypeError for what it did not write."""
        mounts = tuple(Mount(**{key: item for key, item in mount.items() if key != "is_memory_fs"}) for mount in value["mounts"])
        one, five, fifteen = value["load_average"]
        lists = {key: tuple(value[key]) for key in ("disks", "network")}
        return cls(**{**value, **lists, "mounts": mounts, "load_average": (one, five, fifteen)})

    def system_info(self) -> dict[str, Any]:
        """This host as an entry of ``system_info.hosts`` in v3.0 metadata."""
        memory = self.memory
        used = self.memory_bytes - sum(memory.get(key, 0) for key in ("MemFree", "Buffers", "Cached"))
        one, five, fifteen = self.load_average
        return {
            "hostname": self.name,
            "memory": {
                "total": self.memory_bytes,
                "available": memory.get("MemAvailable", 0),
                "used": used,
                "free": memory.get("MemFree", 0),
                "active": memory.get("Active", 0),
                "inactive": memory.get("Inactive", 0),
                "buffers": memory.get("Buffers", 0),
                "cached": memory.get("Cached", 0),
                "shared": memory.get("Shmem", 0),
            },
            "collection_timestamp": self.collected,
            "cpu": {
                "num_cores": self.cores,
                "num_logical_cores": self.logical_cores,
                "model": self.cpu_model,
                "architecture": self.architecture,
            },
            "disks": [dict(disk) for disk in self.disks],
            "network": [dict(interface) for interface in self.network],
            "system": {
                "hostname": self.name,
                "kernel_version": self.kernel_version,
                "os_release": dict(self.os_release),
                "uptime_seconds": self.uptime_seconds,
                "load_average_1min": one,
                "load_average_5min": five,
                "load_average_15min": fifteen,
                "running_processes": self.running_processes,
                "total_processes": self.total_processes,
            },
        }


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def host_facts(paths: Sequence[str | Path] = ()) -> HostFacts:
    """Facts of this host, in some 2 ms, without starting anything. Raises OSError for a path that cannot be looked at."""
    memory, cpu, uname = memory_bytes(), cpu_facts(), os.uname()
    running, _, total = (read_text("/proc/loadavg").split()[3:4] or ["0/0"])[0].partition("/")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return HostFacts(
        name=socket.gethostname(),
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
        mounts=tuple(mount_of(path) for path in paths),
        python=platform.python_version(),
        package=__version__,
        collected=_now(),
        uptime_seconds=float((read_text("/proc/uptime") or "0").split()[0]),
        load_average=os.getloadavg(),
        running_processes=int(running),
        total_processes=int(total),
        disks=tuple(disk_counters()),
        network=tuple(network_counters()),
    )


_COMPARED: tuple[tuple[str, Callable[[HostFacts], object]], ...] = (
    ("memory", lambda host: host.memory_bytes),
    ("CPU model", lambda host: host.cpu_model),
    ("physical cores", lambda host: host.cores),
    ("logical cores", lambda host: host.logical_cores),
    ("operating system", lambda host: host.os_release.get("PRETTY_NAME", "")),
    ("kernel", lambda host: host.kernel),
    ("Python", lambda host: host.python),
    ("pytest-mlpstorage", lambda host: host.package),
)
_MEMORY_TOLERANCE = 0.02  # firmware reserves differ by board; a missing DIMM is far more


def consistency_issues(hosts: Sequence[HostFacts]) -> tuple[str, ...]:
    """What the hosts do not agree on, one sentence each: values, and which hosts have them."""
    return tuple(_issues(hosts))


def _issues(hosts: Sequence[HostFacts]) -> Iterator[str]:
    for name, value_of in _COMPARED:
        groups: dict[object, list[str]] = {}
        for host in hosts:
            groups.setdefault(value_of(host), []).append(host.name)
        if len(groups) < 2:
            continue
        if name == "memory":
            sizes = [host.memory_bytes for host in hosts]
            if max(sizes) - min(sizes) <= _MEMORY_TOLERANCE * max(sizes):
                continue
        show = format_bytes if name == "memory" else str
        parts = [f"{show(value)} on {_some(names)}" for value, names in groups.items()]  # type: ignore[arg-type]
        yield f"{name} differs: {'; '.join(parts)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@dataclasses.dataclass(frozen=True)
class ClusterFacts:
    """All hosts of a run, in the order in which they were declared. ``method``: ``local``, ``mpi``; ``… + declared memory``."""

    hosts: tuple[HostFacts, ...]
    method: str
    collected: str = dataclasses.field(default_factory=_now)

    @property
    def total_memory_bytes(self) -> int:
        """Memory of all hosts together."""
        return sum(host.memory_bytes for host in self.hosts)

    @property
    def min_memory_bytes(self) -> int:
        """Memory of the smallest host."""
        return min(host.memory_bytes for host in self.hosts)

    @property
    def max_memory_bytes(self) -> int:
        """Memory of the largest host."""
        return max(host.memory_bytes for host in self.hosts)

    @property
    def total_cores(self) -> int:
        """Physical cores of all hosts together."""
        return sum(host.cores for host in self.hosts)

    @property
    def host_consistency_issues(self) -> tuple[str, ...]:
        """What the hosts do not agree on."""
        return consistency_issues(self.hosts)

    def system_info(self) -> dict[str, Any]:
        """``system_info`` of v3.0 metadata (rules.md §1.5)."""
        return {
            "total_memory_bytes": self.total_memory_bytes,
            "total_cores": self.total_cores,
            "num_hosts": len(self.hosts),
            "min_memory_bytes": self.min_memory_bytes,
            "max_memory_bytes": self.max_memory_bytes,
            "collection_method": self.method,
            "collection_timestamp": self.collected,
            "hosts": [host.system_info() for host in self.hosts],
            "host_consistency_issues": list(self.host_consistency_issues),
        }
