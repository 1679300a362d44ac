"""What is known of a pass of the KV cache before it is launched: its times, its memory and its room, and no rate."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.workloads.foreseen import Foreseen, Space
from pytest_mlpstorage.workloads.kv_cache_sizing import asked_dir

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["foreseen_pass", "free_for", "space_bytes", "usable_bytes"]

_USED_SHARE: Final = (95, 100)
"""Share of the free bytes of a filesystem that its clients fill together before they remove entries (kvcache.md §1.5)."""


def usable_bytes(free_bytes: int) -> int:
    """Bytes that the clients of a filesystem use together of so many that are free."""
    return free_bytes * _USED_SHARE[0] // _USED_SHARE[1]


def free_for(used_bytes: int) -> int:
    """Bytes that must be free for so many to be usable."""
    return -(-used_bytes * _USED_SHARE[1] // _USED_SHARE[0])


def space_bytes(plan: KVCachePlan) -> int | None:
    """Bytes that must be free for what the clients of one storage keep; None where they take what they find."""
    return None if plan.capacity_bytes is None else free_for(plan.capacity_bytes * plan.sharers)


def foreseen_pass(plan: KVCachePlan, step: Step) -> Foreseen:
    """A pass moves what the storage completes in its window, which is what is measured; all the rest of it is known."""
    option, clients = plan.option(step), plan.section.clients_per_host
    least, drain, memory = plan.planned_seconds(step), option.drain_seconds, plan.rank_memory_bytes(option)
    moved = f"as much as this storage completes in {option.duration_seconds:g} s"
    room = Space(asked_dir(plan.section, plan.config), f"kvcache:{plan.case.id}", space_bytes(plan))
    if room.needed_bytes is None:
        entries = max(option.largest_entry_bytes for option in plan.options) * plan.sharers
        room = dataclasses.replace(room, why=f"up to {_USED_SHARE[0]} % of what is free", least_bytes=free_for(entries))
    return Foreseen(
        None,
        None,
        least,
        least + drain,
        rank_memory_bytes=memory,
        host_memory_bytes=memory * clients,
        ranks=plan.ranks,
        space=room,
        because={
            "writes": moved,
            "reads": moved,
            "takes": f"{least:g} s of idle times and window are the least; up to {drain:g} s for its last requests, and the start",
        },
    )
