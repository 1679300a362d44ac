"""Processes that touch the engine, seen from the rank that started them: a line each way, a deadline for every phase, a name for a crash.

A worker is a fresh interpreter without the launcher's words in its environment, so neither MPI nor a fork of another's threads can
disturb what it measures. It speaks JSON lines over its standard output; what its engine prints goes to standard error. The rank does
nothing of the engine's in its own process: a native crash ends a worker, and is told as what it is.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil

from pytest_mlpstorage.errors import BenchmarkExecutionError, EngineError
from pytest_mlpstorage.ranks.world import without_launcher
from pytest_mlpstorage.vectordb.failures import of_words
from pytest_mlpstorage.vectordb.heart import Heart

__all__ = ["CrashError", "Crew", "DeadlineError", "Worker"]

_TICK_SECONDS: Final = 0.05
_GRACE_SECONDS: Final = 2.0
_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class CrashError(EngineError):
    """A worker ended without a word: by a signal, or by leaving."""

    code = "MLPS-E511"

    def __init__(self, message: str, *, number: int = 0, **more: Any) -> None:
        super().__init__(message, **more)
        self.signal = number


class DeadlineError(BenchmarkExecutionError):
    """A phase was not done when its deadline came."""

    code = "MLPS-E520"


class Worker:
    """One process: ``role`` is what it does (see :mod:`.worker`), ``number`` which of them it is. A context: it never outlives it."""

    def __init__(self, job_file: Path, role: str, rank: int, number: int, *, engine: str) -> None:
        self.number, self.role, self.engine = number, role, engine
        self.phase = "start"
        environment = without_launcher() | (dict.fromkeys(_ONE_THREAD, "1") if role == "search" else {})
        try:
            self._heart = Heart()
            words = [str(job_file), role, str(rank), str(number), str(self._heart.fileno())]
            command = [sys.executable, "-m", "pytest_mlpstorage.vectordb.worker", *words]
            pipe, handed_on = subprocess.PIPE, (self._heart.fileno(),)
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, pass_fds=handed_on)
        except OSError as error:
            raise BenchmarkExecutionError(
                f"worker {number} ({role}) cannot be started: {error.strerror}",
                suggestion="see how many files and processes this user may have (ulimit -n, ulimit -u), or use fewer workers",
                cause=error,
                code="MLPS-E560",
            ) from error
        self._buffer = b""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def beats(self) -> int:
        """Searches that it began."""
        return self._heart.beats

    def fileno(self) -> int:
        """What tells that it said something."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def say(self, **words: Any) -> None:
        """Tell it to do something; a worker that is gone is noticed when it is heard."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self) -> list[dict[str, Any]]:
        """What it said since. Raises the error that it reports, and CrashError where it is gone."""
        data = os.read(self.fileno(), 65536)
        if not data:
            raise self._crash()
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        words = [json.loads(line) for line in lines]
        for said in words:
            self.phase = str(said.get("phase") or self.phase)
            if said["event"] == "failed":
                raise of_words(said)
        return words

    def end(self) -> None:
        """End it, now; it is told so first."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._heart.close()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _crash(self) -> CrashError:
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        where = f"worker {self.number} ({self.role}, pid {self.pid}) in the phase {self.phase}"
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return CrashError(
                f"engine {self.engine} crashed: {name} ended {where}",
                number=-code,
                details={"engine": self.engine, "phase": self.phase, "exit code": 128 - code},
                suggestion="what it printed is in the step's stderr log; a crash by SIGKILL is often the kernel's, for want of memory",
            )
        return CrashError(f"engine {self.engine} left: {where} ended with exit code {code} and said nothing")


class Crew:
    """The workers of one rank. A context: whatever ends it, all of them are ended too."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = list(workers)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self.workers:
            worker.end()

    def say(self, **words: Any) -> None:
        """Tell all of them the same."""
        for worker in self.workers:
            worker.say(**words)

    def look(self) -> None:
        """See whether one of them is gone, while they are to be silent; raises as ``hear`` does."""
        for worker in _speaking(self.workers, 0):
            for said in worker.hear():
                raise BenchmarkExecutionError(f"worker {worker.number} said {said['event']} out of turn", code="MLPS-E590")

    def wait(
        self,
        event: str,
        deadline: Callable[[str], float] | float,
        *,
        tell: Callable[[Mapping[str, Any]], None] = lambda _said: None,
        idle: Callable[[], None] = lambda: None,
        search_deadline: float = math.inf,
    ) -> list[dict[str, Any]]:
        """Wait until every worker said ``event``; what each said then, by number.

        ``deadline`` is in seconds, for the whole wait or for each phase that a worker names; no single search may take longer than
        ``search_deadline``. ``tell`` hears what else they say; ``idle`` is called now and then. Raises DeadlineError with the engine
        and the phase.
        """
        waiting = {worker: (worker.phase, time.monotonic()) for worker in self.workers}
        beats = {worker: (worker.beats, time.monotonic()) for worker in self.workers}
        answers: dict[int, dict[str, Any]] = {}
        while waiting:
            for worker in _speaking(waiting, _TICK_SECONDS):
                for said in worker.hear():
                    if said["event"] == event:
                        answers[worker.number] = said
                        waiting.pop(worker, None)
                    else:
                        tell(said)
            for worker, (phase, since) in list(waiting.items()):
                now = time.monotonic()
                if worker.beats != beats[worker][0] or worker.phase != phase:
                    beats[worker] = (worker.beats, now)
                elif now - beats[worker][1] > search_deadline:
                    raise _late(worker, search_deadline, what=f"a search of the phase {phase}")
                if worker.phase != phase:
                    waiting[worker] = (worker.phase, now)
                    continue
                limit = deadline(phase) if callable(deadline) else deadline
                if now - since > limit:
                    raise _late(worker, limit)
            idle()
        return [answers[worker.number] for worker in self.workers]


def _speaking(workers: Iterable[Worker], seconds: float) -> list[Worker]:
    """Those that say something, or are gone, within so long. By poll, as select knows no descriptor beyond 1023."""
    by_descriptor, poll = {worker.fileno(): worker for worker in workers}, select.poll()
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    return [by_descriptor[descriptor] for descriptor, _ in poll.poll(seconds * 1000)]


_KEYS: Final = {"load": "vectordb.load_deadline", "build": "vectordb.build_deadline"}


def _late(worker: Worker, limit: float, *, what: str = "") -> DeadlineError:
    key = _KEYS.get(worker.phase, "vectordb.answer_deadline")
    return DeadlineError(
        f"engine {worker.engine} was not done with {what or f'the phase {worker.phase}'} after {limit:g} s and was stopped",
        details={"engine": worker.engine, "phase": worker.phase, "deadline": f"{limit:g} s", "CPU used": _cpu(worker.pid)},
        suggestion=f"where it only needs longer, set {key}; an engine that retries for ever uses CPU too",
    )


def _cpu(pid: int) -> str:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return "unknown"
    return f"{times.user + times.system:.1f} s"
