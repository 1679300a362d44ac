"""A communicator whose ranks are threads of one process."""

from __future__ import annotations

import queue
import threading


class Letters:
    """Stands for a communicator of so many ranks; remembers who wrote to whom."""

    def __init__(self, size):
        self.size, self.sent = size, []
        self.boxes = {(here, there): queue.Queue() for here in range(size) for there in range(size)}
        self.gathered = [None] * size
        self.all_here = threading.Barrier(size)

    def of(self, rank):
        return Post(self, rank)


class Post:
    def __init__(self, letters, rank):
        self.letters, self.rank = letters, rank

    def send(self, obj, dest):
        self.letters.sent.append((self.rank, dest))
        self.letters.boxes[self.rank, dest].put(obj)

    def recv(self, *, source):
        return self.letters.boxes[source, self.rank].get(timeout=30)

    def gather(self, value):
        self.letters.gathered[self.rank] = value
        self.letters.all_here.wait(30)
        return list(self.letters.gathered)
