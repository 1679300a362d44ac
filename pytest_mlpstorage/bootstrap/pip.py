"""Runs one pip command with a voice, and turns its failure into one message."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from pytest_mlpstorage.errors import DependencyError, FileSystemError, MLPStorageError

__all__ = ["explain", "last_lines", "run_pip", "say"]

HEARTBEAT_SECONDS = 20.0
TAIL_LINES = 10
TAIL_COLUMNS = 160

# Patterns of pip's own output, most telling first: an unreachable index also ends in "No matching distribution found".
FULL = re.compile(r"No space left on device|Errno 28|Disk quota exceeded|Errno 122")
UNREACHABLE = re.compile(
    r"Failed to establish a new connection|NameResolutionError|Temporary failure in name resolution|Network is unreachable"
    r"|ProxyError|Read timed out|ReadTimeoutError|ConnectTimeoutError|ConnectionResetError|RemoteDisconnected"
    r"|SSLError|CERTIFICATE_VERIFY_FAILED"
)
MANAGED = re.compile(r"externally-managed-environment")
REFUSED = re.compile(r"Permission denied|Errno 13|Read-only file system|Errno 30")
UNKNOWN = re.compile(r"No matching distribution found for (\S+)")


def say(text: str) -> None:
    """Print one line at once: pip and pytest write to the same terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def last_lines(lines: Iterable[str]) -> str:
    """Return the last lines that say something, indented below a heading and cut to a readable width."""
    tail = [line.strip() for line in lines if line.strip()][-TAIL_LINES:]
    return "".join(f"\n    {line if len(line) <= TAIL_COLUMNS else line[:TAIL_COLUMNS] + ' …'}" for line in tail)


def explain(command: Sequence[str], returncode: int, lines: Sequence[str]) -> MLPStorageError:
    """Return the error for a pip that ended with ``returncode`` (negative: by that signal) after printing ``lines``."""
    text = "\n".join(lines)
    details = {"command": shlex.join(command), "exit code": returncode, "pip's last lines": last_lines(lines)}
    if FULL.search(text):
        return FileSystemError(
            "the disk is full",
            details=details,
            suggestion="free some space (1.5 GB without CUDA, TMPDIR and pip's cache need room too), or --venv on another disk",
            code="MLPS-E410",
        )
    if UNREACHABLE.search(text):
        return DependencyError(
            "the package index cannot be reached",
            details=details,
            suggestion="check the network; behind a proxy set HTTPS_PROXY, with a mirror PIP_INDEX_URL (both are pip's own)",
            code="MLPS-E203",
        )
    if MANAGED.search(text):
        return DependencyError(
            "this Python belongs to the operating system, which forbids installing into it",
            details=details,
            suggestion="leave --here out, then an environment of its own is made",
            code="MLPS-E202",
        )
    if REFUSED.search(text):
        return FileSystemError(
            "the environment cannot be written", details=details, suggestion="--venv with a folder that you may write", code="MLPS-E411"
        )
    unknown = UNKNOWN.search(text)
    if unknown is not None:
        return DependencyError(
            f"the index has no {unknown.group(1)} for this Python and machine",
            details=details,
            suggestion="MLPS_TORCH_SOURCE names the index URL or wheel folder for torch, PIP_INDEX_URL the index for the rest",
            code="MLPS-E203",
        )
    if returncode < 0:
        return DependencyError(
            f"pip was ended by signal {-returncode}",
            details=details,
            suggestion="if the machine ran out of memory, try again alone",
            code="MLPS-E202",
        )
    return DependencyError(
        "pip failed", details=details, suggestion="the lines above are pip's own; the same command can be run by hand", code="MLPS-E202"
    )


def run_pip(python: str, arguments: Sequence[str], *, title: str, log: Path | None, in_venv: bool, held: tuple[int, ...] = ()) -> None:
    """Run ``python -m pip`` with ``arguments``: one line each 20 s, and all output in ``log``.

    ``held`` are file descriptors whose locks pip shares, so that they outlive us if we are killed.
    Raises ``DependencyError`` or ``FileSystemError`` with the command and pip's last lines.
    """
    command = [python, "-m", "pip", *arguments]
    environment = {
        **os.environ,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PYTHONUNBUFFERED": "1",
    }
    if in_venv:
        environment["PIP_USER"] = "0"  # a pip.conf with user=true would make every install into a venv fail
    say(f"  {title}")
    started = time.monotonic()
    lines: deque[str] = deque(maxlen=400)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        pass_fds=held,
    ) as process:
        reader = threading.Thread(target=_keep, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            returncode = _wait(process, lines, started)
        except BaseException:
            process.terminate()
            raise
        reader.join(timeout=10)
    if log is not None:
        _append(log, command, lines)
    if returncode != 0:
        raise explain(command, returncode, list(lines))
    say(f"    done in {time.monotonic() - started:.0f} s")


def _wait(process: subprocess.Popen[str], lines: Sequence[str], started: float) -> int:
    while True:
        try:
            return process.wait(timeout=HEARTBEAT_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"    {time.monotonic() - started:.0f} s: {lines[-1].strip()[:100] if lines else 'pip has said nothing yet'}")


def _keep(stream: IO[str] | None, lines: deque[str]) -> None:
    assert stream is not None
    lines.extend(line.rstrip("\n") for line in stream)


def _append(log: Path, command: Sequence[str], lines: Iterable[str]) -> None:
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ {shlex.join(command)}\n" + "".join(f"{line}\n" for line in lines))
    except OSError as error:  # pip's own failure, such as a full disk, is the message; a missing log must not replace it
        say(f"    no log in {log}: {error}")
