"""Whether the reports that a command line asks for can be written: told at the start, not after hours of measuring."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from stat import S_ISDIR

import pytest

__all__ = ["report_path", "unwritable_reports"]

_FILES = (("--html", "htmlpath"), ("--junitxml", "xmlpath"))
_FOLDERS = (("--mlps-output", "mlps_output"),)


def unwritable_reports(config: pytest.Config) -> list[str]:
    """One line for each report that cannot be written where it was asked for; workers of xdist write none."""
    if hasattr(config, "workerinput"):
        return []
    found = []
    for options, folder in ((_FILES, False), (_FOLDERS, True)):
        for option, name in options:
            given = config.getoption(name, None)
            if given is not None:
                try:
                    why = _why_not(report_path(config, given), folder=folder)
                except RuntimeError:  # pathlib's word for it
                    why = f"there is no home directory for {given.split('/', 1)[0]}"
                found += [f"{option}={given}: {why}"] if why else []
    return found


def report_path(config: pytest.Config, given: str) -> Path:
    """Where a report goes, as pytest takes its own. Raises RuntimeError for the home directory of a user who has none."""
    return config.invocation_params.dir / Path(os.path.expandvars(given)).expanduser()


def _why_not(path: Path, *, folder: bool) -> str:
    """Why nothing can be written at a path; empty where it can. Nothing is left behind."""
    there = path
    try:
        while (mode := _mode(there)) is None:
            there = there.parent
        if there == path and not folder:
            if S_ISDIR(mode):
                return f"{there} is a directory; needed a file"
            return "" if os.access(there, os.W_OK) else f"{there} cannot be written"
        if not S_ISDIR(mode):
            return f"{there} is no directory"
        with tempfile.TemporaryFile(dir=there):  # rights alone do not tell: root has them all on a read-only filesystem too
            return ""
    except OSError as error:
        return f"{there} cannot be written: {error.strerror}"


def _mode(path: Path) -> int | None:
    """Kind of what is at a path; None where nothing is, also because what should be a folder above it is none."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
