"""Folders of ranks that could not remove them: of one that was killed, by those who outlive it or by whoever launched it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME, RankDirectory

__all__ = ["main", "remove_leftovers"]


def remove_leftovers(cache: str | os.PathLike[str], ranks: int) -> list[str]:
    """Remove the marked folders of so many ranks that no process holds; what is said of those that stay."""
    left = []
    for rank in range(ranks):
        folder = Path(cache) / f"rank_{rank}"
        try:
            marked = (folder / TOKEN_NAME).is_file()
        except OSError as error:
            left.append(f"nobody can see what is in {folder}: {error.strerror}")
            continue
        if not marked:
            continue
        try:
            with RankDirectory(cache, rank):
                pass
        except FileSystemError as error:
            left.append(f"{error.message}: {error.cause}" if error.cause else error.message)
            continue
        with contextlib.suppress(OSError):  # somebody has put something there since
            folder.rmdir()
    return left


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m pytest_mlpstorage.kvcache.leftovers CACHE RANKS``: the same on the host that it runs on, a line for each that stays.

    Exit code 0 means that it has looked, whatever it found: another one would end those that still look on other hosts.
    """
    cache, ranks = sys.argv[1:] if argv is None else argv
    left = remove_leftovers(cache, int(ranks))
    sys.stdout.write("".join(f"{socket.gethostname()}: {line}\n" for line in left))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
