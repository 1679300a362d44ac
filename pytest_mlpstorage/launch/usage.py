"""What a tree of processes has used so far: CPU, memory, bytes. Standard library only, for the guards."""
# ruff: noqa: PTH110, PTH123, PTH208

from __future__ import annotations

import os

from pytest_mlpstorage.launch.processes import descendants

__all__ = ["Usage", "io_counters", "tree_usage"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Usage:
    """Sums over a tree. ``state`` is the kernel's letter for the rank itself (R, S, D, T …).

    ``read_bytes`` and ``write_bytes`` passed through read and write calls, from whatever cache; the ``storage_`` ones
    went to a block device (network filesystems often count nothing there). ``cpu_seconds`` and the bytes hold those of
    children that have ended and were waited for; ``rss_bytes`` counts shared pages in each process.
    """

    # Neither a dataclass nor a NamedTuple: their modules would take as long to import as all else in a guard together.
    def __init__(self, cpu_seconds: float, rss_bytes: int, io: tuple[int, int, int, int], processes: int, state: str) -> None:
        self.cpu_seconds = cpu_seconds
        self.rss_bytes = rss_bytes
        self.read_bytes, self.write_bytes, self.storage_read_bytes, self.storage_write_bytes = io
        self.processes = processes
        self.state = state

    def words(self) -> tuple[object, ...]:
        """The fields as ``read`` takes them."""
        moved = (self.read_bytes, self.write_bytes, self.storage_read_bytes, self.storage_write_bytes)
        return (self.cpu_seconds, self.rss_bytes, *moved, self.processes, self.state)

    @classmethod
    def read(cls, words: list[str]) -> Usage:
        """The counters as a guard wrote them."""
        cpu, rss, read, written, storage_read, storage_written, processes, state = words
        return cls(float(cpu), int(rss), (int(read), int(written), int(storage_read), int(storage_written)), int(processes), state)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
            found += map(int, file.read().split())
    return found


def _tree(root: int) -> list[int]:
    """``root`` and its descendants, without a look at every process of the host where the kernel offers that."""
    if not os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"):
        return [root, *descendants(root)]
    found, todo = [root], [root]
    while todo:
        try:
            children = _children(todo.pop())
        except OSError:
            continue  # it ended meanwhile
        found += children
        todo += children
    return found


def io_counters(pid: int) -> tuple[int, int, int, int]:
    """Bytes read and written by calls, and to and from block devices; those of children that were waited for are in them.

    Raises OSError for a process that has ended or is another user's.
    """
    with open(f"/proc/{pid}/io", "rb") as file:
        values = dict(line.split(": ") for line in file.read().decode().splitlines())
    return int(values["rchar"]), int(values["wchar"]), int(values["read_bytes"]), int(values["write_bytes"])


def tree_usage(root: int) -> Usage:
    """Sums over ``root`` and its descendants; processes that end during the look are left out."""
    ticks, pages, count, state = 0, 0, 0, "X"
    read, written, storage_read, storage_written = 0, 0, 0, 0
    for pid in _tree(root):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            io = io_counters(pid)
        except OSError:
            continue
        if pid == root:
            state = fields[0].decode()
        ticks += sum(map(int, fields[11:15]))
        pages += int(fields[21])
        count += 1
        read, written = read + io[0], written + io[1]
        storage_read, storage_written = storage_read + io[2], storage_written + io[3]
    return Usage(ticks / _TICKS, pages * _PAGE_BYTES, (read, written, storage_read, storage_written), count, state)
