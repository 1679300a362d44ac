"""One key of the blocks of several ranks, and what it means for all of them that it is null in one.

A null is one of two things. Nothing came about: the memory of a rank took all of its entries, so that its storage moved no byte. Such a
rank adds nothing to a sum and has no part in a maximum. Or nobody knows: there is no counter, or the file was damaged. Then nobody
knows it of all ranks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

from pytest_mlpstorage.kvcache.aggregate import RankFigures
from pytest_mlpstorage.kvcache.rank_block import NOTHING_READ, NULL_REASONS
from pytest_mlpstorage.results.coerce import number

__all__ = ["Told", "moved_nothing", "numbers", "told"]

_NULL_IS_NOTHING: Final = frozenset(
    {
        "storage_read_bandwidth_window_gibps",
        "storage_write_bandwidth_window_gibps",
        "tokens_in_window_per_s",
        "read_gib",
        "write_gib",
        "eviction_read_gib",
        "eviction_write_gib",
        "client_cpu_seconds_per_gib",
        "reuse_distance_histogram",
    }
)
"""Keys that are null, with a reason, only where there was nothing to count."""

_MOST: Final = 2**62
"""No value of ours is greater; one that is stands in a file that somebody changed, and its sums and means need not be any number."""

_REASONS_TOLD: Final = 3


@dataclasses.dataclass(frozen=True)
class Told:
    """What the ranks tell of a key: ``values`` of those that have one, why others have none, and which do not say why."""

    values: tuple[object, ...]
    nothing: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def why_none(self) -> str:
        """Why there is no value of all of them."""
        reasons = list(dict.fromkeys(self.unknown or self.nothing))
        more = f" and {len(reasons) - _REASONS_TOLD} more" if len(reasons) > _REASONS_TOLD else ""
        return "; ".join(reasons[:_REASONS_TOLD]) + more or "not every rank has it"

    def numbers(self) -> list[float] | None:
        """All values as numbers; None where one is unknown or no number, or there is none."""
        return None if self.unknown else numbers(self.values)

    def sum(self) -> float | None:
        """All values added up."""
        known = self.numbers()
        return None if known is None else sum(known)

    def most(self) -> float | None:
        """The greatest value."""
        known = self.numbers()
        return None if known is None else max(known)


def told(ranks: Sequence[RankFigures], key: str) -> Told:
    """Ask every rank for a key."""
    values, nothing, unknown = [], [], []
    for rank in ranks:
        value, reason = rank.block.get(key), _reason(rank, key)
        name = rank.result.name
        if value is not None:
            values.append(value)
        elif reason and (key in _NULL_IS_NOTHING or reason == NOTHING_READ):
            nothing.append(reason)
        else:
            unknown.append(reason or f"rank {name.rank} of trial {name.trial} does not tell it")
    return Told(tuple(values), tuple(nothing), tuple(unknown))


def moved_nothing(rank: RankFigures) -> bool:
    """Whether a rank says that its storage moved no byte in the whole pass: it then says nothing of the storage either."""
    return all(rank.block.get(key) is None and _reason(rank, key) for key in ("read_gib", "write_gib"))


def numbers(values: Iterable[object]) -> list[float] | None:
    """All of them as numbers, whole ones exactly; None where one is none or beyond all of ours, or there is none at all."""
    parsed = [value if isinstance(value, int) and not isinstance(value, bool) else number(value) for value in values]
    known = [value for value in parsed if value is not None and abs(value) <= _MOST]
    return known if known and len(known) == len(parsed) else None


def _reason(rank: RankFigures, key: str) -> str:
    reasons = rank.block.get(NULL_REASONS)
    reason = reasons.get(key) if isinstance(reasons, dict) else None
    return reason if isinstance(reason, str) else ""
