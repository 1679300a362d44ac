"""What edition 2.0 takes a host to write of one checkpoint, and what its page cache held: pure arithmetic (rules.md §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from pytest_mlpstorage.editions.families import CheckpointModel
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.records import Summary
from pytest_mlpstorage.units import GIB, KIB

__all__ = ["cached_gib", "host_share_gib", "least_share_gib", "ranks_of_host"]

_SHARDED: Final = 3
"""The ZeRO stage at which every rank writes its part of model and optimizer; below it the first copy alone writes the model."""


def ranks_of_host(ranks: int, hosts: int, host: int) -> int:
    """How many of the first ``ranks`` ranks run on a host, when rank after rank goes to the next host."""
    return max(0, -(-(ranks - host) // hosts))


def host_share_gib(model: CheckpointModel, *, processes: int, hosts: int, host: int) -> Fraction:
    """What a host writes of one checkpoint by the tool's constants, exact. They are called GB and are GiB (conflict C-10)."""
    ranks = ranks_of_host(processes, hosts, host)
    if value_at(model.parameters, "model.parallelism.zero_stage") == _SHARDED:
        return Fraction((model.tool_model_gb + model.tool_optimizer_gb) * ranks, processes)
    copy = int(value_at(model.parameters, "model.parallelism.tensor")) * int(value_at(model.parameters, "model.parallelism.pipeline"))
    writers = ranks_of_host(min(copy, processes), hosts, host)
    return Fraction(model.tool_optimizer_gb * ranks, processes) + Fraction(model.tool_model_gb * writers, copy)


def least_share_gib(model: CheckpointModel, *, processes: int, hosts: int) -> Fraction:
    """What the host writes that writes least: the last one that has a rank."""
    return host_share_gib(model, processes=processes, hosts=hosts, host=min(processes, hosts) - 1)


def cached_gib(summary: Summary) -> float | None:
    """Page cache of rank 0's host as the emulator recorded it, in GiB; None where the summary does not say it."""
    information = summary.raw.get("host_meminfo")
    value = information.get("Cached") if isinstance(information, Mapping) else None
    kib = number(value.strip().removesuffix("kB") if isinstance(value, str) else value)
    return None if kib is None else kib * KIB / GIB
