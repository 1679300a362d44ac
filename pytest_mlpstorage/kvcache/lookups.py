"""What one request looks up: an entry that is found stays as it is until it is read or the next one is looked up."""

from __future__ import annotations

from types import TracebackType

from pytest_mlpstorage.kvcache.tiers import Found, Tiers

__all__ = ["Lookups"]


class Lookups:
    """The lookups of one request. What one finds keeps its turn until it is read or the next one is looked up."""

    def __init__(self, tiers: Tiers) -> None:
        self._tiers = tiers
        self._found: Found | None = None

    def held_bytes(self, entry: int) -> int | None:
        """Look an entry up; its bytes, None where it is not held."""
        self._leave()
        self._found = self._tiers.find(entry)
        return None if self._found is None else self._found.bytes

    def take(self) -> Found | None:
        """What the last lookup found, for reading; None where it found nothing."""
        found, self._found = self._found, None
        return found

    def _leave(self) -> None:
        if (found := self.take()) is not None:
            self._tiers.leave(found)

    def __enter__(self) -> Lookups:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()
