"""The hash of a code image: which files, in which order, and what ends the work."""

import hashlib
import os
import time

import pytest

from pytest_mlpstorage.results.tree_hash import MAX_BYTES, MAX_ENTRIES, TreeHash, tree_hash

EMPTY = hashlib.md5(usedforsecurity=False).hexdigest()


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def md5(*parts):
    return hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()


def test_the_hash_is_over_each_path_and_its_content(tmp_path):
    write(tmp_path, {"b.txt": b"two", "a/c.txt": b"one"})
    assert tree_hash(tmp_path) == TreeHash(md5(b"a/c.txt", b"one", b"b.txt", b"two"), files=2, size_bytes=6)


def test_an_empty_directory_has_the_hash_of_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    assert tree_hash(tmp_path) == TreeHash(EMPTY)


def test_the_order_is_that_of_the_bytes_of_the_whole_path(tmp_path):
    names = ["a.b", "a/b", "a-b", "B", "é", "z", "a/B", "aa"]
    write(tmp_path, dict.fromkeys(names, b""))
    assert tree_hash(tmp_path).digest == md5(*(name.encode() for name in ["B", "a-b", "a.b", "a/B", "a/b", "aa", "z", "é"]))


def test_a_name_that_is_no_text_is_hashed_as_its_bytes(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff", "wb") as file:  # noqa: PTH123 - a path that is no text
        file.write(b"x")
    assert tree_hash(tmp_path).digest == md5(b"\xff", b"x")


def test_a_file_longer_than_a_chunk_is_hashed_whole(tmp_path):
    content = os.urandom(3 * 1024**2 + 17)
    write(tmp_path, {"large": content})
    assert tree_hash(tmp_path).digest == md5(b"large", content)


@pytest.mark.parametrize("depth", ["", "src/deep/"])
@pytest.mark.parametrize(
    "directory",
    ".git .idea .vscode .claude .agent .agents .roo .planning .gsd-tmp __pycache__ .pytest_cache .venv node_modules build dist .tox test tests mlpstorage.egg-info .egg-info".split(),  # noqa: SIM905 - as the rules list them
)
def test_development_leftovers_are_left_out_at_any_depth(tmp_path, directory, depth):
    write(tmp_path, {f"{depth}{directory}/inner/file": b"x"})
    assert tree_hash(tmp_path).digest == EMPTY


@pytest.mark.parametrize("depth", ["", "src/deep/"])
@pytest.mark.parametrize("name", [".code-hash.json", ".DS_Store", "Thumbs.db", "a.pyc", "a.pyo", ".pyc"])
def test_files_of_machines_are_left_out_at_any_depth(tmp_path, name, depth):
    write(tmp_path, {f"{depth}{name}": b"x"})
    assert tree_hash(tmp_path).digest == EMPTY


@pytest.mark.parametrize(
    "name",
    [
        "build",
        "test",
        "x.egg-info",
        ".git",
        "Build/x",
        "tests.py",
        "latest/x",
        "egg-info/x",
        "a.py",
        "a.pyc.txt",
        ".DS_store",
        ".gitignore",
        "a.PYC",
        ".mlps-image-pool",
    ],
)
def test_what_only_resembles_a_leftover_is_hashed(tmp_path, name):
    write(tmp_path, {name: b"x"})
    assert tree_hash(tmp_path).digest == md5(name.encode(), b"x")


def test_links_pipes_and_what_lies_behind_them_are_left_out(tmp_path):
    image, outside = tmp_path / "image", tmp_path / "outside"
    write(tmp_path, {"image/a": b"x", "outside/secret": b"y"})
    (image / "directory").symlink_to(outside)
    (image / "file").symlink_to(image / "a")
    (image / "loop").symlink_to("loop")
    (image / "gone").symlink_to("nowhere")
    os.mkfifo(image / "pipe")
    assert tree_hash(image).digest == md5(b"a", b"x")


def test_a_directory_that_is_not_there_has_no_hash(tmp_path):
    hashed = tree_hash(tmp_path / "gone")
    assert (hashed.digest, hashed.too_large) == (None, False)
    assert "cannot be read: No such file" in hashed.problem


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write(tmp_path, {"a": b"one", "src/b": b"x"})
    real = os.open

    def refuse(path, *args, **kwargs):
        if os.fsencode(path).endswith(b"src/b"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    assert tree_hash(tmp_path) == TreeHash(None, 2, 3, "src/b cannot be read: Permission denied")


def test_what_became_a_pipe_since_it_was_listed_is_not_waited_for(tmp_path, monkeypatch):
    write(tmp_path, {"a": b"x", "b": b"y"})
    real = os.open

    def swap(path, *args, **kwargs):
        if os.fsencode(path).endswith(b"/a"):
            os.unlink(path)  # noqa: PTH108 - the path is bytes
            os.mkfifo(path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swap)
    assert tree_hash(tmp_path).digest == md5(b"a", b"b", b"y")


@pytest.mark.parametrize(("bound", "passes"), [(3, True), (2, False)])
def test_files_and_directories_are_counted(tmp_path, bound, passes):
    write(tmp_path, {"src/a": b"x", "b": b"y"})
    hashed = tree_hash(tmp_path, max_entries=bound)
    if passes:
        assert hashed.digest == md5(b"b", b"y", b"src/a", b"x")
    else:
        assert hashed == TreeHash(None, problem="holds more than 2 files and directories", too_large=True)


@pytest.mark.parametrize(("bound", "passes"), [(5, True), (4, False)])
def test_bytes_are_counted(tmp_path, bound, passes):
    write(tmp_path, {"a": b"123", "b": b"45"})
    hashed = tree_hash(tmp_path, max_bytes=bound)
    if passes:
        assert hashed == TreeHash(md5(b"a", b"123", b"b", b"45"), 2, 5)
    else:
        assert hashed == TreeHash(None, 2, 3, "holds more bytes than are hashed", too_large=True)


def test_a_file_that_grows_while_it_is_read_is_given_up(tmp_path, monkeypatch):
    write(tmp_path, {"a": b"x" * 100})
    real = os.fstat

    class Short:
        def __init__(self, status):
            self.st_mode, self.st_size = status.st_mode, 0

    monkeypatch.setattr(os, "fstat", lambda descriptor: Short(real(descriptor)))
    assert tree_hash(tmp_path, max_bytes=99).too_large


def test_a_file_of_terabytes_costs_nothing(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2 * 1024**4)
    began = time.perf_counter()
    assert tree_hash(tmp_path).too_large
    assert time.perf_counter() - began < 1


def test_ten_thousand_levels_end_with_a_problem(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(3000):
            os.mkdir("a", dir_fd=here)
            below = os.open("a", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    hashed = tree_hash(tmp_path)
    assert hashed.digest is None
    assert "File name too long" in hashed.problem
    remove_levels(tmp_path)


def remove_levels(root):
    """Paths of 3 000 levels are too long for the clean-up of the temporary directory."""
    while (root / "a").exists():
        parts, path = [], root
        while (path / "a").exists() and len(parts) < 900:
            path /= "a"
            parts.append(path)
        if (path / "a").exists():
            (path / "a").rename(root / "rest")
        for part in reversed(parts):
            part.rmdir()
        if (root / "rest").exists():
            (root / "rest").rename(root / "a")


def test_the_bounds_leave_room_for_any_source_tree():
    assert MAX_ENTRIES >= 100_000
    assert MAX_BYTES >= 1024**3
