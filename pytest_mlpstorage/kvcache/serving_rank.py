"""What a rank of profile ``serving`` or ``replay`` does otherwise: its runner, and the window in which the load was what it was to be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND, EventLog
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.runner import FloodOutcome, Pace
from pytest_mlpstorage.kvcache.serving_job import ServingJob
from pytest_mlpstorage.kvcache.serving_runner import ClosedRunner, OpenRunner
from pytest_mlpstorage.kvcache.serving_tiers import ListedTiers
from pytest_mlpstorage.kvcache.tiers import StorageTarget, Tiers
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.kvcache.work_list import work_list

__all__ = ["serving_runner", "steady_window"]


def serving_runner(
    serving: ServingJob,
    schedule: Schedule,
    model: KVModel,
    policy: TierPolicy,
    storage: StorageTarget,
    operations: EventLog,
    kept: Mapping[str, Any],
    requests: EventLog,
    pace: Pace,
    account: WindowAccount,
    **more: Any,
) -> OpenRunner | ClosedRunner:
    """The runner of this load. In a closed loop the cache is played through before anything is timed."""
    chunk_bytes = model.entry_bytes(schedule.chunk_tokens)
    if serving.load == "open":
        tiers = Tiers(policy, storage, operations, **kept)
        return OpenRunner(schedule, model, tiers, requests, pace, chunk_bytes=chunk_bytes, promotion=serving.promotion, **more)
    work = work_list(schedule, policy, chunk_bytes, promotion=serving.promotion)
    listed = ListedTiers(work, policy, storage, operations, **kept)
    return ClosedRunner(schedule, model, listed, requests, pace, work=work, begun=account.fade, **more)


def steady_window(account: WindowAccount, outcome: FloodOutcome, steady_ns: Sequence[int]) -> FloodOutcome:
    """Cut the window to the whole seconds in which every rank had as many requests outstanding as it was to have."""
    least = min(steady_ns)
    if least >= account.window_ns:
        return outcome
    seconds = least // NANOSECONDS_PER_SECOND
    if seconds < 1:
        raise BenchmarkExecutionError(
            "the list of requests was at its end before there was a second to measure",
            details={"last request begun, seconds after the warm-up": round(least / NANOSECONDS_PER_SECOND, 2)},
            suggestion="a larger kvcache.load.requests, or a shorter kvcache.warmup",
            code="MLPS-E541",
        )
    account.cut(seconds)
    return dataclasses.replace(outcome, window_ns=account.window_ns)
