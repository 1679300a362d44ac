"""What was read of a leaf is read once, and forgotten when other leaves were."""

from pathlib import Path

from pytest_mlpstorage.results.records import Leaf
from pytest_mlpstorage.rules.leaf_memory import LeafMemory


def leaves(count):
    return [Leaf(path=Path("/x"), relpath="x", name="x", phase="run") for _ in range(count)]


def test_a_leaf_is_read_once_and_an_equal_one_on_its_own():
    asked = []
    memory = LeafMemory(lambda _leaf, root: asked.append(root) or len(asked), kept=4)
    one, other = leaves(2)
    assert [memory.of(one, Path("/a")), memory.of(one, Path("/a")), memory.of(other, Path("/b")), memory.of(one, Path("/a"))] == [
        1,
        1,
        2,
        1,
    ]
    assert asked == [Path("/a"), Path("/b")]


def test_the_leaf_that_was_asked_for_longest_ago_is_forgotten():
    asked = []
    memory = LeafMemory(lambda leaf, _root: asked.append(leaf), kept=2)
    first, second, third = leaves(3)
    for leaf in (first, second, first, third, first):
        memory.of(leaf, Path("/"))
    assert [id(leaf) for leaf in asked] == [id(first), id(second), id(third)]
    memory.of(second, Path("/"))
    assert len(asked) == 4


def test_what_is_nothing_is_remembered_too():
    asked = []
    memory = LeafMemory(lambda leaf, _root: asked.append(leaf), kept=2)
    (leaf,) = leaves(1)
    assert memory.of(leaf, Path("/")) is None
    assert memory.of(leaf, Path("/")) is None
    assert len(asked) == 1
