"""A schedule played through without I/O, each request in full at its arrival, and what it makes as a trace of others (kvcache.md §5.3).

The order is that of a storage without any delay; under load requests overlap, and one may come before the turn that it follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.documents import Document
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.policy import Move, TierPolicy
from pytest_mlpstorage.kvcache.requests import DECODE_BATCH, ConversationBook, Reason, Request, operations
from pytest_mlpstorage.kvcache.work import Schedule

__all__ = ["Step", "StepKind", "official_trace", "played", "write_fio_iolog"]

StepKind = Literal["read", "write", "miss", "evict_read", "evict_write", "delete"]

_NANOSECONDS: Final = 10**9
_MILLISECOND_NS: Final = 10**6
_OFFICIAL_TIERS: Final = 3
_DECODES: Final = ("probe", "decode", "miss")
_MOVED: Final = {"read": "Read", "write": "Write", "evict_read": "Read", "evict_write": "Write"}


@dataclasses.dataclass(frozen=True)
class Step:
    """One operation on one tier; a miss has neither bytes nor tier."""

    request: int
    kind: StepKind
    entry: int
    bytes: int
    tier: int | None
    reason: Reason | Literal["eviction"]


def played(
    schedule: Schedule,
    model: KVModel,
    policy: TierPolicy,
    *,
    decode_batch: int = DECODE_BATCH,
    max_conversations: int = 1000,
    documents: Sequence[Document] = (),
    top_k: int = 5,
    distribution: Literal["zipfian", "uniform", "random"] = "zipfian",
) -> Iterator[Step]:
    """Every step of the schedule in the order of arrival. The policy is used up by it."""
    book = ConversationBook(max_conversations)
    retrievals = {row["request"].item(): row for row in schedule.retrievals} if documents else {}
    for entry in range(schedule.preloaded_entries):
        policy.place(entry, model.entry_bytes(schedule.preloaded_tokens))
    for place in range(len(schedule)):
        request = Request.of(schedule, place)
        book.arrived(request.conversation)
        chunks: list[tuple[int, int]] = []
        if place in retrievals:
            row = retrievals[place]
            document = documents[row["document"].item() % len(documents)]
            chunks = [(chunk.entry, chunk.tokens) for chunk in document.retrieved(row["draw"].item(), top_k, distribution)]
        asked = operations(
            request,
            policy.held_bytes,
            model.entry_bytes,
            remembered=book.remembers(request.conversation),
            documents=chunks,
            decode_batch=decode_batch,
        )
        for operation in asked:
            if operation.kind == "write":
                for move in policy.place(operation.entry, operation.bytes):
                    yield from _steps(place, move, operation.reason)
                continue
            tier = policy.lookup(operation.entry)
            policy.touch(operation.entry)
            yield Step(place, operation.kind, operation.entry, operation.bytes, tier, operation.reason)


def _steps(request: int, move: Move, reason: Reason) -> Iterator[Step]:
    if move.kind == "write":
        yield Step(request, "write", move.entry, move.bytes, move.to_tier, reason)
    elif move.kind == "delete":
        yield Step(request, "delete", move.entry, move.bytes, move.from_tier, "eviction")
    else:
        yield Step(request, "evict_read", move.entry, move.bytes, move.from_tier, "eviction")
        yield Step(request, "evict_write", move.entry, move.bytes, move.to_tier, "eviction")


def official_trace(schedule: Schedule, model: KVModel, policy: TierPolicy, **how: Any) -> Iterator[str]:
    """Lines of the CSV that ``--io-trace-log`` of the official tool writes; its tiers are GPU, CPU, storage. ``how`` as of ``played``."""
    if len(policy.limits) != _OFFICIAL_TIERS:
        raise ConfigurationError("the official trace knows three tiers", details={"tiers": len(policy.limits)}, code="MLPS-E115")
    yield "Timestamp,Operation,Object_Size_Bytes,Tier,Key,Phase\n"
    for step in played(schedule, model, policy, **how):
        if step.kind not in _MOVED:
            continue
        phase = "Evict" if step.reason == "eviction" else "Decode" if step.reason in _DECODES else "Prefill"
        seconds = schedule.requests["t_arrival_ns"][step.request].item() / _NANOSECONDS
        yield f"{seconds:.6f},{_MOVED[step.kind]},{step.bytes},Tier-{step.tier},entry_{step.entry},{phase}\n"


def write_fio_iolog(path: Path, schedule: Schedule, model: KVModel, policy: TierPolicy, *, block_bytes: int = 2**20, **how: Any) -> None:
    """Write what reaches the last tier as a log that ``fio --read_iolog`` replays: one file an entry, a sync after each write.

    Fio deletes no file, so a deleted entry is closed, and opened anew where it comes back.
    """
    last = len(policy.limits) - 1
    added: set[int] = set()
    opened: set[int] = set()
    with path.open("w", encoding="ascii") as log:
        log.write("fio version 3 iolog\n")
        for step in played(schedule, model, policy, **how):
            if step.tier != last:
                continue
            head = f"{schedule.requests['t_arrival_ns'][step.request].item() // _MILLISECOND_NS} entry_{step.entry}"
            if step.kind == "delete":
                log.write(f"{head} close\n")
                opened.discard(step.entry)
                continue
            if step.entry not in opened:
                # Fio takes a file that is added twice for two.
                log.write(f"{head} open\n" if step.entry in added else f"{head} add\n{head} open\n")
                added.add(step.entry)
                opened.add(step.entry)
            writes = step.kind in ("write", "evict_write")
            for start in range(0, step.bytes, block_bytes):
                log.write(f"{head} {'write' if writes else 'read'} {start} {min(block_bytes, step.bytes - start)}\n")
            if writes:
                log.write(f"{head} sync\n")
        end = schedule.requests["t_arrival_ns"][-1].item() // _MILLISECOND_NS if len(schedule) else 0
        for entry in sorted(opened):
            log.write(f"{end} entry_{entry} close\n")
