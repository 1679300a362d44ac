"""The valid package that the tests of rules are made with, as a results tree."""

import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.package.__main__ import main

sys.path.insert(0, str(Path(__file__).parents[1] / "rules"))


@pytest.fixture
def tree(tmp_path):
    from package_tree import PackageTree

    return PackageTree.write(tmp_path / "results")


@pytest.fixture
def package(tree, tmp_path, capsys):
    """Run the command; gives exit code, stdout and stderr."""

    def run(*arguments, to="out"):
        code = main([str(tree.root), "--to", str(tmp_path / to), *arguments])
        return code, *capsys.readouterr()

    return run
