"""Which filesystem a path lies on."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.results.host_parts import MEMORY_FILESYSTEMS, Mount

__all__ = ["MEMORY_FILESYSTEMS", "Mount", "mount_of"]

_ESCAPE = re.compile(r"\\([0-7]{3})")


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
