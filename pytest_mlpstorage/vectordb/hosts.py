"""Which ranks share a host: by its name and by what two hosts of one name do not share, as the images of a cloud often do."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

__all__ = ["HostIdentity", "host_identity", "host_labels"]

HostIdentity: TypeAlias = "tuple[str, str, str]"
"""Its name, the start of its kernel, and its view of processes; the last ones are empty where they cannot be read."""


def host_identity(proc: Path = Path("/proc")) -> HostIdentity:
    """That of the host which this process runs on."""
    kernel = processes = ""
    with contextlib.suppress(OSError):
        kernel = (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with contextlib.suppress(OSError):
        processes = str((proc / "self/ns/pid").readlink())
    return socket.gethostname(), kernel, processes


def host_labels(identities: Sequence[HostIdentity]) -> tuple[str, ...]:
    """One label a rank, the same for all on one host: its name; further hosts of a name are ``NAME+2``, ``NAME+3`` and so on."""
    labels: dict[HostIdentity, str] = {}
    names = {name for name, _, _ in identities}
    for identity in identities:
        if identity in labels:
            continue
        name, number = identity[0], 1
        label = name
        while label in labels.values() or (number > 1 and label in names):
            number += 1
            label = f"{name}+{number}"
        labels[identity] = label
    return tuple(labels[identity] for identity in identities)
