"""Leaves that were finished and count no more: moved out of the tree as they are, with the reason, and never deleted.

They go to ``.mlps/superseded/<time>-<model>-<phases>/`` under the path that they had in the tree, so that moving them back undoes it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error, sync_directory, write_json
from pytest_mlpstorage.results.layout import STAGING, parse_result_path
from pytest_mlpstorage.results.writer import REASON

__all__ = ["SUPERSEDED", "supersede"]

SUPERSEDED: Final = "superseded"
"""Directory below ``.mlps`` for finished leaves that count no more."""

_TIMESTAMP_FORMAT: Final = "%Y%m%d_%H%M%S"


def supersede(results_dir: Path, reasons: Mapping[str, str], *, tables: Sequence[str] = (), now: dt.datetime | None = None) -> Path:
    """Move leaves out of the tree: path relative to ``results_dir`` → why. Returns the directory that holds them now.

    ``tables`` are files made from the leaves, which go with them where they are there. The reasons are on disk before the first
    leaf moves; a start that ends in between leaves whole leaves on both sides. Raises FileSystemError.
    """
    now = now or dt.datetime.now()
    place = next((found for path in reasons if (found := parse_result_path(path)) is not None), None)
    words = (place.model, place.phase or place.family) if place is not None else ("leaves",)
    base = results_dir / STAGING / SUPERSEDED
    home = _new(base, "-".join((now.strftime(_TIMESTAMP_FORMAT), *words))[:200])
    moving = [*reasons, *(table for table in tables if (results_dir / table).is_file())]
    write_json(
        home / REASON,
        {
            "time": now.astimezone().isoformat(timespec="seconds"),
            "leaves": [{"leaf": path, "reason": reason} for path, reason in sorted(reasons.items())],
            "undo": "each leaf lies here under the path that it had in the results directory; move it back to have it count again",
        },
    )
    # What rests on another goes first: runs before their data, tables of a run directory before its runs.
    for path in sorted(moving, reverse=True):
        source, target = results_dir / path, home / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            sync_directory(source.parent)
            sync_directory(target.parent)
        except OSError as error:
            raise file_system_error("cannot set a leaf aside", source, error) from error
    return home


def _new(base: Path, name: str) -> Path:
    """A directory of that name that did not exist."""
    number = 1
    while True:
        home = base / (name if number == 1 else f"{name}-{number}")
        try:
            base.mkdir(parents=True, exist_ok=True)
            home.mkdir()
        except FileExistsError:
            if not os.path.lexists(home):
                raise FileSystemError(f"{base} cannot be made: a file has a name in its path", code="MLPS-E412") from None
            number += 1
        except OSError as error:
            raise file_system_error("cannot make a place for what is set aside", home, error) from error
        else:
            return home
