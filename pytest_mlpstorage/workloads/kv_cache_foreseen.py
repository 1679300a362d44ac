"""What is known of a pass of the KV cache before it is launched: its times, its memory and its room, and no rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mlpstorage.workloads.foreseen import Foreseen, Space
from pytest_mlpstorage.workloads.kv_cache_sizing import asked_dir

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["foreseen_pass"]


def foreseen_pass(plan: KVCachePlan, step: Step) -> Foreseen:
    """A pass moves what the storage completes in its window, which is what is measured; all the rest of it is known."""
    option, clients = plan.option(step), plan.section.clients_per_host
    least, drain, memory = plan.planned_seconds(step), option.drain_seconds, plan.rank_memory_bytes(option)
    moved = f"as much as this storage completes in {option.duration_seconds:g} s"
    needed = None if plan.capacity_bytes is None else plan.capacity_bytes * plan.sharers
    fills = "" if needed is not None else "up to 95 % of what is free"
    return Foreseen(
        None,
        None,
        least,
        least + drain,
        rank_memory_bytes=memory,
        host_memory_bytes=memory * clients,
        ranks=plan.ranks,
        space=Space(asked_dir(plan.section, plan.config), f"kvcache:{plan.case.id}", needed, fills),
        because={
            "writes": moved,
            "reads": moved,
            "takes": f"{least:g} s of idle times and window are the least; up to {drain:g} s for its last requests, and the start",
        },
    )
