"""What a host has left for ranks: memory, and files that a process may hold open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import Category, Finding, Severity

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import HostFacts

__all__ = ["PROCESS_FILES", "available_memory_bytes", "memory_for", "open_files"]

PROCESS_FILES: Final = 128
"""Open files of a rank before its work: libraries while they are loaded, logs, and what MPI talks through (about 60 were seen)."""

_FILES_PER_RANK: Final = 8
"""What the launcher's daemon on a host, and on the first the starter, hold for each rank: pipes of its output, its guard's line."""


def available_memory_bytes(host: HostFacts) -> int:
    """Memory that ranks can still take: of the kernel, of the cgroup, and no more than was declared."""
    limits = (host.memory["MemAvailable"], host.memory_limit_bytes, host.memory_bytes if host.memory_declared else None)
    return min(limit for limit in limits if limit is not None)


def memory_for(what: str, host: HostFacts, needed_bytes: int, *, field: str, warns: bool = False) -> Iterator[Finding]:
    """Whether a host has memory left for something (MLPS-MEMORY-1); ``warns`` where it may do with less, more slowly."""
    available = available_memory_bytes(host)
    if available < needed_bytes:
        yield Finding(
            f"{host.called} has too little free memory for {what}",
            severity=Severity.WARNING if warns else Severity.ERROR,
            category=Category.CLOSED if warns else Category.INVALID,
            measured=format_bytes(available),
            required=f"about {format_bytes(needed_bytes)}",
            field=field,
            rule="MLPS-MEMORY-1",
        )


def open_files(hosts: Sequence[HostFacts], number: int, *, ranks: int, in_a_process: int, field: str) -> Iterator[Finding]:
    """Whether a process of a host may hold open what one of ``ranks`` ranks there needs, or the launcher for all of them (MLPS-HOST-3)."""
    host = hosts[number]
    of_launcher = PROCESS_FILES + _FILES_PER_RANK * ranks
    needed, what = max((in_a_process, "a rank"), (of_launcher, f"the launcher of {ranks} ranks"))
    if host.open_files_limit < needed:
        hard = host.open_files_hard_limit
        way = f"ulimit -n {needed}" if needed <= hard or hard < 0 else f"a higher hard limit (nofile is {hard})"
        yield Finding(
            f"a process on {host.called} may have too few files open for {what}",
            measured=host.open_files_limit,
            required=f"{needed}: {way}",
            field=field,
            rule="MLPS-HOST-3",
        )
