"""The same on every host of an MPI job: one rank of each measures and drops, the others wait."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any

from pytest_mlpstorage.page_cache.cold import make_cold
from pytest_mlpstorage.page_cache.counters import HostIoCounters, read_since
from pytest_mlpstorage.page_cache.drop import DROP_CACHES
from pytest_mlpstorage.results.page_cache import HostIoSince, HostPageCache

__all__ = ["counters_of_hosts", "leads_host", "on_each_host"]


def on_each_host(
    comm: Any, files: Sequence[str | os.PathLike[str]], *, drop: bool, budget_seconds: float, whole_machine: bool = True
) -> list[HostPageCache] | None:
    """Make the files of every host's ranks cold; all ranks of an mpi4py communicator call it, and none returns before all are done.

    Each rank may name its own files or all of them: a host's are those of all its ranks. ``whole_machine``: root may drop all of a
    machine's page cache where files alone do not do. Rank 0 gets one record a host.
    """
    from mpi4py import MPI

    local = comm.Split_type(MPI.COMM_TYPE_SHARED)
    try:
        together = _together(local, files)
        switch = DROP_CACHES if whole_machine else None
        found = make_cold(together, drop=drop, budget_seconds=budget_seconds, drop_caches=switch) if local.rank == 0 else None
    finally:
        local.Free()
    entries = comm.gather(found)
    # No rank may read what another host still drops: on shared storage the servers' load is part of what is measured.
    comm.barrier()
    return None if entries is None else [entry for entry in entries if entry is not None]


def leads_host(comm: Any) -> bool:
    """Whether this rank is the first of its host; all ranks call it."""
    from mpi4py import MPI

    local = comm.Split_type(MPI.COMM_TYPE_SHARED)
    try:
        return bool(local.rank == 0)
    finally:
        local.Free()


def counters_of_hosts(comm: Any, start: HostIoCounters | None) -> list[HostIoSince] | None:
    """What every host's storage delivered since ``start``, which one rank of each host holds and the others leave None.

    All ranks call it when they have read what they had to; rank 0 gets one entry a host.
    """
    # The rank with the counters may be done long before the others of its host.
    comm.barrier()
    entries = comm.gather(None if start is None else read_since(start))
    return None if entries is None else [entry for entry in entries if entry is not None]


def _together(local: Any, files: Sequence[str | os.PathLike[str]]) -> Sequence[str | os.PathLike[str]]:
    """The files of all ranks of this host, each once; not sent about where all name the same, which may be millions."""
    digest = hashlib.sha256("\0".join(os.fspath(file) for file in files).encode("utf-8", "surrogateescape")).digest()
    if len(set(local.allgather(digest))) == 1:
        return files
    lists = local.gather([os.fspath(file) for file in files])
    return list(dict.fromkeys(file for part in lists for file in part)) if lists is not None else files
