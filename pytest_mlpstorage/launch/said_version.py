"""What a launcher's program says of its own version: how launchers are told apart."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from pytest_mlpstorage.asking import answer
from pytest_mlpstorage.errors import MPIError

__all__ = ["require_version", "said_version"]


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
        return answer([executable, "--version"]).stdout
    except OSError:
        return ""
