"""Keys under which this plugin keeps its objects in ``config.stash``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from contextlib import ExitStack

    from pytest_mlpstorage.report.compare_with import Comparer
    from pytest_mlpstorage.results.tree import Tree
    from pytest_mlpstorage.rules import Profile
    from pytest_mlpstorage.session import BenchmarkSession

__all__ = ["COMPARER", "LOCKS", "PROFILE", "SESSION", "TREE", "TREE_ROOT"]

SESSION: pytest.StashKey[BenchmarkSession] = pytest.StashKey()
TREE_ROOT: pytest.StashKey[Path] = pytest.StashKey()
TREE: pytest.StashKey[Tree] = pytest.StashKey()
LOCKS: pytest.StashKey[ExitStack] = pytest.StashKey()
PROFILE: pytest.StashKey[Profile] = pytest.StashKey()
COMPARER: pytest.StashKey[Comparer] = pytest.StashKey()
