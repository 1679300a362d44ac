"""Which of several hosts keeps a launch over all of them from working, so that the others are heard all the same.

A launcher tells the first thing that went wrong, and often of no host at all. The hosts that its words name are left out, and the
rest is asked again; where they name none, each half is. So ``k`` bad hosts of ``n`` cost about ``k × log2(n)`` launches and not
``n``, and there is a limit to the time: what has not been decided by then is told so.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from pytest_mlpstorage.errors import BenchmarkExecutionError, MLPStorageError, MPIError
from pytest_mlpstorage.launch.addresses import addresses_of, is_address
from pytest_mlpstorage.launch.job import is_local

__all__ = ["BUDGET_SECONDS", "ask_apart", "cause_of", "limit_seconds"]

BUDGET_SECONDS: Final = 240.0
"""For finding out which hosts do not answer, beyond the first launch."""

_SECONDS, _SECONDS_PER_HOST = 20.0, 0.2
"""For a launch over some of the hosts, when one over all has failed: a host that takes longer is taken for silent."""

_NAMED: Final = tuple(
    map(
        re.compile,
        (
            r"ssh cannot reach (.+?): ",
            r"no word from rank \d+ on (\S+) for",
            r"rank \d+ on (\S+) (?:ended|was ended|was lost|called MPI_Abort|cannot reach)",
            r"host (\S+) cannot be reached by name",
        ),
    )
)
"""How the supervisor and what it makes of ssh's words name hosts: declared names, their own, addresses, or ``name (address)``."""

_BETWEEN_NAMES: Final = re.compile(r"[ ,()]+")

_ERROR: Final = re.compile(r"[\w.]*(?:Error|Exception|Exit)\b.*")
"""The last line of a Python traceback."""

_T = TypeVar("_T")


def limit_seconds(hosts: int) -> float:
    """How long one launch over some of the hosts may take once a launch over all of them has failed."""
    return _SECONDS + _SECONDS_PER_HOST * hosts


def ask_apart(
    names: Sequence[str], failure: MLPStorageError, ask: Callable[[Sequence[str]], Mapping[str, _T]]
) -> dict[str, _T | MLPStorageError]:
    """What each host says, or the error that it fails with, after asking all of them together has failed.

    ``failure`` is that of the launch over all. ``ask`` launches over some and gives what each says, or raises an
    MLPStorageError; it is to be bounded by ``limit_seconds``. Anything else that it raises, Ctrl-C above all, goes on.
    """
    found: dict[str, _T | MLPStorageError] = {}
    todo: list[tuple[tuple[str, ...], MLPStorageError]] = [(tuple(names), failure)]
    limit = time.monotonic() + BUDGET_SECONDS
    while todo:
        group, error = todo.pop(0)
        blamed = _blamed(group, error) if len(group) > 1 else group
        found.update(dict.fromkeys(blamed, error))
        rest = tuple(name for name in group if name not in blamed)
        middle = len(rest) if blamed else (len(rest) + 1) // 2
        for part in filter(None, (rest[:middle], rest[middle:])):
            if time.monotonic() > limit:
                found.update(dict.fromkeys(part, _undecided(failure)))
                continue
            try:
                found.update(ask(part))
            except MLPStorageError as again:
                todo.append((part, again))
    return {name: found[name] for name in names}


def _blamed(group: Sequence[str], error: MLPStorageError) -> tuple[str, ...]:
    """Hosts of the group that an error names: as they were declared, as they call themselves, or by their addresses."""
    said = {name for pattern in _NAMED for match in pattern.findall(error.message) for name in _BETWEEN_NAMES.split(match)}
    found = tuple(name for name in group if said & _called(name))
    if found or not any(map(is_address, said)):
        return found  # names are looked up only where need be: a name service that is down takes its time for each of them
    return tuple(name for name in group if said & addresses_of(name))


def _called(name: str) -> set[str]:
    found = {name} if is_address(name) else {name, name.partition(".")[0]}
    return found | {socket.gethostname()} if is_local(name) else found


def _undecided(failure: MLPStorageError) -> MPIError:
    return MPIError(
        f"it is not known whether this host answers: all hosts together do not, and {BUDGET_SECONDS:.0f} s were not enough to find out "
        "which of them",
        details={"all together": failure.message},
        code="MLPS-E320",
    )


def cause_of(error: MLPStorageError) -> str:
    """An error of a launch over one host in one line: what its last lines say beside what was made of them."""
    text = error.message.removeprefix("no rank was started: ")
    lines = [line.strip() for line in str(error.details.get("last lines of stderr", "")).splitlines() if line.strip(" -*")]
    own = next((line for line in lines if line.startswith("ssh:")), "")
    if not own and isinstance(error, BenchmarkExecutionError):
        own = next((line for line in reversed(lines) if _ERROR.fullmatch(line)), lines[-1] if lines else "")
    said = f"{text} ({own})" if own and own not in text else text
    return said + (f": {error.cause}" if error.cause is not None else "")
