"""Which code runs here and where it came from: the folders of our package and of the engines, and the commit they are at."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest_mlpstorage
from pytest_mlpstorage.dlio.flavour import package_folder

__all__ = ["TOOL", "running_code", "tool_commit"]

TOOL: Final = "pytest-mlpstorage"
"""Name of the distribution."""

_PACKAGE: Final = Path(pytest_mlpstorage.__file__).resolve().parent
_GIT_SECONDS: Final = 10.0


def running_code(workload: Any) -> tuple[Path, ...]:
    """Packages and modules whose code a step of this workload runs: ours, DLIO's where it is installed, and a third party's own.

    What they import from elsewhere (MPI, torch) is no benchmark code; its versions stand in the metadata.
    """
    found = [_PACKAGE]
    dlio = package_folder()
    if dlio is not None:
        found.append(dlio)
    top = type(workload).__module__.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if top != _PACKAGE.name and file:
        path = Path(file)
        found.append(path.parent if path.name == "__init__.py" else path)
    return tuple(found)


@functools.cache
def tool_commit() -> tuple[str | None, str]:
    """The commit that our package is at, and how that is known (``direct-url``, ``runtime``, ``unknown``).

    An installation from a repository says it (PEP 610), a clone is asked. Changed files are no commit: then there is none.
    """
    try:
        recorded = json.loads(metadata.distribution(TOOL).read_text("direct_url.json") or "{}")
        commit = recorded.get("vcs_info", {}).get("commit_id")
        if commit:
            return str(commit), "direct-url"
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        pass  # nothing is recorded; the clone may know
    clone = _PACKAGE.parent
    if not (clone / ".git").exists():
        return None, "unknown"
    head = _git(clone, "rev-parse", "HEAD")
    changed = _git(clone, "status", "--porcelain", "--", _PACKAGE.name)
    return (head, "runtime") if head and changed == "" else (None, "unknown")


def _git(clone: Path, *arguments: str) -> str | None:
    """What git says, None where it is not there or fails."""
    command = ["git", "-C", str(clone), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, stdin=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
