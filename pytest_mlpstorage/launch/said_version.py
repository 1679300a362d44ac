"""What a launcher's program says of its own version: how launchers are told apart."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path
from typing import Final

from pytest_mlpstorage.errors import MPIError

__all__ = ["require_version", "said_version"]

_SECONDS: Final = 15.0


def said_version(executable: Path, pattern: re.Pattern[str]) -> str:
    """The first group of ``pattern`` in what ``executable --version`` prints; empty where the program is another one.

    Bounded, since whatever bears that name may hang.
    """
    try:
        match = pattern.search(_said(str(executable), executable.stat().st_mtime))
    except OSError:
        return ""
    return match[1] if match else ""


def require_version(executable: Path, pattern: re.Pattern[str], whose: str) -> str:
    """The same; MPIError where the program, which said one when it was found, no longer does."""
    version = said_version(executable, pattern)
    if not version:
        raise MPIError(
            f"{executable} does not say that it is {whose}",
            details={"asked": f"{executable} --version"},
            suggestion="run that command; a broken module or a removed environment shows there",
            code="MLPS-E340",
        )
    return version


@functools.lru_cache(maxsize=16)
def _said(executable: str, _modified: float) -> str:
    try:
        done = subprocess.run(
            [executable, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
