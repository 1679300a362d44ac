"""A valid tree for the tests of rules."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from training_tree import TrainingTree


@pytest.fixture
def tree(tmp_path):
    return TrainingTree.write(tmp_path / "tree")
