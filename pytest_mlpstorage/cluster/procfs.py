"""Readers of single files below /proc and /sys: text in, typed values out."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["cgroup_memory_limit_bytes", "cpu_facts", "disk_counters", "memory_bytes", "network_counters", "os_release", "read_text"]

_DISK_FIELDS = (
    "reads_completed", "reads_merged", "sectors_read", "time_reading_ms", "writes_completed", "writes_merged", "sectors_written",
    "time_writing_ms", "ios_in_progress", "time_doing_ios_ms", "weighted_time_doing_ios_ms", "discards_completed",
    "discards_merged", "sectors_discarded", "time_discarding_ms", "flush_requests_completed", "time_flushing_ms",
)  # fmt: skip
_NETWORK_FIELDS = (
    "rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo", "rx_frame", "rx_compressed", "rx_multicast",
    "tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_fifo", "tx_collisions", "tx_carrier", "tx_compressed",
)  # fmt: skip
_PROCESSOR_FIELDS = (
    "processor", "vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "cpu MHz", "cache size", "physical id",
    "siblings", "core id", "cpu cores", "CPU implementer", "CPU architecture", "CPU variant", "CPU part", "CPU revision",
)  # fmt: skip
_NO_LIMIT_BYTES = 1 << 60


def read_text(path: str | Path) -> str:
    """The text of a file, stripped; empty where this kernel or container has no such file."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def memory_bytes() -> dict[str, int]:
    """Every size of /proc/meminfo in bytes, by the kernel's name."""
    found = {}
    for line in read_text("/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * 1024
    return found


def cpu_facts() -> dict[str, Any]:
    """Model, sockets, cores and logical cores of the host, from /proc/cpuinfo; aarch64 names parts instead of models.

    ``processors`` has the entry of the first logical core of each socket, without its flags.
    """
    model, sockets, cores, logical = "", set(), set(), 0
    first_of: dict[str, dict[str, str]] = {}
    for block in read_text("/proc/cpuinfo").split("\n\n"):
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "processor" in fields:
            logical += 1
            model = model or fields.get("model name", "")
            sockets.add(fields.get("physical id", "0"))
            first_of.setdefault(fields.get("physical id", "0"), {key: fields[key] for key in _PROCESSOR_FIELDS if key in fields})
            cores.add((fields.get("physical id", "0"), fields.get("core id", fields["processor"])))
        model = model or (f"CPU part {fields['CPU part']}" if "CPU part" in fields else "")
    return {
        "model": model or platform.machine(),
        "sockets": max(1, len(sockets)),
        "cores": max(1, len(cores)),
        "logical_cores": logical or (os.cpu_count() or 1),
        "architecture": platform.machine(),
        "processors": list(first_of.values()),
    }


def os_release() -> dict[str, str]:
    """/etc/os-release as a mapping."""
    pairs = (line.partition("=") for line in read_text("/etc/os-release").splitlines() if "=" in line and not line.startswith("#"))
    return {name: value.strip("\"'") for name, _, value in pairs}


def cgroup_memory_limit_bytes(root: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> int | None:
    """The smallest memory limit of this process's cgroup (version 2 or 1) and those above it; None: no limit."""
    limits = []
    for line in (read_text("/proc/self/cgroup") if own is None else own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        # In a container the path is the host's and the mount is already ours: what does not exist is passed over.
        folder = base / path.strip("/")
        for candidate in (folder, *folder.parents):
            text = read_text(candidate / name)
            if text.isdigit() and int(text) < _NO_LIMIT_BYTES:
                limits.append(int(text))
            if candidate == base:
                break
    return min(limits, default=None)


def disk_counters() -> list[dict[str, Any]]:
    """/proc/diskstats, whole disks and partitions as the kernel lists them, in the official metadata's names."""
    found = []
    for line in read_text("/proc/diskstats").splitlines():
        _, _, name, *values = line.split()
        numbers = [int(value) for value in values[: len(_DISK_FIELDS)]]
        found.append({"device_name": name, **dict(zip(_DISK_FIELDS, numbers, strict=False))})
    return found


def network_counters() -> list[dict[str, Any]]:
    """/proc/net/dev in the official metadata's names."""
    found = []
    for line in read_text("/proc/net/dev").splitlines()[2:]:
        name, _, values = line.partition(":")
        found.append({"interface_name": name.strip(), **dict(zip(_NETWORK_FIELDS, map(int, values.split()), strict=False))})
    return found
