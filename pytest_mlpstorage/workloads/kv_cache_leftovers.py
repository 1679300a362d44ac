"""Removing what killed clients left in the cache: here by this process, on other hosts by one process on each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.cluster.which_host import ask_apart, cause_of
from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
from pytest_mlpstorage.launch.job import Host, Job, is_local
from pytest_mlpstorage.launch.supervisor import require_success, run_job

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import Launcher
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["clean_up"]

_DEADLINE_SECONDS: Final = 300.0
_PART_SECONDS: Final = 120.0
"""For some of the hosts, where not all of them together could look."""

_LONGEST_OUTPUT: Final = 64 * 1024
_TRIES, _PAUSE_SECONDS = 5, 1.0
"""A process that was killed holds its directory until the call to the storage that it is in has returned."""


def clean_up(plan: KVCachePlan, *, scratch: Path, launcher: Launcher) -> Sequence[str]:
    """Remove marked directories of this plan's ranks that nobody holds; a line for each thing that stays."""
    for left_tries in reversed(range(_TRIES)):
        left = remove_leftovers(plan.cache_dir, plan.ranks)
        if not left or not left_tries:
            break
        time.sleep(_PAUSE_SECONDS)
    far = [host.name for host in plan.config.cluster.hosts if not is_local(host.name)]
    return [*left, *(_elsewhere(plan, far, scratch, launcher) if far else ())]


def _elsewhere(plan: KVCachePlan, hosts: Sequence[str], scratch: Path, launcher: Launcher) -> list[str]:
    """The same on other hosts; there is nothing but the launcher to reach them by. One that cannot be reached keeps no other dirty."""

    def look(names: Sequence[str], deadline_seconds: float = _PART_SECONDS) -> dict[str, list[str]]:
        said = _look(plan, names, scratch, launcher, deadline_seconds)  # each line begins with the name of its host
        return {name: said if name == names[0] else [] for name in names}

    try:
        found: Mapping[str, list[str] | MLPStorageError] = look(hosts, _DEADLINE_SECONDS)
    except MLPStorageError as failure:
        found = ask_apart(hosts, failure, look) if len(hosts) > 1 else {hosts[0]: failure}
    lines = []
    for name, said in found.items():
        if isinstance(said, MLPStorageError):
            lines.append(f"{plan.cache_dir} on {name} may hold files of ranks that were killed: {cause_of(said)}")
        else:
            lines += said
    return lines


def _look(plan: KVCachePlan, names: Sequence[str], scratch: Path, launcher: Launcher, deadline_seconds: float) -> list[str]:
    """What the hosts of one launch say of what stays there; raises MPIError or BenchmarkExecutionError where not all of them could look."""
    said = scratch / f"leftovers-{secrets.token_hex(4)}"
    job = Job(
        ranks=len(names),
        program=("-m", "pytest_mlpstorage.kvcache.leftovers", str(plan.cache_dir), str(plan.ranks)),
        hosts=tuple(Host(name, 1) for name in names),
        cwd=scratch,
        mpi_args=plan.config.launch.mpi_args,
    )
    out, err = said.with_suffix(".out"), said.with_suffix(".err")
    require_success(run_job(launcher, job, stdout=out, stderr=err, deadline_seconds=deadline_seconds))
    return out.read_text(encoding="utf-8", errors="replace")[:_LONGEST_OUTPUT].splitlines()
