"""What rules read of a leaf beyond its summary and metadata, kept for the next rule that asks about the same leaf."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pytest_mlpstorage.results.records import Leaf

__all__ = ["LeafMemory"]

Read = TypeVar("Read")


class LeafMemory(Generic[Read]):
    """Reads something of a leaf once and remembers it for the last ``kept`` leaves.

    The rules of one result are asked one after another, so a few are enough. A leaf is known by being the same record: a tree
    that is read anew has new ones, and what was remembered of the old ones is not given for them.
    """

    def __init__(self, read: Callable[[Leaf, Path], Read], *, kept: int) -> None:
        self._read = read
        self._kept = kept
        self._known: OrderedDict[int, tuple[Leaf, Read]] = OrderedDict()

    def of(self, leaf: Leaf, root: Path) -> Read:
        """What stands in a leaf of the tree ``root``."""
        # The leaf is held beside what was read of it, so that its id cannot become another's.
        known = self._known.pop(id(leaf), None) or (leaf, self._read(leaf, root))
        self._known[id(leaf)] = known
        while len(self._known) > self._kept:
            self._known.popitem(last=False)
        return known[1]
