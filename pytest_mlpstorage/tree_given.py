"""Results trees that a user names: found and looked through, or one clear message."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import ConfigurationError

if TYPE_CHECKING:
    import pytest

    from pytest_mlpstorage.results.tree import Tree

__all__ = ["tree_given"]

_SHOWN = 20


def tree_given(config: pytest.Config, option: str, given: str) -> Tree:
    """The tree at a path from the command line; raises ConfigurationError where there is none, or no result in it."""
    # The words of os.path: those of pathlib raise for the home of nobody and for a loop of links.
    root = Path(os.path.realpath(config.invocation_params.dir / os.path.expanduser(given)))  # noqa: PTH111
    try:
        why = "" if S_ISDIR(root.stat().st_mode) else "that is a file and no directory"
    except (FileNotFoundError, NotADirectoryError):
        why = "there is no such directory"
    except OSError as error:
        why = f"it cannot be looked at: {error.strerror}"
    if why:
        raise ConfigurationError(f"{option}={given}: {why} ({root})", code="MLPS-E132")
    from pytest_mlpstorage.results.tree import read_tree

    tree = read_tree(root, edition=config.getoption("mlps_edition"))
    if not tree.result_places:
        ignored = "".join(f"\n  {path}: {reason}" for path, reason in tree.ignored[:_SHOWN])
        looked_for = "\n  ".join(tree.looked_for)
        left_out = f"\nleft out:{ignored}" if ignored else ""
        raise ConfigurationError(f"{option}={given}: no result is in {root}; looked for\n  {looked_for}{left_out}", code="MLPS-E132")
    return tree
