"""The same objects through the page cache, where O_DIRECT is not to be had or not wanted: dropped from memory, and measured to be."""

from __future__ import annotations

import contextlib
import os
import threading

from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.io import ChunkSink, Durability, Stop, no_sink
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.page_cache.residency import Probe, UnmeasurableError

__all__ = ["BufferedTarget", "Residency"]

_ANY_UNIT = 1


class Residency:
    """How much of the files lay in memory when they were about to be read; one in ``every`` is looked at."""

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._lock = threading.Lock()
        self._probe = Probe()
        self._seen = self._sampled = self._resident = 0
        self._reason = "nothing was read through the page cache"

    def look(self, descriptor: int, size: int) -> None:
        """Take a file into account; it takes some microseconds by cachestat, and some hundred by mincore."""
        with self._lock:
            self._seen += 1
            if (self._seen - 1) % self._every:
                return
        try:
            pages = self._probe.pages(descriptor, 0, size)
        except UnmeasurableError as error:
            self._reason = str(error)
            return
        with self._lock:
            self._sampled += size
            self._resident += min(pages.resident_bytes, size)

    @property
    def sampled_bytes(self) -> int:
        """Bytes of the files that were looked at."""
        return self._sampled

    @property
    def fraction(self) -> float | None:
        """``resident_fraction_before_read``; None where nothing was measured, and ``reason`` says why."""
        return self._resident / self._sampled if self._sampled else None

    @property
    def reason(self) -> str:
        """Why there is no fraction; empty where there is one."""
        return "" if self._sampled else self._reason

    @property
    def method(self) -> str:
        """``cachestat`` or ``mincore``."""
        return self._probe.method


class BufferedTarget(ObjectTarget):
    """An :class:`ObjectTarget` through the page cache: each file is dropped from it when it is durable, and before each read."""

    FLAGS = os.O_CLOEXEC

    def __init__(
        self,
        layout: ObjectLayout,
        arena: Arena,
        content: Content,
        *,
        durability: Durability = "fsync",
        sink: ChunkSink = no_sink,
        stop: Stop | None = None,
        residency: Residency | None = None,
    ) -> None:
        super().__init__(layout, arena, content, durability=durability, sink=sink, stop=stop, unit=_ANY_UNIT)
        self.residency = residency or Residency()

    def _before_read(self, descriptor: int, size: int) -> None:
        _drop(descriptor)
        self.residency.look(descriptor, size)

    def _after_write(self, descriptor: int) -> None:
        _drop(descriptor)


def _drop(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # a filesystem without the call: what is then measured shows it
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
