"""Packages, submissions and system descriptions as records: what is read of them, and what stands in the way."""

import json
import os

import pytest

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.read_submission import leaf_directories, read_pointer
from pytest_mlpstorage.results.records import CodePointer, Listing
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.verdict import Division

DIGEST = "d8b126b5a33de216f8d98aa0dbe3a46c"
LEAF = "closed/acme/results/fastfs/training/unet3d/run/20260713_090822"


def write(root, name, content=""):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def package(root):
    tree = read_tree(root)
    return tree.load(tree.place("."))


def submission(root):
    tree = read_tree(root)
    return tree.load(next(place for place in tree.places if place.kind == "submission"))


def system(root):
    tree = read_tree(root)
    return tree.load(next(place for place in tree.places if place.kind == "system"))


@pytest.fixture
def root(tmp_path):
    write(tmp_path, f"{LEAF}/training_20260713_090822_metadata.json", {"model": "unet3d", "command": "run"})
    write(tmp_path, f"{LEAF}/.mlps-code-image", f"md5-tree-v2:{DIGEST}")
    return tmp_path


def test_a_pointer_is_read_as_written(root):
    (pointer,) = package(root).pointers
    assert pointer == CodePointer(LEAF, "acme", "run", f"md5-tree-v2:{DIGEST}", Division.CLOSED, "")


def test_an_absent_pointer_is_none_without_a_problem(root):
    (root / LEAF / ".mlps-code-image").unlink()
    assert package(root).pointers == (CodePointer(LEAF, "acme", "run"),)
    assert package(root).problems == ()


def test_a_pointer_that_cannot_be_read_says_why_and_is_no_problem_of_the_tree(root):
    (root / LEAF / ".mlps-code-image").unlink()
    (root / LEAF / ".mlps-code-image").symlink_to("loop")
    (root / LEAF / "loop").symlink_to(".mlps-code-image")
    (pointer,) = package(root).pointers
    assert (pointer.text, pointer.problem) == (None, "is a loop of symbolic links")
    assert package(root).problems == ()


def test_a_pointer_that_is_no_text_is_shown_by_its_bytes(root):
    (root / LEAF / ".mlps-code-image").write_bytes(b"\xffx\n")
    assert package(root).pointers[0].text == "\\xffx"


@pytest.mark.parametrize(("size", "read"), [(4096, True), (4097, False)])
def test_a_pointer_is_short(root, size, read):
    (root / LEAF / ".mlps-code-image").write_text("x" * size)
    assert (package(root).pointers[0].text is not None) is read


def test_a_pointer_in_a_link_to_a_file_of_the_tree_is_read(root):
    (root / LEAF / ".mlps-code-image").rename(root / "pointer")
    (root / LEAF / ".mlps-code-image").symlink_to(root / "pointer")
    assert package(root).pointers[0].text == f"md5-tree-v2:{DIGEST}"


def test_pointers_are_those_of_all_divisions(root):
    for division in ("open", "whatif"):
        write(root, f"{LEAF.replace('closed', division)}/.mlps-code-image", "x")
    assert [pointer.division for pointer in package(root).pointers] == [Division.CLOSED, Division.OPEN, Division.WHATIF]


@pytest.mark.parametrize(
    ("benchmark", "leaves"),
    [
        ("training", {"datasize/20260713_000000", "datagen/20260713_000000", "run/20260713_000000"}),
        ("checkpointing", {"20260713_000000"}),
        ("vector_database", {"datagen/20260713_000000", "run/20260713_000000"}),
        ("kv_cache", {"run/20260713_000000"}),
        ("other", set()),
    ],
)
def test_leaves_are_the_timestamps_where_their_family_has_them(tmp_path, benchmark, leaves):
    for phase in ("", "datasize/", "datagen/", "run/", "more/"):
        for name in ("20260713_000000", "old", "20260713", ".20260713_000001"):
            (tmp_path / f"{phase}{name}").mkdir(parents=True)
        (tmp_path / f"{phase}20260713_000009").write_text("a file")
    found = {path.relative_to(tmp_path).as_posix(): phase for phase, path in leaf_directories(TreeFiles(tmp_path), tmp_path, benchmark)}
    assert found.keys() == leaves
    assert all(phase == (path.partition("/")[0] if "/" in path else "run") for path, phase in found.items())


def test_a_pool_is_the_one_of_the_package_or_one_with_a_marker_or_one_with_an_image(root):
    write(root, "code-images/code-d8b126b5/a")
    write(root, "marked/.mlps-image-pool")
    (root / "unmarked/code-01234567").mkdir(parents=True)
    for name in (
        "none/code-style",
        "none/code-0123456",
        "none/code-012345678",
        "none/xcode-01234567",
        ".hidden/code-01234567",
        "._x/code-01234567",
        "Closed.d/x",
    ):
        (root / name).mkdir(parents=True)
    write(root, "file/code-01234567", "a file")
    (root / "closed/code-01234567/results").mkdir(parents=True)
    pools = package(root).pools
    assert [(pool.name, pool.relpath, pool.marked, [image.name for image in pool.images]) for pool in pools] == [
        ("code-images", "code-images", False, ["code-d8b126b5"]),
        ("marked", "marked", True, []),
        ("unmarked", "unmarked", False, ["code-01234567"]),
    ]


