"""Hosts surveyed without a launch: over ssh, or not asked at all where they are only planned for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence

from pytest_mlpstorage.cluster.collect import host_answer
from pytest_mlpstorage.cluster.facts import HostFacts, host_facts
from pytest_mlpstorage.cluster.host_probe import HostProbe, left_token, probe_host
from pytest_mlpstorage.cluster.over_ssh import Request, entries_over_ssh
from pytest_mlpstorage.errors import MLPStorageError, MPIError

__all__ = ["planned_hosts", "probed_over_ssh"]


def probed_over_ssh(
    names: Sequence[str], paths: Sequence[str], ssh: Sequence[str], *, write: bool
) -> dict[str, tuple[HostFacts, HostProbe] | MLPStorageError]:
    """What each host says, or why it says nothing, by one login at each. With ``write`` the paths are tried with a file."""
    with left_token(paths) if write else contextlib.nullcontext("") as token:
        here = probe_host(paths, of_pytest=token, write=False)
        entries, silent = entries_over_ssh(Request(tuple(paths), tuple(ssh), token, write), names)
    found: dict[str, tuple[HostFacts, HostProbe] | MLPStorageError] = {}
    for name in names:
        found[name] = _read(entries[name], here) if name in entries else MPIError(silent[name], code="MLPS-E320")
    first = found[names[0]]
    if write and not isinstance(first, MLPStorageError):
        seen = {path.path: path.as_pytest for path in first[1].paths}
        found = {name: one if isinstance(one, MLPStorageError) else (one[0], _beside(one[1], seen)) for name, one in found.items()}
    return found


def _read(entry: Mapping[str, object], here: HostProbe) -> tuple[HostFacts, HostProbe] | MLPStorageError:
    try:
        facts, probe = host_answer(entry)
    except MLPStorageError as error:
        return error
    return facts, probe.held_against(here, "as_pytest")


def _beside(probe: HostProbe, seen_by_first: Mapping[str, bool | None]) -> HostProbe:
    """With what it says of the first host: both find what pytest has left, one does, or nobody knows."""
    told = {(True, True): True, (True, False): False, (False, True): False}
    paths = (
        dataclasses.replace(path, as_first=told.get((bool(path.as_pytest), bool(seen_by_first.get(path.path))))) for path in probe.paths
    )
    return dataclasses.replace(probe, paths=tuple(paths))


def planned_hosts(names: Sequence[str], paths: Sequence[str]) -> dict[str, HostFacts]:
    """Hosts that nobody asks: each is this one under another name, as the user has declared. Raises OSError as ``host_facts`` does."""
    here = dataclasses.replace(host_facts(paths), interfaces=())  # addresses are a host's own
    return {name: dataclasses.replace(here, name=name, declared=name) for name in names}
