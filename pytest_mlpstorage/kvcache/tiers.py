"""The cache of a rank at work: the policy decides under one lock, and its steps are done in the order of its decisions."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from pytest_mlpstorage.kvcache.events import LATE, NEVER, EventLog, Kind, Reason, Tier
from pytest_mlpstorage.kvcache.io import ObjectTimes, Stop, Target
from pytest_mlpstorage.kvcache.io_memory import MemoryTarget
from pytest_mlpstorage.kvcache.io_threads import Fill
from pytest_mlpstorage.kvcache.policy import Move, TierPolicy
from pytest_mlpstorage.kvcache.trust import Moved
from pytest_mlpstorage.kvcache.turns import MemoryRoom, Turn, Turns

__all__ = ["Asker", "Found", "Load", "PassOverError", "StorageTarget", "Tiers"]


class StorageTarget(Target, Protocol):
    """A target that takes what another tier held."""

    def write_object(self, entry: int, bytes: int, *, pass_no: int, fill: Fill | None = None) -> ObjectTimes:
        """Store an entry whole; ``fill`` brings what lies in another tier."""


class PassOverError(Exception):
    """The pass ended, so that an operation was not begun or not brought to an end."""


@dataclasses.dataclass
class Load:
    """What one thread had its targets do; only that thread counts in it. ``content_ns`` went to content, ``calls_ns`` to calls."""

    content_ns: int = 0
    calls_ns: int = 0
    verified_bytes: int = 0
    read: int = 0
    """Bytes asked of storage, headers and padding included, as ``written``."""
    written: int = 0

    @property
    def moved(self) -> Moved:
        """Bytes asked of storage."""
        return Moved(self.read, self.written)

    def add(self, kind: Kind, times: ObjectTimes, tier: int) -> None:
        """Count an operation of any tier."""
        # Of a store the calls that write count as the host's. What a demotion copies out of the other tier is work, and no check.
        content = 0 if kind is Kind.EVICT_WRITE else times.client_ns
        self.content_ns += content
        self.calls_ns += times.device_ns + (0 if kind is Kind.READ else times.host_ns + times.client_ns - content)
        if tier == Tier.STORAGE:
            self.verified_bytes += times.verified_bytes
            if kind is Kind.READ:
                self.read += times.moved_bytes
            else:
                self.written += times.moved_bytes


@dataclasses.dataclass
class Asker:
    """The request that operations are for, and what they took of it; ``number`` None: of no request, and not logged."""

    load: Load
    number: int | None = None
    qos: int = 0
    phase: int = 0
    t_intended: int = NEVER
    storage_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
    hits: int = 0
    misses: int = 0
    turn_hits: int = 0
    turn_misses: int = 0


class Found(NamedTuple):
    """An entry that was looked up and may be read: nothing happens to it before that is done or given up."""

    entry: int
    bytes: int
    tier: int
    turn: Turn


class Tiers:
    """GPU, CPU and storage tier behind one policy, for all threads of a rank. ``start_ns`` is when the window begins.

    A write waits for its place among ``most_writes``, is then decided on, and waits for its turn at each entry that makes room
    and at its own; a lookup that finds an entry has its turn at once. So no operation meets a file that is not there yet or no
    longer.
    """

    def __init__(
        self,
        policy: TierPolicy,
        storage: StorageTarget,
        log: EventLog,
        *,
        memory: MemoryTarget | None = None,
        gpu: Target | None = None,
        stop: Stop,
        window_ns: int,
        pass_no: int = 0,
        most_writes: int = 0,
        durable: bool = True,
    ) -> None:
        self.start_ns = 0
        self._policy, self._log, self._stop = policy, log, stop
        self._targets: dict[int, Target] = {Tier.STORAGE: storage}
        self._storage, self._memory = storage, memory
        if memory is not None:
            self._targets[Tier.CPU] = memory
        if gpu is not None:
            self._targets[Tier.GPU] = gpu
        self._room = MemoryRoom(policy.limits[Tier.CPU])
        self._window_ns, self._pass_no, self._durable = window_ns, pass_no, durable
        self._most = threading.BoundedSemaphore(most_writes) if most_writes else contextlib.nullcontext()
        self._lock = threading.Lock()
        self._turns = Turns()
        self._decisions = 0

    def now(self) -> int:
        """Nanoseconds since the start of the window."""
        return time.perf_counter_ns() - self.start_ns

    def end(self) -> None:
        """Let nobody wait for memory any longer; the flag of the pass must be set before."""
        self._room.end()

    def find(self, entry: int) -> Found | None:
        """Look an entry up, and take a turn at it where it is held: it must be read, or left by ``leave``."""
        with self._lock:
            held = self._policy.held_bytes(entry)
            tier = self._policy.lookup(entry)
            if held is None or tier is None:
                return None
            return Found(entry, held, tier, self._turns.take(entry))

    def leave(self, found: Found) -> None:
        """Do not read what was looked up."""
        self._give(found.turn)

    def miss(self, asker: Asker, entry: int, reason: Reason) -> None:
        """Note a lookup that found nothing."""
        asker.misses += 1
        asker.turn_misses += reason is Reason.TURN
        when = self.now()
        self._note(asker, Kind.MISS, entry, Tier.STORAGE, reason, 0, t_queue=when, t_start=when, t_submit=when, t_complete=when)

    def read(self, asker: Asker, found: Found, reason: Reason) -> None:
        """Read an entry whole, and let its turn go. PassOverError where the pass ended before."""
        asked = self.now()
        with self._lock:
            self._policy.touch(found.entry)
        asker.hits += 1
        asker.turn_hits += reason is Reason.TURN
        with self._turn(found.turn):
            started = self.now()
            times = self._targets[found.tier].read_object(found.entry, found.bytes, pass_no=self._pass_no)
        self._account(asker, Kind.READ, found.entry, found.tier, reason, found.bytes, asked, started, times)
        asker.decode_ns += times.host_ns + times.device_ns
        asker.storage_ns += times.host_ns + times.device_ns

    def write(self, asker: Asker, entry: int, size: int, reason: Reason) -> None:
        """Store a new entry in the first tier that makes room; nothing is done where it is held. PassOverError as ``read``."""
        asked = self.now()
        with self._most:
            if self._stop.now:
                raise PassOverError
            self._carry_out(asker, lambda: self._policy.place(entry, size), reason, asked)

    def promote(self, asker: Asker, entry: int) -> None:
        """Bring an entry that was just read to the fastest tier that makes room for it. PassOverError as ``read``."""
        self._carry_out(asker, lambda: self._policy.promote(entry), Reason.PREFIX, self.now())

    def pass_by(self, found: Found) -> None:
        """Note the use of what was looked up, and do not read it."""
        with self._lock:
            self._policy.touch(found.entry)
        self.leave(found)

    def _carry_out(self, asker: Asker, moves: Callable[[], list[Move]], reason: Reason, asked: int) -> None:
        steps, number = self._decide(moves)
        try:
            while steps:
                move, turn = steps[0]
                self._wait(turn)
                self._step(asker, move, number, reason, asked)
                del steps[0]
                self._give(turn)
        finally:
            for _, turn in steps:
                self._give(turn)

    def _decide(self, moves: Callable[[], list[Move]]) -> tuple[list[tuple[Move, Turn]], int]:
        with self._lock:
            self._decisions += 1
            steps = [(move, self._turns.take(move.entry)) for move in moves()]
            for move, _ in steps:
                if move.to_tier == Tier.CPU:
                    self._room.expect(self._decisions, move.bytes)
            return steps, self._decisions

    def _step(self, asker: Asker, move: Move, number: int, reason: Reason, asked: int) -> None:
        if move.to_tier == Tier.CPU and not self._room.take(number, move.bytes):
            raise PassOverError
        started = self.now()
        if move.to_tier is None:
            self._remove(move)
            if move.kind == "promote":
                return
            ended = self.now()
            times = {"t_queue": asked, "t_start": started, "t_submit": started, "t_complete": ended, "host_ns": ended - started}
            self._note(asker, Kind.DELETE, move.entry, _tier(move), Reason.EVICTION, move.bytes, **times)
            return
        if move.from_tier is None:
            done = self._targets[move.to_tier].write_object(move.entry, move.bytes, pass_no=self._pass_no)
            asker.prefill_ns += done.host_ns + done.device_ns
            asker.storage_ns += done.host_ns + done.device_ns
            self._account(asker, Kind.WRITE, move.entry, move.to_tier, reason, move.bytes, asked, started, done)
            return
        self._demote(asker, move, move.to_tier, asked, started)

    def _demote(self, asker: Asker, move: Move, to_tier: int, asked: int, started: int) -> None:
        """Copy an entry down and free its place. Of the memory tier each stretch is copied out right before it is written.

        The reading part of that is known by its time alone, and stands in the log from the start on.
        """
        size = move.bytes
        if move.from_tier == Tier.CPU and self._memory is not None:
            # Below the memory tier there is none but storage.
            done = self._storage.write_object(move.entry, size, pass_no=self._pass_no, fill=self._memory.filler(move.entry, size))
            read_ns = done.client_ns
        else:
            copied = self._targets[_tier(move)].read_object(move.entry, size, pass_no=self._pass_no)
            read_ns = copied.t_complete_ns - copied.t_submit_ns
            done = self._targets[to_tier].write_object(move.entry, size, pass_no=self._pass_no)
        read = {"t_queue": asked, "t_start": started, "t_submit": started, "device_ns": read_ns}
        read["t_complete"] = NEVER if done.abandoned else started + read_ns
        self._note(asker, Kind.EVICT_READ, move.entry, _tier(move), Reason.EVICTION, size, **read)
        self._account(asker, Kind.EVICT_WRITE, move.entry, to_tier, Reason.EVICTION, size, asked, started, done)
        self._remove(move)

    def _remove(self, move: Move) -> None:
        self._targets[_tier(move)].delete(move.entry)
        if move.from_tier == Tier.CPU:
            self._room.give(move.bytes)

    @contextlib.contextmanager
    def _turn(self, turn: Turn) -> Iterator[None]:
        try:
            self._wait(turn)
            yield
        finally:
            self._give(turn)

    def _wait(self, turn: Turn) -> None:
        turn.wait()
        # Who was before may have given up, and then nothing is as it was decided.
        if self._stop.now:
            raise PassOverError

    def _give(self, turn: Turn) -> None:
        with self._lock:
            self._turns.give(turn)

    def _account(
        self, asker: Asker, kind: Kind, entry: int, tier: int, reason: Reason, size: int, asked: int, started: int, done: ObjectTimes
    ) -> None:
        """Log a whole operation, or one that was abandoned, which ends the request."""
        asker.load.add(kind, done, tier)
        ended = NEVER if done.abandoned else done.t_complete_ns - self.start_ns
        durable = ended if self._durable and kind is not Kind.READ and tier == Tier.STORAGE else NEVER
        self._note(
            asker, kind, entry, tier, reason, size, t_queue=asked, t_start=started, t_submit=done.t_submit_ns - self.start_ns,
            t_complete=ended, durable=durable, host_ns=done.host_ns, device_ns=done.device_ns,
        )  # fmt: skip
        if done.abandoned:
            raise PassOverError

    def _note(self, asker: Asker, kind: Kind, entry: int, tier: int, reason: Reason, size: int, **times: Any) -> None:
        if asker.number is None:
            return
        late = times["t_complete"] == NEVER or times["t_complete"] >= self._window_ns
        self._log.append(
            request=asker.number, entry=entry, kind=kind, tier=tier, qos=asker.qos, phase=asker.phase, reason=reason, bytes=size,
            t_intended=asker.t_intended, flags=LATE if late else 0, **times,
        )  # fmt: skip


def _tier(move: Move) -> int:
    if move.from_tier is None:
        raise AssertionError("a new entry comes from no tier")
    return move.from_tier
