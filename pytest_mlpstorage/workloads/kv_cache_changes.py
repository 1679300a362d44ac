"""Which keys of a configuration make the work of ``mlc-v3`` another one than the edition's, so that its figures compare with none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Category, Finding, Severity
from pytest_mlpstorage.workloads.kv_cache_serving import OFFICIAL_WORK

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan, OptionPlan

__all__ = ["change_findings", "work_changes"]

_SANCTIONED_DURABILITY: Final = "fsync"


def work_changes(plan: KVCachePlan, option: OptionPlan) -> tuple[str, ...]:
    """Keys by which the work of an option is not the sanctioned one; nothing where it is.

    How bytes are moved (the size of a request, what is verified) may be fixed without making it another work (kvcache.md §5.2).
    """
    book, sequence, rules = plan.rules.option(option.number), plan.sequence, plan.rules
    pairs: dict[str, tuple[object, object]] = {
        "model": (option.model, book.model),
        "num_users": (option.users, book.users_per_client),
        "duration": (option.duration_seconds, book.duration_seconds),
        "gpu_mem": (option.gpu_bytes, book.gpu_memory_gb * GIB),
        "cpu_mem": (option.cpu_bytes, book.cpu_memory_gb * GIB),
        "max_concurrent_allocs": (option.allocations, book.max_concurrent_allocations),
        "generation_mode": (option.generation_mode, book.generation_mode),
        "seed": (sequence.seed, rules.seed),
        "trials": (sequence.trials, rules.trials),
        "start_delay": (sequence.start_delay_seconds, rules.start_delay_seconds),
        "end_delay": (sequence.end_delay_seconds, rules.end_delay_seconds),
        "inter_option_delay": (sequence.inter_option_delay_seconds, rules.inter_option_delay_seconds),
        "workload_config": (plan.workload_file, None),
        "capacity": (plan.capacity_bytes, None),
        "io.durability": (plan.section.io.durability, _SANCTIONED_DURABILITY),
        "io.compressible_fraction": (plan.section.io.compressible_fraction, 0.0),
    }
    return tuple(key for key, (mine, sanctioned) in pairs.items() if mine != sanctioned)


def change_findings(plan: KVCachePlan) -> Iterator[Finding]:
    """Each such key once, with the options that it changes: what is OPEN by it, and compares with no figure of the sanctioned work."""
    if plan.section.profile != OFFICIAL_WORK:
        return
    found: dict[str, list[int]] = {}
    for option in plan.options:
        for key in work_changes(plan, option):
            found.setdefault(key, []).append(option.number)
    for key, options in found.items():
        which = "every option" if len(options) == len(plan.options) else f"option {', '.join(map(str, options))}"
        yield Finding(
            f"{key} makes {which} another work than the edition's: OPEN, and to be compared with no figure of it",
            severity=Severity.INFO,
            category=Category.OPEN,
            field=f"kvcache.{key}",
            rule="MLPS-KVC-3",
        )
