"""Which tier holds an entry, and what must move so that another one fits (kvcache.md §1.5): a state machine without I/O.

The fastest tier is 0; the last is the storage, which never refuses. The book leaves open what these lines decide:

* In each round it is asked first whether the entry fits under the target, then whether the tier is nearly empty, then whether evicting
  would help at all; only then a victim goes. What has moved before a refusal stays moved.
* A tier that cannot hand its victim to the next tier refuses. A tier of 0 bytes is no tier: a victim passes it over.
* A victim keeps its last access where it sinks to.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["EvictionLimits", "Move", "MoveKind", "Order", "TierPolicy"]

MoveKind = Literal["demote", "delete", "write", "promote"]
Order = Literal["lru", "fifo"]

_NEARLY_EMPTY: Final = Fraction(5, 100)
_MOSTLY_EMPTY: Final = Fraction(20, 100)
_LARGE_PART: Final = Fraction(50, 100)
_EVICTIONS_OVER_ENTRIES: Final = 100


@dataclasses.dataclass(frozen=True)
class Move:
    """One step, in its place: ``demote`` reads from a tier and writes to another, ``delete`` frees, ``write`` stores the new entry.

    A write comes from no tier and a deleted entry goes to none; both are None. A ``promote`` is two steps: the first takes the entry,
    which was read right before, from its tier (it goes to none), the second puts it into a faster one (it comes from none).
    """

    kind: MoveKind
    entry: int
    bytes: int
    from_tier: int | None
    to_tier: int | None


@dataclasses.dataclass(frozen=True)
class EvictionLimits:
    """Limits of an eviction as the official configuration file names them. Ratios are shares of a tier's limit."""

    max_recursion_depth: int = 10
    target_usage_ratio: float = 0.8
    large_entry_limit_ratio: float = 0.95
    max_evictions_hard_cap: int = 5000
    max_evictions_min: int = 1000

    def most_evictions(self, entries: int) -> int:
        """How many victims one call may take from a tier of so many entries."""
        return min(self.max_evictions_hard_cap, max(self.max_evictions_min, entries + _EVICTIONS_OVER_ENTRIES))


@dataclasses.dataclass(slots=True)
class _Held:
    bytes: int
    tier: int
    last_access: int


class _Tier:
    """Entries of one tier by last access. Those that were used here stand in a row; those that sank keep their age in a heap."""

    def __init__(self, limit: int, limits: EvictionLimits, *, last: bool) -> None:
        # The ratios are the decimals that were written: 0.95 of 1000 is 950, whatever the nearest binary number is.
        target, large = Fraction(str(limits.target_usage_ratio)), Fraction(str(limits.large_entry_limit_ratio))
        self.limit, self.last = limit, last
        self.target = limit if last else int(target * limit)
        self.large = int(large * limit)
        self.half_target = int(_LARGE_PART * target * limit)
        self.usage = 0
        self.used: OrderedDict[int, _Held] = OrderedDict()
        self.sunk: dict[int, _Held] = {}
        self._ages: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self.used) + len(self.sunk)

    def under(self, share: Fraction) -> bool:
        """Whether less than that share of the limit is used."""
        return self.usage * share.denominator < share.numerator * self.limit

    def add(self, entry: int, held: _Held, *, sinks: bool = False) -> None:
        self.usage += held.bytes
        if sinks:
            self.sunk[entry] = held
            heapq.heappush(self._ages, (held.last_access, entry))
        else:
            self.used[entry] = held

    def remove(self, entry: int) -> _Held:
        held = self.used.pop(entry) if entry in self.used else self.sunk.pop(entry)
        self.usage -= held.bytes
        return held

    def touch(self, entry: int) -> None:
        if entry in self.used:
            self.used.move_to_end(entry)
        else:
            self.used[entry] = self.sunk.pop(entry)

    def oldest(self) -> int | None:
        """The entry that was used longest ago."""
        while self._ages:
            age, entry = self._ages[0]
            held = self.sunk.get(entry)
            if held is not None and held.last_access == age:
                break
            heapq.heappop(self._ages)
        used = next(iter(self.used), None)
        if not self._ages:
            return used
        return self._ages[0][1] if used is None or self._ages[0][0] < self.used[used].last_access else used


