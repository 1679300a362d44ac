"""The official program while it runs: started as a child, and looked at from outside only."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.io_buffered import Residency
from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME
from pytest_mlpstorage.launch.processes import descendants, die_with_parent, end_all, take_orphans
from pytest_mlpstorage.launch.usage import tree_usage
from pytest_mlpstorage.units import KIB

__all__ = ["Watched", "watch"]

_LOOK_SECONDS: Final = 0.5
_SAMPLE: Final = 4
"""Files of the cache that are looked at each time; the look costs some microseconds a file."""

_MOST_NAMES: Final = 1000
_GRACE_SECONDS: Final = 0.5
_TAIL_LINES: Final = 30
_LONGEST_LINE: Final = 300


@dataclasses.dataclass(frozen=True)
class Watched:
    """How it ended, and what it took. ``peak_rss_bytes`` is that of the largest of its processes."""

    code: int
    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    tail: tuple[str, ...]
    residency: Residency

    @property
    def last_words(self) -> str:
        """The last line of its standard error."""
        return self.tail[-1] if self.tail else "it said nothing"


def watch(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path,
    cache: Path,
    heartbeat: Callable[[float, int], None],
) -> Watched:
    """Run a command to its end; nothing of it is left when this returns or raises. ``heartbeat`` gets seconds and bytes moved."""
    residency, peak = Residency(), _Peak()
    # A wrapper that ends may leave the program that it started: it is ours then, and is found.
    take_orphans()
    before = _cpu_seconds()
    begun = time.monotonic()
    try:
        process = subprocess.Popen(
            list(command), env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=functools.partial(die_with_parent, signal.SIGKILL),  # noqa: PLW1509 - no thread of ours runs yet
        )  # fmt: skip
    except OSError as error:
        raise BenchmarkExecutionError(
            f"the official program cannot be started: {error}", details={"command": command[0]}, code="MLPS-E560"
        ) from error
    assert process.stderr is not None
    tail = _Tail(process.stderr)
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
            seconds = time.monotonic() - begun
            if process.returncode is not None:
                break
            usage = tree_usage(process.pid)
            peak.look([process.pid, *descendants(process.pid)])
            _sample(cache, residency)
            heartbeat(seconds, usage.storage_read_bytes + usage.storage_write_bytes)
    finally:
        mine = os.getpid()
        end_all(lambda: descendants(mine), grace_seconds=_GRACE_SECONDS, collect=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
        tail.close()
    return Watched(process.returncode, seconds, _cpu_seconds() - before, peak.bytes, tuple(tail.lines), residency)


def _cpu_seconds() -> float:
    """Of all children that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Peak:
    """The most memory that any of the processes had: the kernel keeps it, so that none between two looks is lost but the last."""

    def __init__(self) -> None:
        self.bytes = 0

    def look(self, pids: Sequence[int]) -> None:
        for pid in pids:
            with contextlib.suppress(OSError, ValueError, IndexError):
                lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
                found = [int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM:")]
                self.bytes = max(self.bytes, *found, 0)


class _Tail:
    """Hands the program's standard error on to ours, and keeps the end of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.lines: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._stream = stream
        self._thread = threading.Thread(target=self._run, name="mlps-official-stderr", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for raw in self._stream:
            with contextlib.suppress(OSError, ValueError):  # whoever listened may be gone
                sys.stderr.buffer.write(raw)
                sys.stderr.buffer.flush()
            line = raw.decode(errors="replace").strip()
            if line:
                self.lines.append(line[:_LONGEST_LINE])

    def close(self) -> None:
        self._thread.join(_GRACE_SECONDS)
        if not self._thread.is_alive():
            self._stream.close()


def _sample(cache: Path, residency: Residency) -> None:
    """Look how much of some of the program's files lies in memory; they come and go meanwhile."""
    names = []
    with contextlib.suppress(OSError), os.scandir(cache) as entries:
        for entry in entries:
            if entry.name != TOKEN_NAME:
                names.append(entry.name)
            if len(names) == _MOST_NAMES:
                break
    for name in random.sample(names, min(_SAMPLE, len(names))):
        with contextlib.suppress(OSError):
            descriptor = os.open(cache / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                size = os.fstat(descriptor).st_size
                if size:
                    residency.look(descriptor, size)
            finally:
                os.close(descriptor)
