"""What a process on this host runs in: limits, settings of the kernel, and versions of what it uses."""

from __future__ import annotations

import functools
import platform
import re
import resource
import sys
from pathlib import Path
from typing import Final

from pytest_mlpstorage import __version__
from pytest_mlpstorage.cluster.procfs import read_text

__all__ = ["kernel_settings", "process_limits", "versions"]

_LIMITS: Final = {
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "locked_memory_bytes": resource.RLIMIT_MEMLOCK,
    "stack_bytes": resource.RLIMIT_STACK,
    "file_size_bytes": resource.RLIMIT_FSIZE,
    "address_space_bytes": resource.RLIMIT_AS,
}

_SYSCTL: Final = (
    "vm.dirty_ratio", "vm.dirty_bytes", "vm.dirty_background_ratio", "vm.dirty_background_bytes", "vm.dirty_expire_centisecs",
    "vm.dirty_writeback_centisecs", "vm.swappiness", "vm.vfs_cache_pressure", "vm.min_free_kbytes", "vm.zone_reclaim_mode",
    "vm.overcommit_memory", "vm.max_map_count", "kernel.numa_balancing", "kernel.pid_max", "fs.file-max", "fs.aio-max-nr", "fs.nr_open",
    "net.core.rmem_max", "net.core.wmem_max", "net.core.netdev_max_backlog", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    "net.ipv4.tcp_congestion_control",
)  # fmt: skip
"""What a description of a system asks for, and what makes equal hosts write and send differently."""

_OTHERS: Final = {
    "transparent_hugepage": "/sys/kernel/mm/transparent_hugepage/enabled",
    "cpu_governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "clocksource": "/sys/devices/system/clocksource/clocksource0/current_clocksource",
}

_CHOSEN: Final = re.compile(r"\[(.+?)\]")
"""The one in force, where the kernel lists all that it knows."""


def process_limits() -> dict[str, tuple[int | None, int | None]]:
    """Soft and hard limits of this process by name; None: unlimited."""
    found = {}
    for name, number in _LIMITS.items():
        soft, hard = (None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(number))
        found[name] = (soft, hard)
    return found


def kernel_settings(proc: Path = Path("/proc")) -> dict[str, str]:
    """Settings of the kernel by name; one that this kernel or container does not show is left out."""
    told = {name: read_text(proc / "sys" / name.replace(".", "/")) for name in _SYSCTL}
    told |= {name: read_text(path) for name, path in _OTHERS.items()}
    return {name: (_CHOSEN.search(value) or [value, " ".join(value.split())])[1] for name, value in told.items() if value}


def versions(mpi: str = "") -> dict[str, str]:
    """What runs here, by the keys of ``results.host_facts.VERSIONS``; ``mpi`` is what the library says that a rank has loaded."""
    return {
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "pytest-mlpstorage": __version__,
        "dlio-benchmark": _installed("dlio-benchmark", tuple(sys.path)),
        "mpi4py": _installed("mpi4py", tuple(sys.path)),
        "mpi": mpi,
    }


@functools.cache  # every other host is held against it
def _installed(name: str, search_path: tuple[str, ...]) -> str:
    """The version of a distribution, by the name of its folder where wheels leave one: importlib.metadata takes longer than all facts."""
    for folder in map(Path, search_path):
        for found in folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
            return found.name.removesuffix(".dist-info").rpartition("-")[2]
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