def test_an_empty_pool_of_the_package_is_a_pool(root):
    (root / "code-images").mkdir()
    assert [pool.images for pool in package(root).pools] == [()]


def test_every_directory_that_begins_as_an_image_is_one_in_a_pool(root):
    write(root, "code-images/code-x/.code-hash.json", "{")
    write(root, "code-images/code-01234567/.code-hash.json", {"hash": DIGEST, "algorithm": "md5-tree-v2"})
    (root / "code-images/other").mkdir()
    write(root, "code-images/code-file")
    good, bad = package(root).pools[0].images
    assert (good.relpath, good.record.digest, good.problems) == ("code-images/code-01234567", DIGEST, ())
    assert (bad.name, bad.record) == ("code-x", None)
    assert bad.problems[0].file == "code-images/code-x/.code-hash.json"


def test_an_image_behind_a_link_is_not_one(root):
    (root / "code-images").mkdir()
    (root / "code-images/code-01234567").symlink_to(root / "closed")
    assert package(root).pools[0].images == ()
    assert "symbolic link" in package(root).problems[0].message


def test_code_of_the_older_way_is_found_where_it_stood(root):
    for name in ("code", "closed/acme/code", "code-images/code", "marked/code", "closed/acme/results/code", "other/code"):
        (root / name).mkdir(parents=True)
    write(root, "marked/.mlps-image-pool")
    assert package(root).unhashed_code == ("code", "closed/acme/code", "code-images/code", "marked/code")


def test_code_that_is_a_file_or_a_link_is_no_directory_of_code(root):
    write(root, "code", "x")
    (root / "closed/acme/code").symlink_to(root / "closed")
    assert package(root).unhashed_code == ()


def test_code_of_a_submission_of_an_older_edition_is_as_it_should_be(root):
    (root / "closed/acme/code").mkdir()
    write(root, "closed/acme/submission.yaml", "rules_edition: '2.0'")
    assert package(root).unhashed_code == ()
    assert package(root).submissions == ("closed/acme",)


def test_a_submission_is_read_with_everything_that_stands_directly_in_it(root):
    write(root, "closed/acme/systems/fastfs.yaml", "a: 1")
    write(root, "closed/acme/systems/fastfs.pdf")
    write(root, "closed/acme/submission.yaml", "rules_edition: '3.0'")
    (root / "closed/acme/results/._x").mkdir()
    read = submission(root)
    assert read.entries == Listing(("results", "submission.yaml", "systems"), ("results", "systems"))
    assert read.systems_entries.names == ("fastfs.pdf", "fastfs.yaml")
    assert dict(read.system_entries) == {"fastfs": Listing(("training",), ("training",))}
    assert read.manifest == {"rules_edition": "3.0"}
    assert read.results == ("closed/acme/results/fastfs/training/unet3d",)
    assert [description.name for description in read.systems] == ["fastfs"]
    assert read.below("results", "x") == "closed/acme/results/x"


@pytest.mark.parametrize(
    ("name", "has_pdf"),
    [("fastfs.pdf", True), ("FastFS.PDF", True), ("fastfs.pdf.txt", False), ("._fastfs.pdf", False), ("other.pdf", False)],
)
def test_a_description_knows_whether_a_pdf_stands_beside_it(root, name, has_pdf):
    write(root, "closed/acme/systems/fastfs.yaml", "system_under_test: {solution: {submission_name: fastfs}}")
    write(root, f"closed/acme/systems/{name}")
    read = system(root)
    assert read.has_pdf is has_pdf
    assert read.value("system_under_test.solution.submission_name") == "fastfs"
    assert read.value("system_under_test.solution.other") is None
    assert read.value("system_under_test.solution.submission_name.more") is None


def test_a_name_with_dots_is_not_cut_at_the_first(root):
    write(root, "closed/acme/systems/a-1.1.0-x.4.yaml", "a: 1")
    assert system(root).name == "a-1.1.0-x.4"


@pytest.mark.parametrize("content", ["{", "a: !!python/name:os.system", "&a [*a]", "\x00"])
def test_a_damaged_description_is_none_and_a_problem(root, content):
    write(root, "closed/acme/systems/fastfs.yaml", content)
    read = system(root)
    assert read.document is None
    assert [problem.file for problem in read.problems] == ["closed/acme/systems/fastfs.yaml"]


def test_a_pointer_is_not_read_through_a_pipe(root):
    (root / LEAF / ".mlps-code-image").unlink()
    os.mkfifo(root / LEAF / ".mlps-code-image")
    files = TreeFiles(root)
    assert read_pointer(files, root / LEAF) is None
    assert files.problems[0].message == "is no regular file"
