"""How a rank tells how far it is: JSON lines in the file that ``MLPS_PROGRESS`` names, for whoever watches it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.results.atomic import file_system_error

__all__ = ["INTERVAL_SECONDS", "append_line"]

INTERVAL_SECONDS: Final = 1.0
"""Between two lines of the same work."""


def append_line(path: Path | None, fields: Mapping[str, Any]) -> None:
    """Append one line; nothing without a path. FileSystemError where it cannot be written.

    The file stands beside the results: where there is no room for a line of it the results could not be left either.
    """
    if path is None:
        return
    try:
        with path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(fields) + "\n")
    except OSError as error:
        raise file_system_error(f"cannot write {path}: {error.strerror}", path, error) from error
