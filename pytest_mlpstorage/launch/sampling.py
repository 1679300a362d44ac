"""Pytest's end of the samplers' lines: takes in the rows of all hosts while a job runs, and makes one file of them.

A thread of its own does it, so that neither the watching of the job waits for it nor it for the watching. Rows go to a file at
once and stay in no memory: they are many where a run is long and hosts are many. What is said over a line stands in ``sampler``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

from pytest_mlpstorage.launch.addresses import listen
from pytest_mlpstorage.results.time_series import Row, SampledHost, SeriesRecord, write_rows
from pytest_mlpstorage.units import format_seconds

__all__ = ["Sampling", "SamplingDesk"]

_SILENT_SECONDS: Final = 0.5
"""At the end of a job all samplers have ended: what they said is here already, but for a host that is cut off."""

_SHORT_SECONDS: Final = 5.0
"""A run that is shorter may end before its samplers have begun, and a series that ends so soon before it is whole enough."""

_STUCK_SECONDS: Final = 10.0
_LONGEST_LINE: Final = 1 << 20


@dataclasses.dataclass(frozen=True)
class Sampling:
    """What is wanted of a launch: a row each ``interval_seconds``, of the disks below ``paths``, in the file ``file``."""

    interval_seconds: float
    paths: tuple[str, ...]
    file: Path


class _Caller:
    """A connection; a sampler's once it has shown the token. Times are of the monotonic clock."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = b""
        self.number = -1
        self.host = ""
        self.columns: tuple[str, ...] | None = None
        self.disks: tuple[str, ...] = ()
        self.without: dict[str, str] = {}
        self.samples = self.lost = 0
        self.cpu_seconds = 0.0
        self.first: float | None = None
        self.last: float | None = None
        self.whole = False
        self.gone_at: float | None = None

    def record(self) -> SampledHost:
        """What is known of it, for the metadata."""
        return SampledHost(
            self.host, self.samples, self.lost, self.cpu_seconds, self.first, self.last, self.whole, self.disks, dict(self.without)
        )


