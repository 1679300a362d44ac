"""How a launch is going and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.errors import BenchmarkExecutionError

if TYPE_CHECKING:
    from pytest_mlpstorage.results.time_series import SeriesRecord

__all__ = ["Beat", "Outcome", "RankIO", "require_success"]


@dataclasses.dataclass(frozen=True)
class Beat:
    """A look at a job that is running: sums over all ranks, on all hosts, with their child processes.

    ``read_bytes`` and ``write_bytes`` passed through read and write calls, from whatever cache; the ``storage_`` ones went
    to block devices. ``progress`` is the last line of the file that ``MLPS_PROGRESS`` names in the ranks' environment,
    one JSON object a line, or None. ``stalled_seconds`` is how long the quietest rank has used no CPU and moved no bytes;
    ``warning`` is set once, in the beat in which that reaches the warning limit.
    """

    elapsed_seconds: float
    ranks_started: int
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    storage_read_bytes: int = 0
    storage_write_bytes: int = 0
    processes: int = 0
    progress: Mapping[str, Any] | None = None
    stalled_seconds: float = 0.0
    warning: str = ""


@dataclasses.dataclass(frozen=True)
class RankIO:
    """Bytes of a rank over its whole life, child processes and the imports of its start among them."""

    rank: int
    host: str
    read_bytes: int
    write_bytes: int
    storage_read_bytes: int
    storage_write_bytes: int


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a job ended. It ended well exactly where ``returncode`` is 0, and then ``cause`` is empty.

    ``returncode`` is the first failed rank's (128 + number for a signal), else the launcher's; 124 at the deadline, 125
    where ranks were lost, silent, stalled or missing although the launcher reported success. ``signal`` is the name of
    the signal that ended the rank or the launcher. ``left`` names processes that could not be ended. ``series`` tells of the time series
    of its hosts, where one was wanted. ``code`` is that of the error of a job that did not end well.
    """

    returncode: int
    signal: str | None
    elapsed_seconds: float
    failed_rank: int | None
    failed_host: str | None
    cause: str
    stderr_tail: tuple[str, ...]
    command: tuple[str, ...]
    run_id: str
    left: tuple[str, ...]
    started: datetime
    ended: datetime
    io: tuple[RankIO, ...] = ()
    progress: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    series: SeriesRecord | None = None
    code: str = ""


def require_success(outcome: Outcome) -> None:
    """Raise BenchmarkExecutionError with rank, signal, command and the end of stderr unless the job ended well."""
    if outcome.returncode == 0 and not outcome.cause:
        return
    details: dict[str, object] = {
        "command": " ".join(outcome.command),
        "exit code": outcome.returncode,
        "after": f"{outcome.elapsed_seconds:.1f} s",
    }
    if outcome.failed_rank is not None:
        details["rank"] = f"{outcome.failed_rank} on {outcome.failed_host}"
    if outcome.signal:
        details["signal"] = outcome.signal
    if outcome.left:
        details["could not be ended"] = ", ".join(outcome.left)
    if outcome.stderr_tail:
        details["last lines of stderr"] = "".join(f"\n    {line}" for line in outcome.stderr_tail)
    code = outcome.code or "MLPS-E530"
    # A code covers several ends, whose remedies differ: its page has all of them.
    suggestion = f"pytest --mlps-explain={code.removeprefix('MLPS-')} says what that means and what to do"
    raise BenchmarkExecutionError(outcome.cause, details=details, suggestion=suggestion, code=code)
