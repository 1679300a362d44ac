"""A fixed work list at work: its rows are done by many threads, each row when those that it waits for are done (kvcache.md §5.4, §5.5)."""

from __future__ import annotations

import threading
from typing import Any, Final

from pytest_mlpstorage.kvcache.events import Kind, Reason, Tier
from pytest_mlpstorage.kvcache.policy import Move, MoveKind
from pytest_mlpstorage.kvcache.tiers import Asker, PassOverError, Tiers
from pytest_mlpstorage.kvcache.work_list import WorkList

__all__ = ["Gate", "ListedTiers"]

_ANY_DECISION: Final = 0
"""The compiler has decided all; who finds room in the memory tier takes it. Chunks are of one size, and each store has made room for
itself before it asks, so that all of them together never wait for more than there is."""


class Gate:
    """Which rows are done, and who waits for them. Rows wait for earlier ones only, and requests are begun in order: nobody for ever."""

    def __init__(self, waits: list[tuple[int, ...]]) -> None:
        self._waits = waits
        self._done = bytearray(len(waits))
        self._changed = threading.Condition()
        self._asleep = 0
        self._over = False

    def _open(self, row: int) -> bool:
        done = self._done
        return all(done[before] for before in self._waits[row])

    def wait(self, row: int) -> bool:
        """Wait until the row may be done; False when the pass is over."""
        if self._open(row):
            return not self._over
        with self._changed:
            self._asleep += 1
            while not (self._over or self._open(row)):
                self._changed.wait()
            self._asleep -= 1
            return not self._over

    def done(self, row: int) -> None:
        """Tell that the row is done."""
        self._done[row] = 1
        # Whoever is about to sleep has counted itself before it looked, so one of the two sees the other.
        if self._asleep:
            with self._changed:
                self._changed.notify_all()

    def end(self) -> None:
        """Nobody shall wait any longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


class ListedTiers(Tiers):
    """The tiers of a closed loop: what happens to which chunk is known beforehand, and only when it happens is not."""

    def __init__(self, work: WorkList, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._rows: list[tuple[int, int, int, int, int, int, int]] = work.operations.tolist()
        self._gate = Gate(work.waits())

    def end(self) -> None:
        """Let nobody wait for another row, nor for memory."""
        super().end()
        self._gate.end()

    def do(self, asker: Asker, rows: range) -> None:
        """Do the rows of a request one by one. PassOverError where the pass ended before."""
        for row in rows:
            asked = self.now()
            if not self._gate.wait(row) or self._stop.now:
                raise PassOverError
            self._do(asker, row, asked)
            self._gate.done(row)

    def _do(self, asker: Asker, row: int, asked: int) -> None:
        _request, kind, reason, tier, entry, size, _depends_on = self._rows[row]
        if kind == Kind.READ:
            self._load(asker, entry, size, tier, Reason(reason), asked)
        elif kind == Kind.WRITE:
            self._take_room(tier, size)
            self._step(asker, Move("write", entry, size, None, tier), _ANY_DECISION, Reason(reason), asked)
        elif kind == Kind.EVICT_WRITE:
            # With the row before it, which reads: a chunk is copied down piece by piece.
            self._take_room(tier, size)
            self._step(asker, Move("demote", entry, size, self._rows[row - 1][3], tier), _ANY_DECISION, Reason(reason), asked)
        elif kind == Kind.DELETE:
            kind_of_move: MoveKind = "promote" if reason == Reason.PREFIX else "delete"
            self._step(asker, Move(kind_of_move, entry, size, tier, None), _ANY_DECISION, Reason(reason), asked)

    def _take_room(self, tier: int, size: int) -> None:
        if tier == Tier.CPU:
            self._room.expect(_ANY_DECISION, size)

    def _load(self, asker: Asker, entry: int, size: int, tier: int, reason: Reason, asked: int) -> None:
        asker.hits += 1
        started = self.now()
        times = self._targets[tier].read_object(entry, size, pass_no=self._pass_no)
        self._account(asker, Kind.READ, entry, tier, reason, size, asked, started, times)
        asker.decode_ns += times.host_ns + times.device_ns
        asker.storage_ns += times.host_ns + times.device_ns
