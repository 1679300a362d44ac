"""The pool holds what leaves name: no less, and no more."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "rules"))

from package_tree import IMAGE, OTHER, PackageTree

from pytest_mlpstorage.results.pool_upkeep import settle_pool
from pytest_mlpstorage.rules import evaluate


@pytest.fixture
def tree(tmp_path):
    return PackageTree.write(tmp_path / "results")


def orphans(tree):
    return [f for e in evaluate(tree.read()) if e.rule.id == "CHECK-03" for f in e.findings]


def test_a_pool_in_order_is_left_alone(tree):
    assert settle_pool(tree.root) == ()
    assert tree.image.is_dir()


def test_an_image_that_no_leaf_names_any_more_is_set_aside_and_kept(tree):
    (tree.root / "code-images/code-01234567").mkdir()
    (tree.root / "code-images/code-01234567/a.py").write_text("x")
    assert len(orphans(tree)) == 1
    assert settle_pool(tree.root) == ("code-01234567",)
    assert orphans(tree) == []
    assert (tree.root / ".mlps/retired-code/code-01234567/a.py").read_text() == "x"


def test_an_image_that_is_named_again_comes_back(tree):
    pointers = {leaf / ".mlps-code-image": (leaf / ".mlps-code-image").read_text() for leaf in tree.all_leaves}
    for path in pointers:
        path.write_text(f"md5-tree-v2:{OTHER}")
    assert settle_pool(tree.root) == (IMAGE,)
    assert not tree.image.exists()
    for path, text in pointers.items():
        path.write_text(text)
    assert settle_pool(tree.root) == (IMAGE,)
    assert tree.image.is_dir()


def test_an_image_that_only_experiments_name_stays(tree):
    (tree.root / "closed").rename(tree.root / "whatif")
    assert settle_pool(tree.root) == ()


def test_an_image_that_is_retired_a_second_time_overwrites_nothing(tree):
    for content in ("first", "second"):
        (tree.root / "code-images/code-01234567").mkdir()
        (tree.root / "code-images/code-01234567/a.py").write_text(content)
        settle_pool(tree.root)
    kept = sorted(path.read_text() for path in (tree.root / ".mlps/retired-code").rglob("a.py"))
    assert kept == ["first", "second"]


def test_a_pool_of_somebody_else_is_left_alone(tree):
    (tree.root / "acme/code-01234567").mkdir(parents=True)
    (tree.root / "acme/.mlps-image-pool").touch()
    assert settle_pool(tree.root) == ()


def test_a_pointer_to_an_image_that_is_nowhere_changes_nothing(tree):
    (tree.run / ".mlps-code-image").write_text(f"md5-tree-v2:{OTHER}")
    assert settle_pool(tree.root) == ()


def test_an_empty_directory_is_no_error(tmp_path):
    assert settle_pool(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_retired_as_it_was_before_is_kept_once(tree):
    for _ in range(3):
        (tree.root / "code-images/code-01234567").mkdir()
        (tree.root / "code-images/code-01234567/a.py").write_text("x")
        assert settle_pool(tree.root) == ("code-01234567",)
    assert [path.name for path in (tree.root / ".mlps/retired-code").iterdir()] == ["code-01234567"]
    assert not (tree.root / "code-images/code-01234567").exists()
