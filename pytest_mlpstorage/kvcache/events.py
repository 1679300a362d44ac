"""What one rank did, one record an object operation and one a request, in blocks that go to disk as they fill.

Times are nanoseconds of the rank's monotonic clock after the start of the window, so that those before it are below 0; ``NEVER`` stands
for what did not happen. Chunks are not logged: their number grows with the rate of the storage, that of objects hardly does.
"""

from __future__ import annotations

import os
import threading
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.results.atomic import file_system_error

__all__ = [
    "EVENT_DTYPE",
    "LATE",
    "NANOSECONDS_PER_MILLISECOND",
    "NANOSECONDS_PER_SECOND",
    "NEVER",
    "REQUEST_EVENT_DTYPE",
    "EventLog",
    "Events",
    "Kind",
    "Phase",
    "Reason",
    "Tier",
    "read_events",
]

NANOSECONDS_PER_SECOND: Final = 10**9
NANOSECONDS_PER_MILLISECOND: Final = 10**6

Events = npt.NDArray[np.void]
"""Records of one of the two dtypes below."""

NEVER: Final = np.iinfo(np.int64).min
"""Time of what has not happened: a call that was abandoned, bytes that were never made durable."""

LATE: Final = 1
"""Bit of ``flags``: the record was closed after the end of the window. Information; the accounts go by the times."""


class Kind(IntEnum):
    """What an operation did. A miss is a lookup that found no entry: no bytes, all its times the time of the lookup."""

    READ = 0
    WRITE = 1
    EVICT_READ = 2
    EVICT_WRITE = 3
    DELETE = 4
    MISS = 5


class Tier(IntEnum):
    """Where an entry was read, written or deleted; of a miss always ``STORAGE``."""

    GPU = 0
    CPU = 1
    STORAGE = 2


class Phase(IntEnum):
    """What the request was for, with the numbers of ``schedule``."""

    PREFILL = 0
    PREFILL_DECODE = 1
    DECODE = 2


class Reason(IntEnum):
    """Why the operation was done. ``MISS``: a write in place of the reads of an absent entry; ``EVICTION``: to make room."""

    TURN = 0
    PREFILL = 1
    PROBE = 2
    DECODE = 3
    MISS = 4
    PREFIX = 5
    RAG = 6
    EVICTION = 7


EVENT_DTYPE: Final = np.dtype(
    [
        ("request", "<u4"),
        ("entry", "<u4"),
        ("kind", "u1"),
        ("tier", "u1"),
        ("qos", "u1"),
        ("phase", "u1"),
        ("reason", "u1"),
        ("bytes", "<u8"),
        ("t_intended", "<i8"),
        ("t_queue", "<i8"),
        ("t_start", "<i8"),
        ("t_submit", "<i8"),
        ("t_complete", "<i8"),
        ("durable", "<i8"),
        ("host_ns", "<i8"),
        ("device_ns", "<i8"),
        ("flags", "u1"),
    ]
)
"""One whole-entry operation: which request asked for it, on which entry, of how many bytes.

``t_intended`` is the intended arrival of the request, ``t_queue`` when the operation was asked for, ``t_start`` when it began (entry
lock and concurrency limit passed, room made), ``t_submit`` when its first byte was, ``t_complete`` when the last byte had moved and, of
a write, was durable as far as the run makes anything durable; ``durable`` when that was so, of a write that is made durable.
``host_ns`` and ``device_ns`` are how the official tool would split its time (kvcache.md §5.8).
"""

REQUEST_EVENT_DTYPE: Final = np.dtype(
    [
        ("request", "<u4"),
        ("user", "<u4"),
        ("worker", "<u4"),
        ("qos", "u1"),
        ("phase", "u1"),
        ("flags", "u1"),
        ("prefix_tokens", "<u2"),
        ("t_intended", "<i8"),
        ("t_dequeue", "<i8"),
        ("t_done", "<i8"),
        ("storage_ns", "<i8"),
        ("generation_ns", "<i8"),
        ("prefill_ns", "<i8"),
        ("decode_ns", "<i8"),
        ("generated_tokens", "<u4"),
        ("hits", "<u4"),
        ("misses", "<u4"),
        ("turn_hits", "<u2"),
        ("turn_misses", "<u2"),
    ]
)
"""One request that a worker took on; ``t_done`` is ``NEVER`` where it was abandoned.

``prefix_tokens``: by how much a system prompt shortened the context, 0 where the request had none. ``storage_ns`` is the time of all
cache operations of the request in any tier, ``prefill_ns`` of its writes, ``decode_ns`` of its reads, ``generation_ns`` the simulated
computation. ``hits`` and ``misses`` are of lookups; those of earlier turns are told again in ``turn_hits`` and ``turn_misses``.
"""

_BLOCK_RECORDS: Final = 4096


class EventLog:
    """Appends records to a file, a block at a time; threads may share one. Usable as a context manager.

    ``t_`` fields and ``durable`` that are not given are ``NEVER``, all others 0. The memory of a log is two blocks whatever is logged.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any] = EVENT_DTYPE, *, block_records: int = _BLOCK_RECORDS) -> None:
        self._path = path
        self._template = np.zeros((), dtype)
        for name in dtype.names or ():
            if name.startswith("t_") or name == "durable":
                self._template[name] = NEVER
        self._blank = self._template.tolist()
        self._places = {name: i for i, name in enumerate(dtype.names or ())}
        self._block = np.empty(block_records, dtype)
        self._used = 0
        self._lock, self._writing = threading.Lock(), threading.Lock()
        try:
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise file_system_error("cannot write the log of operations", path, error) from error

    def append(self, **fields: int) -> None:
        """Log one record. KeyError for a field that the dtype does not have."""
        record = list(self._blank)
        for name, value in fields.items():
            record[self._places[name]] = value
        full = None
        with self._lock:
            if self._file is None:
                raise ValueError(f"{self._path.name} is closed")
            self._block[self._used] = tuple(record)
            self._used += 1
            if self._used == len(self._block):
                full, self._block, self._used = self._block, np.empty_like(self._block), 0
        if full is not None:
            self._spill(full)

    def _spill(self, records: Events) -> None:
        left = memoryview(records.view(np.uint8).data)
        with self._writing:
            while left and self._file is not None:
                try:
                    left = left[os.write(self._file, left) :]
                except OSError as error:
                    raise file_system_error("cannot write the log of operations", self._path, error) from error

    def flush(self) -> None:
        """Write out what is there, so that another process may read it."""
        with self._lock:
            rest, self._block, self._used = self._block[: self._used], np.empty_like(self._block), 0
        if len(rest):
            self._spill(rest)

    def close(self) -> None:
        """Write out the rest; nothing may be appended after it."""
        try:
            if self._file is not None:
                self.flush()
        finally:
            with self._writing:
                file, self._file = self._file, None
                if file is not None:
                    os.close(file)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_events(path: Path, dtype: np.dtype[Any] = EVENT_DTYPE) -> Events:
    """All whole records of a log, mapped and not copied; a tail that a kill cut off is left out."""
    try:
        count = path.stat().st_size // dtype.itemsize
        return np.memmap(path, dtype, "r", shape=(count,)) if count else np.zeros(0, dtype)
    except OSError as error:
        raise file_system_error("cannot read the log of operations", path, error) from error
