"""What the preflight of every family asks of the places that it will read and write: file systems, and whether they can be used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import Division, Finding, Severity

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import HostFacts
    from pytest_mlpstorage.config import SuiteConfig

__all__ = ["file_systems", "first_of_its_storage", "on_host", "results_space", "usable"]

_OF_ONE_HOST: Final = ("overlay", "zfs")
"""Kinds whose source is a name that the next host may have too, for a disk of its own."""


def file_systems(config: SuiteConfig, host: HostFacts, data: Path, *, what: str, field: str, rule_id: str) -> Iterator[Finding]:
    """Data lie on storage and not in memory (MLPS-PATH-1), and not where the results lie (MLPS-PATH-2), on one host.

    ``what`` lies at ``data``, which the key ``field`` sets; ``rule_id`` is the rule of the book that wants two file systems.
    """
    there, results = host.mount(data), host.mount(config.results_dir)
    if there.is_memory_fs:
        yield Finding(
            f"{data} on {host.called} is in memory, not on storage",
            measured=there.fstype,
            required="a file system on storage",
            field=field,
            rule="MLPS-PATH-1",
        )
    if there.device == results.device:
        yield Finding(
            f"{what} and results lie on one file system on {host.called}: writing results disturbs what is measured",
            severity=Severity.WARNING if config.division is Division.WHATIF else Severity.ERROR,
            measured=f"{there.target} ({there.fstype})",
            required=f"two file systems (rule {rule_id})",
            field="results_dir",
            rule="MLPS-PATH-2",
        )


def usable(name: str, path: Path) -> Iterator[Finding]:
    """Whether a directory can be made and written (MLPS-PATH-4), looked at without making it."""
    there = path
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is no directory" if not there.is_dir() else "cannot be written"
        yield Finding(
            f"{name}: {there} {what}", measured=str(path), required="a directory that can be written", field=name, rule="MLPS-PATH-4"
        )


def on_host(hosts: Sequence[HostFacts], number: int) -> str:
    """The words that name a host after a path, where there are several."""
    return f" on {hosts[number].called}" if len(hosts) > 1 else ""


def first_of_its_storage(hosts: Sequence[HostFacts], number: int, path: Path) -> bool:
    """Whether no host before this one has the same storage at a path: what all of them share is told once.

    A disk of a host has the same name on the next one, so what is free on it must be the same as well.
    """

    def storage(host: HostFacts) -> tuple[object, ...]:
        mount = host.mount(path)
        own = mount.source.startswith("/dev/") or mount.is_memory_fs or mount.fstype in _OF_ONE_HOST
        return (mount.fstype, mount.source, mount.total_bytes, mount.free_bytes if own else None)

    return all(storage(host) != storage(hosts[number]) for host in hosts[:number])


def results_space(results_dir: Path, hosts: Sequence[HostFacts], number: int, needed_bytes: int, what: str) -> Iterator[Finding]:
    """Whether ``what`` of the runs has room beside the results (MLPS-SPACE-2), on a host."""
    free = hosts[number].mount(results_dir).free_bytes
    if free < needed_bytes and first_of_its_storage(hosts, number, results_dir):
        yield Finding(
            f"{results_dir}{on_host(hosts, number)} has too little free space for {what}",
            measured=format_bytes(free),
            required=format_bytes(needed_bytes),
            field="results_dir",
            rule="MLPS-SPACE-2",
        )
