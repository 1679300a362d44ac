"""Which filesystem a path lies on."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

from pytest_mlpstorage.cluster.procfs import read_text

__all__ = ["MEMORY_FILESYSTEMS", "Mount", "mount_of"]

MEMORY_FILESYSTEMS = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
_ESCAPE = re.compile(r"\\([0-7]{3})")


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


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def mount_of(path: str | Path, mountinfo: str | None = None) -> Mount:
    """The filesystem of a path, from /proc/self/mountinfo and statvfs; the topmost mount where several cover each other.

    Raises OSError where not even a parent of the path can be looked at.
    """
    wanted = Path(os.path.realpath(path))
    there = wanted
    while not there.exists() and there != there.parent:
        there = there.parent
    found = ("/", "unknown", "unknown", "", "")
    for line in (read_text("/proc/self/mountinfo") if mountinfo is None else mountinfo).splitlines():
        left, _, right = line.partition(" - ")
        fields, (fstype, source) = left.split(), right.split()[:2]
        target = _unescape(fields[4])
        if there.is_relative_to(target) and (len(target) >= len(found[0]) or found[1] == "unknown"):
            found = (target, fstype, _unescape(source), fields[5], fields[2])
    size = os.statvfs(there)
    target, fstype, source, options, device = found
    return Mount(
        path=str(path),
        exists=there == wanted,
        target=target,
        fstype=fstype,
        source=source,
        options=options,
        device=device,
        total_bytes=size.f_blocks * size.f_frsize,
        free_bytes=size.f_bavail * size.f_frsize,
        writable=os.access(there, os.W_OK),
    )
