"""Service classes as the official tool judges them: end-to-end latencies of each class against its target (kvcache.md §1.6)."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_MILLISECOND, Events
from pytest_mlpstorage.kvcache.histogram import percentile
from pytest_mlpstorage.kvcache.population import QOS

__all__ = ["MET_SHARE", "TARGETS", "QoSTarget", "qos_metrics", "served_by_class"]


@dataclasses.dataclass(frozen=True)
class QoSTarget:
    """Limits of a class in milliseconds. The official tool checks the first alone."""

    p95_ms: float
    p99_ms: float
    p999_ms: float
    p9999_ms: float


TARGETS: Final = (QoSTarget(50, 100, 150, 200), QoSTarget(100, 200, 350, 500), QoSTarget(1000, 5000, 7500, 10000))
"""Targets in the order of ``population.QOS``."""

MET_SHARE: Final = 0.95
"""Share of the requests of a class that must be below its target."""


def qos_metrics(requests: Events, targets: tuple[QoSTarget, ...] = TARGETS) -> dict[str, dict[str, Any]]:
    """``qos_metrics`` of requests that have ended, by class; a class of which none has says that there is no data."""
    return {name: _one_class(requests[requests["qos"] == place], targets[place].p95_ms) for place, name in enumerate(QOS)}


def _one_class(requests: Events, target_ms: float) -> dict[str, Any]:
    if not len(requests):
        return {"no_data": True}
    taken = requests["t_done"] - requests["t_intended"]
    ms = {f"p{point}": percentile(taken, point) / NANOSECONDS_PER_MILLISECOND for point in (50, 95, 99)}
    compliance = float(np.mean(taken <= target_ms * NANOSECONDS_PER_MILLISECOND))
    return {
        "total_requests": len(requests),
        "latency_ms": {
            "mean": float(np.mean(taken)) / NANOSECONDS_PER_MILLISECOND,
            **ms,
            "max": float(np.max(taken)) / NANOSECONDS_PER_MILLISECOND,
        },
        "sla": {"target_p95_ms": target_ms, "actual_p95_ms": ms["p95"], "compliance": compliance, "met": compliance >= MET_SHARE},
    }


def served_by_class(requests: Events) -> dict[str, int]:
    """How many of these requests were of each class: here 0 is a measurement."""
    return {name: int(np.count_nonzero(requests["qos"] == place)) for place, name in enumerate(QOS)}
