"""In what order leaves leave the tree: what rests on another goes first, so that an end in between leaves no run without its data."""

from pathlib import Path

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.superseded import supersede

RESULT = "closed/acme/results/fastfs/training/unet3d"
LEAVES = (f"{RESULT}/datagen/20260713_080000", f"{RESULT}/run/20260713_081000", f"{RESULT}/run/20260713_082000")
TABLE = f"{RESULT}/run/results.json"


@pytest.fixture
def tree(tmp_path):
    for leaf in LEAVES:
        (tmp_path / leaf).mkdir(parents=True)
        (tmp_path / leaf / "summary.json").write_text("{}")
    (tmp_path / TABLE).write_text("[]")
    return tmp_path


def moved_until(tree, monkeypatch, most):
    """Set all aside, where the disk takes no more than so many; what is left in the tree."""
    left, rename = most, Path.rename

    def full(path, target):
        nonlocal left
        if path.is_relative_to(tree / "closed"):
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(FileSystemError, match="cannot set a leaf aside"):
        supersede(tree, dict.fromkeys(LEAVES, "asked for"), tables=[TABLE])
    return [path for path in (*LEAVES, TABLE) if (tree / path).exists()]


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_an_end_in_between_leaves_what_the_rest_stands_on(tree, monkeypatch, most):
    assert moved_until(tree, monkeypatch, most) == [*LEAVES, TABLE][: 4 - most]


def test_all_lies_aside_under_its_old_path(tree):
    home = supersede(tree, dict.fromkeys(LEAVES, "asked for"), tables=[TABLE])
    assert [(home / path).exists() for path in (*LEAVES, TABLE)] == [True] * 4
    assert [path for path in (*LEAVES, TABLE) if (tree / path).exists()] == []
