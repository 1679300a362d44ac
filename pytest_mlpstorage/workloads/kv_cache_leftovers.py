"""Removing what killed clients left in the cache: here by this process, on other hosts by one process on each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
from pytest_mlpstorage.launch.job import Host, Job, is_local
from pytest_mlpstorage.launch.supervisor import run_job

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import Launcher
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["clean_up"]

_DEADLINE_SECONDS: Final = 300.0
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
    """The same on other hosts; there is nothing but the launcher to reach them by."""
    said = scratch / f"leftovers-{secrets.token_hex(4)}"
    job = Job(
        ranks=len(hosts),
        program=("-m", "pytest_mlpstorage.kvcache.leftovers", str(plan.cache_dir), str(plan.ranks)),
        hosts=tuple(Host(name, 1) for name in hosts),
        cwd=scratch,
        mpi_args=plan.config.launch.mpi_args,
    )
    outcome = run_job(launcher, job, stdout=said.with_suffix(".out"), stderr=said.with_suffix(".err"), deadline_seconds=_DEADLINE_SECONDS)
    lines = said.with_suffix(".out").read_text(encoding="utf-8", errors="replace")[:_LONGEST_OUTPUT].splitlines()
    if outcome.returncode != 0 and not lines:
        lines = [f"{plan.cache_dir} on {', '.join(hosts)} may hold files of ranks that were killed: {outcome.cause or 'nobody could look'}"]
    return lines
