"""Who may touch an entry next: turns in the order in which the cache decided, so that no decision is undone by a faster thread."""

from __future__ import annotations

import collections
import threading

__all__ = ["MemoryRoom", "Turn", "Turns"]


class Turn:
    """A place in the row before one entry. ``wait`` returns when all before it are done; it must then be given back, once."""

    __slots__ = ("_mine", "entry")

    def __init__(self, entry: int) -> None:
        self.entry = entry
        self._mine = threading.Lock()
        self._mine.acquire()

    def wait(self) -> None:
        """Wait until it is this one's turn."""
        self._mine.acquire()

    def call(self) -> None:
        """Let it go on."""
        self._mine.release()


class Turns:
    """The rows before all entries that somebody uses. Its callers hold the cache's lock, but not while they wait for a turn.

    Turns are taken in the order of the cache's decisions, each decision's all at once; whoever waits thus waits for earlier decisions
    only, and nobody for ever.
    """

    def __init__(self) -> None:
        self._rows: dict[int, collections.deque[Turn]] = {}

    def take(self, entry: int) -> Turn:
        """A place at the end of the row of that entry."""
        turn = Turn(entry)
        row = self._rows.setdefault(entry, collections.deque())
        row.append(turn)
        if len(row) == 1:
            turn.call()
        return turn

    def give(self, turn: Turn) -> None:
        """Leave the row, in its turn or before; the next one goes on."""
        row = self._rows[turn.entry]
        first = row[0] is turn
        row.remove(turn)
        if not row:
            del self._rows[turn.entry]
        elif first:
            row[0].call()

    def __len__(self) -> int:
        return len(self._rows)


class MemoryRoom:
    """Room in the memory tier by what lies there, not by what the cache has decided: a victim is there until it is copied out.

    Each decision tells beforehand what it will put there (``expect``); it may then take that as soon as the room is there and enough
    is left for all earlier decisions. So none is overtaken by a later one that waits for it.
    """

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._changed = threading.Condition()
        self._expected: dict[int, int] = {}
        self._over = False

    def expect(self, number: int, size: int) -> None:
        """Decision ``number``, which is higher than all before, will put so many bytes there."""
        with self._changed:
            self._expected[number] = self._expected.get(number, 0) + size

    def take(self, number: int, size: int) -> bool:
        """Wait for room and take it; False when the pass is over."""
        with self._changed:
            while not self._over:
                before = sum(more for other, more in self._expected.items() if other < number)
                if self._free - before >= size:
                    self._free -= size
                    self._forget(number, size)
                    return True
                self._changed.wait()
            return False

    def give(self, size: int) -> None:
        """What was taken is free again."""
        with self._changed:
            self._free += size
            self._changed.notify_all()

    def end(self) -> None:
        """Nobody shall wait any longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _forget(self, number: int, size: int) -> None:
        left = self._expected[number] - size
        if left:
            self._expected[number] = left
        else:
            del self._expected[number]
        self._changed.notify_all()
