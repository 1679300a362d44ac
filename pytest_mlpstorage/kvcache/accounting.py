"""What counts inside the window: chunks by the time of their completion, writes only once they are durable (kvcache.md §5.8)."""

from __future__ import annotations

import threading

from pytest_mlpstorage.kvcache.histogram import LogHistogram
from pytest_mlpstorage.kvcache.io import READ, Int64s
from pytest_mlpstorage.kvcache.series import ByteSeries

__all__ = ["WindowAccount"]


class WindowAccount:
    """Counts the chunks that the threads of a rank move from and to storage, against the window of ``window_ns`` from ``start_ns`` on.

    It is itself the sink that a target tells of each object, with the times of the clock that ``start_ns`` is of. ``read`` and
    ``write`` are the bytes that count: chunks completed in the window, of writes those of objects that became durable in it. The
    histograms hold every chunk completed in the window. Where nothing is made durable (``makes_durable``), writes count like reads.
    Memory is the same whatever the rate.
    """

    def __init__(self, window_ns: int, *, start_ns: int = 0, makes_durable: bool = True) -> None:
        self.window_ns = window_ns
        self.start_ns = start_ns
        self.makes_durable = makes_durable
        self.read = ByteSeries(window_ns)
        self.write = ByteSeries(window_ns)
        self.read_latency = LogHistogram()
        self.write_latency = LogHistogram()
        self.read_bytes = 0
        """Every byte read in the pass, in the window or not: what the counters of the kernel are held against."""
        self.written_bytes = 0
        self.write_not_durable_bytes = 0
        """Bytes written in the window of objects that were not durable at its end."""
        self._lock = threading.Lock()
        self._steady = True

    def fade(self) -> None:
        """Take no further latencies: from here on less is outstanding than was to be."""
        self._steady = False

    def cut(self, seconds: int) -> None:
        """End the window after so many whole seconds, when nothing moves any more.

        What was durable in the window as it was before counts as durable: a sync that returned beyond the cut is not looked for.
        """
        self.read, self.write, self.window_ns = self.read.cut(seconds), self.write.cut(seconds), self.read.cut(seconds).window_ns

    def __call__(self, kind: int, bytes: Int64s, t_submit_ns: Int64s, t_complete_ns: Int64s, durable_ns: int) -> None:
        """Take the chunks of one object, whole or abandoned; ``durable_ns`` is 0 for a write that is not durable."""
        completed = t_complete_ns - self.start_ns
        durations = (t_complete_ns - t_submit_ns)[(completed >= 0) & (completed < self.window_ns) & self._steady]
        with self._lock:
            if kind == READ:
                self.read_bytes += int(bytes.sum())
                self.read_latency.add(durations)
                self.read.add(completed, bytes)
                return
            self.written_bytes += int(bytes.sum())
            self.write_latency.add(durations)
            if not self.makes_durable or (durable_ns and durable_ns - self.start_ns < self.window_ns):
                self.write.add(completed, bytes)
            else:
                self.write_not_durable_bytes += self.write.count_inside(completed, bytes)
