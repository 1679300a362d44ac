"""The fixed list of operations of a closed loop: the cache is played through while the work is compiled (kvcache.md §5.4, §5.5)."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from pytest_mlpstorage.kvcache.events import Kind, Reason
from pytest_mlpstorage.kvcache.policy import Move, TierPolicy
from pytest_mlpstorage.kvcache.work import OPERATION_DTYPE, Records, Schedule, schedule_sha256

__all__ = ["WorkList", "work_list"]

_NOTHING = -1


_STILL: Final = (Kind.READ,)
"""Operations that change nothing: any number of them may be under way at the same chunk."""


@dataclasses.dataclass(frozen=True, eq=False)
class WorkList:
    """Operations (``OPERATION_DTYPE``) in an order in which they can be done one by one.

    ``lookups`` chunks were asked for, ``hits`` of them were read. Operations of any two requests may overlap as long as each waits for the
    row that it depends on; a deletion and a demotion must also wait for the reads of their chunk that stand before them.
    """

    operations: Records
    hits: int
    lookups: int
    sha256: str

    def waits(self) -> list[tuple[int, ...]]:
        """For each row the rows that must be done before it: the one that it depends on, and what its chunk saw before."""
        found: list[tuple[int, ...]] = []
        changed: dict[int, int] = {}
        reads: dict[int, list[int]] = {}
        names = ("entry", "kind", "depends_on")
        for row, (chunk, kind, first) in enumerate(zip(*(self.operations[name].tolist() for name in names), strict=True)):
            before = {first, changed.get(chunk, _NOTHING)}
            if kind in _STILL:
                reads.setdefault(chunk, []).append(row)
            else:
                before.update(reads.pop(chunk, ()))
                changed[chunk] = row
            found.append(tuple(sorted(before - {_NOTHING})))
        return found

    def rows_of(self, requests: int) -> list[range]:
        """The rows of each of so many requests."""
        ends = self.operations["request"].searchsorted(range(requests), side="right").tolist()
        return [range(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


class _Rows:
    """Rows under construction, with what last happened to each chunk."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int, int, int, int]] = []
        self._stored: dict[int, int] = {}
        self._last: dict[int, int] = {}

    def _add(self, request: int, kind: Kind, reason: Reason, tier: int, chunk: int, size: int, depends_on: int) -> int:
        self.rows.append((request, kind, reason, tier, chunk, size, depends_on))
        self._last[chunk] = len(self.rows) - 1
        return len(self.rows) - 1

    def read(self, request: int, chunk: int, size: int, tier: int) -> None:
        self._add(request, Kind.READ, Reason.PREFIX, tier, chunk, size, self._stored[chunk])

    def move(self, request: int, move: Move, room: int) -> int:
        """Append the steps of a move; ``room`` is the row that made room for it. Returns the row that the next one waits for."""
        last = self._last.get(move.entry, _NOTHING)
        if move.to_tier is None and move.from_tier is not None:
            why = Reason.PREFIX if move.kind == "promote" else Reason.EVICTION
            return self._add(request, Kind.DELETE, why, move.from_tier, move.entry, move.bytes, last)
        if move.to_tier is None:
            raise AssertionError("a move without a deletion goes to a tier")
        if move.from_tier is not None:
            read = self._add(request, Kind.EVICT_READ, Reason.EVICTION, move.from_tier, move.entry, move.bytes, max(last, room))
            row = self._add(request, Kind.EVICT_WRITE, Reason.EVICTION, move.to_tier, move.entry, move.bytes, read)
        else:
            why = Reason.PREFIX if move.kind == "promote" else Reason.PREFILL
            row = self._add(request, Kind.WRITE, why, move.to_tier, move.entry, move.bytes, max(last, room))
        self._stored[move.entry] = row
        return row


def work_list(schedule: Schedule, policy: TierPolicy, chunk_bytes: int, *, promotion: bool = False) -> WorkList:
    """Load once, from the first token on, what is present; compute the rest and write what of it is absent.

    A chunk behind the first absent one must be computed anew even where it is present: it is not read, and being present not written.
    With ``promotion`` what was read goes to the fastest tier that makes room for it.
    """
    rows = _Rows()
    hits = 0
    for request in range(len(schedule)):
        loading = True
        for chunk in schedule.chunks_of(request).tolist():
            tier = policy.lookup(chunk)
            loading = loading and tier is not None
            if tier is None:
                room = _NOTHING
                for move in policy.place(chunk, chunk_bytes):
                    room = rows.move(request, move, room)
                continue
            policy.touch(chunk)
            if loading:
                rows.read(request, chunk, chunk_bytes, tier)
                hits += 1
                room = _NOTHING
                for move in policy.promote(chunk) if promotion else ():
                    room = rows.move(request, move, room)
    operations = np.array(rows.rows, OPERATION_DTYPE)
    identity = {"schedule": schedule.sha256, "tiers": list(policy.limits), "chunk_bytes": chunk_bytes}
    return WorkList(operations, hits, len(schedule.chunks), schedule_sha256(identity, operations))
