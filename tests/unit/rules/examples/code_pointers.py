"""Submissions whose leaves name their code images, and such that do not; alone and beside others in one package."""

import shutil

from package_tree import PackageTree

from pytest_mlpstorage.results.records import Submission

SUBJECT = Submission
POINTER = ".mlps-code-image"


def write(root, **written_as):
    return PackageTree.write(root, subject="submission", **written_as)


def valid(tree):
    """Leave the tree as it is."""


def pointer(text, leaf=0):
    return lambda tree: (tree.all_leaves[leaf] / POINTER).write_text(text)


def without(tree):
    for leaf in tree.all_leaves:
        (leaf / POINTER).unlink()


def another_without(tree):
    """A second submission in the package, whose leaves name nothing."""
    shutil.copytree(tree.submission, tree.submission.with_name("zebra"))
    for path in tree.submission.with_name("zebra").rglob(POINTER):
        path.unlink()


PASSING = {
    "2.1.6": [
        valid,
        another_without,
        lambda t: (t.root / "code-images").rename(t.root / "acme"),
        lambda t: (t.all_leaves[0] / POINTER).write_text((t.all_leaves[0] / POINTER).read_text() + "\r\n"),
        # Whether an image is what it says is asked of the package.
        lambda t: (t.image / ".code-hash.json").unlink(),
    ]
}

FAILING = {
    "2.1.6": [
        (without, "a leaf of the submission does not name its code image; required .mlps-code-image; in closed/acme/results/fastfs/"),
        (without, "(×12)"),
        (pointer("md5-tree-v9:" + "0" * 32), "in no known form; measured md5-tree-v9:0"),
        (pointer(""), "in no known form"),
        (pointer("md5-tree-v2:" + "0" * 32), "is in no pool of the package; required code-00000000; in closed/acme/results/"),
        (lambda t: shutil.rmtree(t.root / "code-images"), "is in no pool of the package; required code-"),
        (lambda t: t.image.rename(t.root / "closed" / t.image.name), "is in no pool of the package"),
    ]
}
