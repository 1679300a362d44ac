"""One rank's failure ends the whole job: without it the others wait in a barrier for ever (training.md §0.2)."""

from __future__ import annotations

import gc
import json
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.process import BaseProcess, current_process
from pathlib import Path

from pytest_mlpstorage.errors import MLPStorageError

__all__ = ["EXIT_EXCEPTION", "EXIT_REFUSED", "Failure", "dead_workers", "describe", "write_failure"]

EXIT_EXCEPTION = 3
EXIT_REFUSED = 4


class Failure:
    """What a rank ends with: the text for people, the exit code for the launcher, the record for the collector."""

    def __init__(self, rank: int, error: BaseException, dead: Sequence[tuple[int, str]]) -> None:
        self.rank = rank
        self.host = socket.gethostname()
        self.type = type(error).__name__
        self.refused = isinstance(error, MLPStorageError)
        self.code = _code(error)
        self.dead = tuple(dead)
        if isinstance(error, MLPStorageError):
            self.message = str(error)
            self.trace = ""
        else:
            text = str(error.code) if isinstance(error, SystemExit) else str(error)
            self.message = f"{self.type}: {text}" if text else self.type
            if dead:
                workers = ", ".join(f"read worker {pid} was ended by {name}" for pid, name in dead)
                self.message = f"{workers} ({self.message})"
            self.trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))

    def text(self) -> str:
        """Trace first, so that the cause is the last thing on stderr."""
        return f"{self.trace}mlpstorage: rank {self.rank} on {self.host} ends the job (exit {self.code}): {self.message}\n"


def _code(error: BaseException) -> int:
    if isinstance(error, MLPStorageError):
        return EXIT_REFUSED
    if isinstance(error, SystemExit):
        # exit(-1) and exit("text") are failures too; a code is one byte, and 0 would hide it.
        return (error.code & 0xFF or 1) if isinstance(error.code, int) else 1
    return EXIT_EXCEPTION


def describe(rank: int, error: BaseException, dead: Sequence[tuple[int, str]] = ()) -> Failure:
    """Tell what ``error`` means on ``rank``, with the read workers that ``dead_workers`` found."""
    return Failure(rank, error, dead)


def dead_workers() -> list[tuple[int, str]]:
    """Process id and signal of each child of multiprocessing that a signal ended.

    torch says only that a worker "exited unexpectedly"; the process objects that know more are found as objects,
    because the loader that holds them is DLIO's.
    """
    found = []
    for child in gc.get_objects():
        # By type: isinstance asks the object for its class, and some of torch's objects warn when they are asked.
        if issubclass(type(child), BaseProcess) and child is not current_process() and getattr(child, "_popen", None) is not None:
            code = child.exitcode
            if code is not None and code < 0:
                found.append((child.pid or 0, signal.Signals(-code).name))
    return sorted(found)


def write_failure(failure: Failure, evidence: Path | None) -> None:
    """Say it on stderr, and leave ``<rank>_error.json`` among the evidence where that can be written."""
    sys.stderr.write(failure.text())
    sys.stderr.flush()
    if evidence is None:
        return
    record = {
        "rank": failure.rank,
        "host": failure.host,
        "type": failure.type,
        "message": failure.message,
        "exit_code": failure.code,
        "dead_workers": [{"pid": pid, "signal": name} for pid, name in failure.dead],
    }
    try:
        evidence.mkdir(parents=True, exist_ok=True)
        (evidence / f"{failure.rank}_error.json").write_text(json.dumps(record, indent=1))
    except OSError as error:
        # The job must end all the same; what cannot be written is said.
        sys.stderr.write(f"mlpstorage: rank {failure.rank}: {evidence} cannot be written: {error}\n")
