"""Parts of a host, as records: the filesystem below a path, NUMA nodes, network interfaces, and the devices that data lie on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

__all__ = ["MEMORY_FILESYSTEMS", "BlockDevice", "Interface", "Mount", "NumaNode"]

MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})


@dataclasses.dataclass(frozen=True)
class Mount:
    """The filesystem below a path. ``path`` may not exist yet; its nearest existing parent is looked at then.

    ``free_bytes`` is what this user may still write. ``device`` is the kernel's ``major:minor``: two paths with one
    device are on one filesystem.
    """

    path: str
    exists: bool
    target: str
    fstype: str
    source: str
    options: str
    device: str
    total_bytes: int
    free_bytes: int
    writable: bool

    @property
    def is_memory_fs(self) -> bool:
        """Whether what is written here stays in memory: nothing measured there says anything of storage."""
        return self.fstype in MEMORY_FILESYSTEMS

    def to_json(self) -> dict[str, Any]:
        """All fields, and ``is_memory_fs``."""
        return {**dataclasses.asdict(self), "is_memory_fs": self.is_memory_fs}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Mount:
        """The record as ``to_json`` wrote it; raises TypeError for what it did not write."""
        return cls(**{key: item for key, item in value.items() if key != "is_memory_fs"})


@dataclasses.dataclass(frozen=True)
class NumaNode:
    """Memory and the logical CPUs next to it; ``cpus`` as the kernel writes a list of them, such as ``0-3,8``."""

    number: int
    cpus: str
    memory_bytes: int


@dataclasses.dataclass(frozen=True)
class Interface:
    """A network interface other than loopback.

    ``speed_mbps`` is None where the driver does not tell, as in most virtual machines. ``addresses`` hold the length of their
    network, such as ``10.0.0.1/24``. ``driver`` is empty, and ``physical`` false, for one without a device: a bridge, a tunnel.
    """

    name: str
    state: str
    mtu: int
    speed_mbps: int | None
    driver: str
    physical: bool
    addresses: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Interface:
        """The record as JSON holds it; raises KeyError or TypeError for anything else."""
        return cls(**{**value, "addresses": tuple(value["addresses"])})


@dataclasses.dataclass(frozen=True)
class BlockDevice:
    """A disk of this host that paths under test lie on, as the kernel tells it.

    In a virtual machine ``model`` is mostly empty and ``rotational`` means nothing. ``paths`` are those that were asked about.
    """

    name: str
    size_bytes: int
    model: str
    rotational: bool | None
    scheduler: str
    read_ahead_bytes: int | None
    paths: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BlockDevice:
        """The record as JSON holds it; raises KeyError or TypeError for anything else."""
        return cls(**{**value, "paths": tuple(value["paths"])})