class SamplingDesk:
    """Waits for samplers from its making to ``close``. Raises OSError where it cannot listen or write."""

    def __init__(self, sampling: Sampling, *, address: str, here: bool) -> None:
        self._sampling = sampling
        self._token = secrets.token_hex(8)
        self._callers: list[_Caller] = []
        self._part = sampling.file.with_name(f"{sampling.file.name}.part")
        self._spool: IO[str] = self._part.open("w", encoding="utf-8", buffering=1)  # what a killed pytest leaves is whole to the last row
        self._problems: list[str] = []
        self._begun = time.monotonic()
        self._ending, self._bell = socket.socketpair()
        self._listener = listen(address, here=here, backlog=1024)
        self._listener.setblocking(False)
        self._selector = selectors.DefaultSelector()
        for end in (self._listener, self._ending):
            self._selector.register(end, selectors.EVENT_READ)
        self.variable = f"{address},{self._listener.getsockname()[1]},{self._token}"
        """What samplers find in their environment."""
        self._thread = threading.Thread(target=self._serve, name="mlps-sampling", daemon=True)
        self._thread.start()

    # ---------------------------------------------------------------------------------------------------- the thread
    def _serve(self) -> None:
        closing: float | None = None
        while closing is None or (time.monotonic() < closing and self._open_lines()):
            for key, _ in self._selector.select(None if closing is None else max(0.0, closing - time.monotonic())):
                if key.fileobj is self._ending:
                    self._selector.unregister(self._ending)
                    closing = time.monotonic() + _SILENT_SECONDS
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._hear(key.data)

    def _open_lines(self) -> bool:
        return any(caller.gone_at is None for caller in self._callers)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            caller = _Caller(connection)
            self._selector.register(connection, selectors.EVENT_READ, caller)

    def _hear(self, caller: _Caller) -> None:
        try:
            data = caller.connection.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *lines, caller.buffer = (caller.buffer + data).split(b"\n")
        try:
            for line in lines:
                self._take(caller, json.loads(line))
        except (ValueError, TypeError, KeyError, RecursionError):  # a stranger, or another version of this package
            data = b""
        if not data or len(caller.buffer) > _LONGEST_LINE:
            self._hang_up(caller)

    def _hang_up(self, caller: _Caller) -> None:
        caller.gone_at = time.monotonic()
        self._selector.unregister(caller.connection)
        caller.connection.close()

    def _take(self, caller: _Caller, said: Any) -> None:
        """One line of a sampler; raises ValueError, TypeError or KeyError for what none says."""
        if caller.number < 0:
            self._greet(caller, said)
        elif isinstance(said, list):
            self._row(caller, said)
        elif "columns" in said:
            caller.columns = tuple(map(str, said["columns"]))
            caller.disks = tuple(map(str, said["disks"]))
            caller.without = {str(path): str(what) for path, what in said["without"].items()}
            self._spool_line({"number": caller.number, "host": caller.host, "columns": caller.columns})
        else:
            caller.whole, caller.lost, caller.cpu_seconds = bool(said["bye"]), int(said["lost"]), float(said["cpu"])

    def _greet(self, caller: _Caller, said: Any) -> None:
        if said["token"] != self._token:
            raise ValueError("a stranger")
        caller.host = self._own_name(str(said["host"]))
        caller.number = len(self._callers)
        self._callers.append(caller)
        told = {"interval_seconds": self._sampling.interval_seconds, "paths": self._sampling.paths}
        with contextlib.suppress(OSError):  # a few hundred bytes on a fresh line; that it is broken is heard
            caller.connection.send(json.dumps(told).encode() + b"\n")

    def _own_name(self, host: str) -> str:
        """Hosts of one name are told apart by the order in which they called."""
        taken = {caller.host for caller in self._callers}
        return next(name for name in (host, *(f"{host}#{number}" for number in range(2, len(taken) + 3))) if name not in taken)

    def _row(self, caller: _Caller, said: list[Any]) -> None:
        cpu, end, seconds, *values = said
        if caller.columns is None or len(values) != len(caller.columns):
            raise ValueError("a row of other columns")
        row = [caller.number, float(end), float(seconds), *(None if value is None else float(value) for value in values)]
        self._spool_line(row)
        caller.samples += 1
        caller.cpu_seconds = float(cpu)
        caller.first, caller.last = float(end) if caller.first is None else caller.first, float(end)

    def _spool_line(self, value: object) -> None:
        if not self._problems:
            try:
                self._spool.write(json.dumps(value) + "\n")
            except OSError as error:  # the disk is full, say: the run goes on
                self._problems.append(f"the time series ends early: {error.strerror}")

    # ------------------------------------------------------------------------------------------------------- the end
    def close(self, hosts: Collection[str]) -> SeriesRecord:
        """Stop listening, write the file, and say what is known of each host; ``hosts`` are those that had ranks."""
        ended = time.monotonic()
        self._bell.close()
        self._thread.join(_STUCK_SECONDS)
        if self._thread.is_alive():
            self._problems.append("the time series could not be written: its filesystem does not answer")
            return SeriesRecord("", self._sampling.interval_seconds, (), tuple(self._problems))
        for end in (self._listener, self._ending, *(key.fileobj for key in list(self._selector.get_map().values()))):
            if isinstance(end, socket.socket):
                end.close()
        self._selector.close()
        file = self._write()
        problems = (*self._problems, *self._missing(hosts, ended))
        return SeriesRecord(file, self._sampling.interval_seconds, tuple(caller.record() for caller in self._callers), problems)

    def _write(self) -> str:
        """Make the file of what was taken in; its name, or an empty text where there is none."""
        columns = list(dict.fromkeys(name for caller in self._callers for name in caller.columns or ()))
        written = 0
        try:
            self._spool.close()
            if any(caller.samples for caller in self._callers):
                written = write_rows(self._sampling.file, columns, self._rows(columns))
        except OSError as error:
            self._problems.append(f"the time series could not be written: {error.strerror}")
        with contextlib.suppress(OSError):
            self._part.unlink()
        return self._sampling.file.name if written else ""

    def _rows(self, columns: Sequence[str]) -> Iterator[Row]:
        places = [[columns.index(name) for name in caller.columns or ()] for caller in self._callers]
        with self._part.open(encoding="utf-8") as spool:
            for line in spool:
                try:
                    said = json.loads(line)
                except ValueError:
                    continue  # where the disk was full
                if isinstance(said, dict):
                    continue
                number, end, seconds, *values = said
                row: list[float | None] = [None] * len(columns)
                for place, value in zip(places[number], values, strict=True):
                    row[place] = value
                yield Row(end, self._callers[number].host, seconds, tuple(row))

    def _missing(self, hosts: Collection[str], ended: float) -> Iterator[str]:
        if ended - self._begun < _SHORT_SECONDS:
            return
        called = {caller.host for caller in self._callers}
        for host in sorted(set(hosts) - called):
            yield f"there is no time series of {host}: its sampler did not call"
        for caller in self._callers:
            early = ended - (caller.gone_at or ended)
            if not caller.whole and early > self._sampling.interval_seconds + 1.0:
                yield f"the time series of {caller.host} ends {format_seconds(early)} before the run: its sampler was ended or lost"
            if caller.lost:
                yield f"{caller.lost} samples of {caller.host} were lost: its line was stuck for too long"
