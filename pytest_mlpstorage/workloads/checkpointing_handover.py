"""What lies between the run that writes and the one that reads: the caller's own command, and the time that passes (4.7.1)."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.launch.processes import die_with_parent
from pytest_mlpstorage.launch.tail import printable_lines
from pytest_mlpstorage.units import format_seconds

__all__ = ["Handover", "hand_over"]

_TAIL_BYTES: Final = 4096
_TAIL_LINES: Final = 20
_AFTER_KILL_SECONDS: Final = 2.0


@dataclasses.dataclass(frozen=True)
class Handover:
    """What was done between two runs. ``command`` None: nothing; ``written`` is when the writing run ended."""

    written: datetime
    command: tuple[str, ...] | None = None
    seconds: float = 0.0
    output: tuple[str, ...] = ()

    def gap_seconds(self, now: datetime) -> float:
        """Time since the writing run ended."""
        return (now - self.written).total_seconds()

    def record(self, reading_began: datetime, limit_seconds: float | None) -> dict[str, Any]:
        """What the reading run's leaf says of it."""
        return {
            "command": list(self.command) if self.command is not None else None,
            "command_seconds": round(self.seconds, 3),
            "command_output": list(self.output),
            "written_until": self.written.isoformat(),
            "read_from": reading_began.isoformat(),
            "gap_seconds": round(self.gap_seconds(reading_began), 3),
            "allowed_gap_seconds": limit_seconds,
        }


def hand_over(command: Sequence[str] | None, written: datetime, *, deadline_seconds: float, environment: Mapping[str, str]) -> Handover:
    """Run the caller's command to its end, without a shell, and say how long it took.

    Its output goes to a file that nobody needs to drain; its process group is ended at the deadline, when it fails, and whenever this
    process is interrupted; the command itself also when this process is killed. What it leaves running after a success is the
    caller's. Raises BenchmarkExecutionError where it cannot be started, fails, or takes longer.
    """
    if command is None:
        return Handover(written)
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,
                preexec_fn=_die_with_caller,  # noqa: PLW1509 - it makes one system call and takes no lock
            )
        except OSError as error:
            raise _failed("cannot be started", command, [], cause=error) from error
        try:
            code = process.wait(deadline_seconds)
        except subprocess.TimeoutExpired as error:
            alive = _end(process)
            how = f"could not be ended: {alive}" if alive else "was ended"
            raise _failed(f"took longer than {format_seconds(deadline_seconds)}, and {how}", command, _tail(output), cause=None) from error
        except BaseException:
            # Ctrl-C reaches this process only: the command has a session of its own.
            _end(process)
            raise
        seconds = time.monotonic() - began
        tail = _tail(output)
    if code != 0:
        _end(process)  # what it has left in its group goes with it: nothing of a command that failed may go on
        # Only some of the real-time signals have a name.
        name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
        how = f"was ended by {name}" if code < 0 else f"ended with exit {code}"
        raise _failed(f"{how} after {format_seconds(seconds)}", command, tail, cause=None)
    return Handover(written, tuple(command), seconds, tuple(tail))


def _die_with_caller() -> None:
    """In the command, before it begins: this process may be killed with no time to end it."""
    die_with_parent(signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> str:
    """Kill the process group of a command; why the command lives on, or an empty text."""
    try:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_AFTER_KILL_SECONDS)
    except PermissionError:
        return "it runs as another user"
    except subprocess.TimeoutExpired:
        return "it hangs in the kernel"
    return ""


def _tail(output: Any) -> list[str]:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL_BYTES))
    return printable_lines(output.read())[-_TAIL_LINES:]


def _failed(what: str, command: Sequence[str], tail: Sequence[str], *, cause: BaseException | None) -> BenchmarkExecutionError:
    return BenchmarkExecutionError(
        f"the command between writing and reading {what}; nothing was read",
        details={"command": " ".join(command), "last lines of its output": "\n    ".join(tail) or "none"},
        suggestion="repair it (checkpointing.between_command) and start again: where too long has passed the checkpoints are written anew",
        cause=cause,
        code="MLPS-E550",
    )
