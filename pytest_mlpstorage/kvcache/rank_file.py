"""The file of one rank: the official view under the official names, and ours in the one key ``mlps``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.atomic import file_system_error, write_json

__all__ = ["BLOCK", "rank_file_path", "write_rank_file"]

BLOCK: Final = "mlps"
"""The one key of ours in a file of the official schema."""


def rank_file_path(leaf: Path, option: int, trial: int, rank: int, run_datetime: str) -> Path:
    """Where the file of a rank stands in a run's leaf."""
    return leaf / f"option_{option}" / f"trial_{trial}" / f"rank_{rank}" / f"kvcache_results_{run_datetime}.json"


def write_rank_file(path: Path, official: Mapping[str, Any], block: Mapping[str, Any]) -> None:
    """Write the file at once, with its directory. Raises FileSystemError; ValidationError where a rank wrote its results before.

    One rank has one file in one trial: a second start of a pass must clear away the first one's.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier = sorted(found.name for found in path.parent.glob("kvcache_results_*.json"))
    except OSError as error:
        raise file_system_error("cannot make the directory of a rank's results", path.parent, error) from error
    if earlier:
        raise ValidationError(
            "a rank has written its results before", details={"directory": path.parent, "file": earlier[0]}, code="MLPS-E610"
        )
    write_json(path, {**official, BLOCK: dict(block)})
