"""Folders of ranks that could not remove them: of one that was killed, by those who outlive it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME, RankDirectory

__all__ = ["remove_leftovers"]


def remove_leftovers(cache: str | os.PathLike[str], ranks: int) -> list[str]:
    """Remove the marked folders of so many ranks that no process holds; what is said of those that stay."""
    left = []
    for rank in range(ranks):
        folder = Path(cache) / f"rank_{rank}"
        if not (folder / TOKEN_NAME).is_file():
            continue
        try:
            with RankDirectory(cache, rank):
                pass
        except FileSystemError as error:
            left.append(error.message)
            continue
        with contextlib.suppress(OSError):  # somebody has put something there since
            folder.rmdir()
    return left
