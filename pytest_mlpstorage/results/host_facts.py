"""What a host was when it was asked: one record, written and read here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.host_parts import BlockDevice, Interface, Mount, NumaNode

__all__ = ["VERSIONS", "HostFacts"]

VERSIONS: Final = ("python", "interpreter", "pytest-mlpstorage", "dlio-benchmark", "mpi4py", "mpi")
"""Keys of ``HostFacts.versions``; the value of what a host does not have is empty."""


@dataclasses.dataclass(frozen=True)
class HostFacts:
    """One host as it was at ``collected`` (UTC, ISO 8601).

    ``name`` is what the host calls itself, ``declared`` the name of the configuration that means it (empty: none, or several do).
    ``memory_bytes`` is what the kernel has (MemTotal), as the official collector counts it, unless it was declared
    (``memory_declared``); ``memory_limit_bytes`` is a cgroup's limit on this process, if any. ``cores`` are physical,
    ``logical_cores`` threads, ``usable_cores`` the threads this process may run on. ``mounts`` has one entry for each path
    that was asked about, in that order, and ``block_devices`` the disks below them; ``virtual`` tells that a hypervisor shows
    them. ``processors`` has one entry for each socket, in the kernel's words. ``disks`` and ``network`` are the kernel's counters,
    for differences.

    ``limits`` are those of a process here, soft and hard, None without one. ``settings`` are the kernel's that storage and networks
    feel, by name as sysctl has it. ``versions`` has the keys ``VERSIONS``: ``interpreter`` is the path of the Python that ranks
    run, ``mpi`` what the library that they loaded calls itself.

    ``clock_offset_seconds`` is how far this host's clock is ahead of that of the first host, known to within
    ``clock_uncertainty_seconds``; None where nobody compared them.
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
    declared: str = ""
    processors: tuple[Mapping[str, str], ...] = ()
    numa_nodes: tuple[NumaNode, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    block_devices: tuple[BlockDevice, ...] = ()
    virtual: bool = False
    limits: Mapping[str, tuple[int | None, int | None]] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    clock_offset_seconds: float | None = None
    clock_uncertainty_seconds: float | None = None

    @property
    def called(self) -> str:
        """Its name for people: that of the configuration, for several hosts may call themselves alike."""
        return self.declared or self.name

    @property
    def swap_bytes(self) -> int:
        """Size of all swap areas together."""
        return self.memory.get("SwapTotal", 0)

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
        """The record as ``to_json`` wrote it; raises KeyError, TypeError, ValueError or AttributeError for what it did not write."""
        one, five, fifteen = value["load_average"]
        parts = {
            "mounts": tuple(Mount.from_json(mount) for mount in value["mounts"]),
            "numa_nodes": tuple(NumaNode(**node) for node in value.get("numa_nodes", ())),
            "interfaces": tuple(Interface.from_json(interface) for interface in value.get("interfaces", ())),
            "block_devices": tuple(BlockDevice.from_json(device) for device in value.get("block_devices", ())),
            "limits": {name: (soft, hard) for name, (soft, hard) in value.get("limits", {}).items()},
        }
        lists = {key: tuple(value.get(key, ())) for key in ("disks", "network", "processors")}
        return cls(**{**value, **lists, **parts, "load_average": (one, five, fifteen)})

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
