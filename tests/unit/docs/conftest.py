"""The pages, the commands in them, and a folder in which those commands find what they name."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy  # noqa: F401 - it can be loaded once a process, and pytester forgets what was first loaded inside of it
import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "rules")]

import training_tree  # noqa: E402 - found by the line above
import whole_tree  # noqa: E402
from written import REPO  # noqa: E402

TREES = ("SUBMISSION", "DIR", "OLD", "NEW", "mlps-results")


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """The folder that a reader stands in, with the trees and the configuration that the pages speak of; all trees are of the same files."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "configs").symlink_to(REPO / "configs")
    shutil.copy(REPO / "README.md", folder)
    (folder / "docs").mkdir()
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    first, *others = TREES
    whole_tree.write_package(folder / first)
    for tree in others:
        shutil.copytree(folder / first, folder / tree, symlinks=True, copy_function=os.link)
    training_tree.TrainingTree.write(folder / "mlps-results", division="whatif", submitter="quick", system="laptop", runs=3)
    shutil.copy(REPO / "configs" / "quick.yaml", folder / "mine.yaml")
    (folder / "kv_cache").symlink_to(REPO / "configs" / "kv_cache")
    return folder


@pytest.fixture
def here(workshop, tmp_path):
    """The workshop for one command. Its trees are only read, so that their files need no copies."""
    folder = tmp_path / "here"
    shutil.copytree(workshop, folder, symlinks=True, ignore=shutil.ignore_patterns(*TREES))
    for tree in TREES:
        shutil.copytree(workshop / tree, folder / tree, symlinks=True, copy_function=os.link)
    return folder


@pytest.fixture
def surroundings():
    """The environment of a command: that of the tests, with the interpreter of the tests before others and no settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLPS_", "PYTEST_"))}
    kept.pop("GITHUB_STEP_SUMMARY", None)
    return {**kept, "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "COLUMNS": "200"}