class TierPolicy:
    """The tiers of one rank. ``limits`` are bytes, the storage last. Not safe for threads: the caller holds one lock around each call.

    Victims go by their last use (``lru``), or by when they came to their tier (``fifo``), whatever was read of them since.
    """

    def __init__(self, limits: Sequence[int], *, eviction: EvictionLimits | None = None, order: Order = "lru") -> None:
        if not limits or min(limits) < 0 or limits[-1] <= 0:
            raise ConfigurationError(
                f"tiers of {list(limits)} bytes cannot hold entries",
                details={"allowed": "0 bytes and more, the last tier at least 1"},
                code="MLPS-E115",
            )
        self.limits = tuple(limits)
        self._eviction = eviction or EvictionLimits()
        self._by_use = order == "lru"
        self._tiers = [_Tier(limit, self._eviction, last=place == len(limits) - 1) for place, limit in enumerate(limits)]
        self._entries: dict[int, _Held] = {}
        self._clock = itertools.count()
        self.writes = self.demotions = self.deletions = self.promotions = 0
        self.written_bytes = self.demoted_bytes = self.deleted_bytes = 0

    def __contains__(self, entry: int) -> bool:
        return entry in self._entries

    def lookup(self, entry: int) -> int | None:
        """Tier of that entry, None where it is not held; its age stays as it is."""
        held = self._entries.get(entry)
        return None if held is None else held.tier

    def held_bytes(self, entry: int) -> int | None:
        """Bytes of that entry, None where it is not held; its age stays as it is."""
        held = self._entries.get(entry)
        return None if held is None else held.bytes

    def usage(self, tier: int) -> int:
        """Bytes that the tier holds."""
        return self._tiers[tier].usage

    def entries(self, tier: int) -> int:
        """Entries that the tier holds."""
        return len(self._tiers[tier])

    def touch(self, entry: int) -> None:
        """Note that the entry was read. It stays in its tier; one that is not held is none of ours."""
        held = self._entries.get(entry)
        if held is not None and self._by_use:
            self._tiers[held.tier].touch(entry)
            held.last_access = next(self._clock)

    def place(self, entry: int, size: int) -> list[Move]:
        """Steps that store a new entry of so many bytes in the first tier that can make room; none where it is held already."""
        if size <= 0:
            raise ValueError(f"an entry of {size} bytes")
        if entry in self._entries:
            return []
        moves: list[Move] = []
        tier = next(number for number in range(len(self._tiers)) if self._make_room(number, size, 0, moves))
        held = self._entries[entry] = _Held(size, tier, next(self._clock))
        self._tiers[tier].add(entry, held)
        self.writes += 1
        self.written_bytes += size
        moves.append(Move("write", entry, size, None, tier))
        return moves

    def promote(self, entry: int) -> list[Move]:
        """Steps that bring an entry, which was just read, to the fastest tier that makes room for it; none where it stays."""
        held = self._entries.get(entry)
        if held is None:
            return []
        faster = [place for place in range(held.tier) if self._tiers[place].limit and held.bytes <= self._tiers[place].large]
        if not faster:
            return []
        # Out of its tier first: nothing that makes room may meet it, and a victim may take its place.
        origin, held.tier = held.tier, -1
        self._tiers[origin].remove(entry)
        moves = [Move("promote", entry, held.bytes, origin, None)]
        # Where none makes room in the end, what has moved stays moved, and the entry comes back as the last one of its tier.
        held.tier = next((place for place in faster if self._make_room(place, held.bytes, 0, moves)), origin)
        held.last_access = next(self._clock)
        self._tiers[held.tier].add(entry, held)
        self.promotions += held.tier != origin
        return [] if len(moves) == 1 and held.tier == origin else [*moves, Move("promote", entry, held.bytes, None, held.tier)]

    def drop(self, entry: int) -> Move | None:
        """Forget an entry, as after a failed write; None where it is not held."""
        held = self._entries.get(entry)
        return None if held is None else self._delete(entry, held.tier)

    def _make_room(self, number: int, size: int, depth: int, moves: list[Move]) -> bool:
        """Whether so many bytes may now be added to the tier, after the moves appended."""
        tier = self._tiers[number]
        if depth > self._eviction.max_recursion_depth or not tier.limit or (not tier.last and size > tier.large):
            return False
        for _ in range(self._eviction.most_evictions(len(tier))):
            if tier.usage + size <= tier.target or tier.under(_NEARLY_EMPTY):
                return True
            if not tier.last and tier.under(_MOSTLY_EMPTY) and size > tier.half_target:
                return False
            victim = tier.oldest()
            # No entry is left: only the last tier gets here, with an entry larger than itself.
            if victim is None or not self._evict(victim, number, depth, moves):
                break
        return tier.last or tier.usage + size <= tier.target

    def _evict(self, victim: int, number: int, depth: int, moves: list[Move]) -> bool:
        if self._tiers[number].last:
            moves.append(self._delete(victim, number))
            return True
        below = next(place for place in range(number + 1, len(self._tiers)) if self._tiers[place].limit)
        size = self._entries[victim].bytes
        if not self._make_room(below, size, depth + 1, moves):
            return False
        held = self._tiers[number].remove(victim)
        held.tier = below
        # Of one that goes by its place in the row the age is when it came here.
        self._tiers[below].add(victim, held, sinks=self._by_use)
        self.demotions += 1
        self.demoted_bytes += size
        moves.append(Move("demote", victim, size, number, below))
        return True

    def _delete(self, entry: int, number: int) -> Move:
        held = self._tiers[number].remove(entry)
        del self._entries[entry]
        self.deletions += 1
        self.deleted_bytes += held.bytes
        return Move("delete", entry, held.bytes, number, None)
