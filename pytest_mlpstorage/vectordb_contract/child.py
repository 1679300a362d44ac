"""An engine in a process of its own: a crash of its native code, or a call that does not end, is an error of the test and not its end."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Final

import numpy as np

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.vectordb.engine import BuildReport, Engine, EngineError, IndexSpec, Searcher, Value
from pytest_mlpstorage.vectordb.registry import engine as engine_of

__all__ = ["DEADLINE_SECONDS", "Bench", "Child"]

DEADLINE_SECONDS: Final = 120.0
"""For one call, on a machine that has much else to do; a server's build is what takes longest."""


class Bench:
    """What the child has: the engine and, once opened, a searcher. The functions that tests send it work on this."""

    def __init__(self, name: str) -> None:
        self.engine: Engine = engine_of(name)
        self.searcher: Searcher | None = None

    def call(self, method: str, *args: Any, **named: Any) -> Any:
        """Call a method of the engine whose result can be sent."""
        return getattr(self.engine, method)(*args, **named)

    def made(self, spec: IndexSpec, where: str, vectors: Any) -> int:
        """Make a collection anew and load the vectors, ids from 0, in blocks of at most 4096 rows."""
        self.engine.create(spec, where, replace=True)
        return sum(
            self.engine.load(np.arange(start, start + len(block), dtype=np.int64), np.ascontiguousarray(block))
            for start, block in ((start, vectors[start : start + 4096]) for start in range(0, len(vectors), 4096))
        )

    def built(self) -> tuple[BuildReport, float, int]:
        """Build; with the report, the longest time without a sign of life and the number of signs."""
        signs = [time.monotonic()]
        report = self.engine.build(lambda _fraction: signs.append(time.monotonic()))
        signs.append(time.monotonic())
        return report, max(later - before for before, later in itertools.pairwise(signs)), len(signs) - 2

    def opened(self, spec: IndexSpec, where: str, *, release: bool = True) -> None:
        """Open a searcher with one thread; the builder is closed before."""
        if release:
            self.engine.close()
        self.searcher = self.engine.open(spec, where, threads=1)

    def search(self, vector: Any, k: int, params: Mapping[str, Value]) -> tuple[Any, Any]:
        """One search."""
        assert self.searcher is not None
        return self.searcher.search(vector, k, params)

    def answers(self, queries: Any, k: int, params: Mapping[str, Value]) -> list[tuple[Any, Any]]:
        """A search for each query."""
        return [self.search(query, k, params) for query in queries]

    def close_searcher(self) -> None:
        """Close the searcher and keep it."""
        assert self.searcher is not None
        self.searcher.close()

    def shut(self) -> None:
        """Close everything."""
        self.close_searcher()
        self.engine.close()

    def bytes_read(self) -> int | None:
        """What the processes of the engine have read from storage so far; None where they cannot be seen."""
        processes = self.engine.reads()
        if processes is None:
            return None
        counters = (open(f"/proc/{pid}/io").read() for pid, _ in processes)  # noqa: PTH123, SIM115
        return sum(int(line.split()[1]) for text in counters for line in text.splitlines() if line.startswith("read_bytes"))


class Child:
    """The process. Use as ``with Child(name) as child: child(Bench.built)``; an MLPStorageError of the engine arrives as it was raised."""

    def __init__(self, name: str, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._name, self._deadline = name, deadline_seconds
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, theirs), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def __call__(self, function: Callable[..., object], *args: Any, **named: Any) -> Any:
        """Run a function of a module there and give its result."""
        self.ask(function, *args, **named)
        return self.answer(function.__name__)

    def ask(self, function: Callable[..., object], *args: Any, **named: Any) -> None:
        """Run it and go on."""
        self._connection.send((function, args, named))

    def answer(self, what: str = "call") -> Any:
        """The result of what was asked; EngineError where the process crashed or is not ready in time."""
        if not self._connection.poll(self._deadline):
            self.kill()
            raise EngineError(
                f"{self._name} did not end {what} within {self._deadline:g} s", suggestion="give each call a deadline", code="MLPS-E520"
            )
        try:
            good, value = self._connection.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(self._deadline)
            code = self._process.exitcode
            how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with exit code {code}"
            raise EngineError(
                f"the process of {self._name} ended {how} during {what}", suggestion="find what crashed it", cause=error, code="MLPS-E511"
            ) from error
        if not good:
            raise value
        return value

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.join()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._process.join(10)
        if self._process.is_alive():
            self.kill()
        self._connection.close()


def _serve(name: str, connection: Connection) -> None:
    """Do what is asked until nothing more is."""
    bench: Bench | None = None
    while (asked := connection.recv()) is not None:
        function, args, named = asked
        try:
            bench = bench or Bench(name)
            answer = (True, function(bench, *args, **named))
        except MLPStorageError as error:
            # The error underneath may be of a kind that cannot be sent.
            error.cause, told = None, str(error.cause or "")
            error.details |= {"cause": told} if told else {}
            answer = (False, error)
        except Exception as error:  # noqa: BLE001 - the point of the suite: anything else that an engine raises is told, and fails the test
            answer = (False, RuntimeError(f"{type(error).__name__}: {error}"))
        connection.send_bytes(pickle.dumps(answer))
    if bench is not None:
        if bench.searcher is not None:
            bench.searcher.close()
        bench.engine.close()
