"""Packages that each rule on them passes and that it fails: the valid package, changed in one place."""

import os
import shutil

from package_tree import DIGEST, IMAGE, OTHER, PackageTree

from pytest_mlpstorage.results.records import Package

SUBJECT = Package
write = PackageTree.write


def valid(tree):
    """Leave the tree as it is."""


def several(*bends):
    def bend(tree):
        for one in bends:
            one(tree)

    return bend


def pool_of_acme(tree):
    (tree.root / "code-images").rename(tree.root / "acme")


def a_top_file(tree):
    (tree.root / "ApparentProblems.md").write_text("none")


def an_image(name=f"code-{OTHER[:8]}", pool="code-images"):
    return lambda tree: (tree.root / pool / name).mkdir(parents=True)


def mark(pool):
    def bend(tree):
        (tree.root / pool).mkdir(exist_ok=True)
        (tree.root / pool / ".mlps-image-pool").write_text("")

    return bend


def unmark(pool="code-images"):
    return lambda tree: (tree.root / pool / ".mlps-image-pool").unlink()


def point(text, leaf=None):
    """Rewrite the pointer of one leaf, the first run where none is named."""
    return lambda tree: ((leaf(tree) if leaf else tree.run) / ".mlps-code-image").write_text(text)


def no_pointer(tree):
    (tree.run / ".mlps-code-image").unlink()


def no_pool(tree):
    shutil.rmtree(tree.root / "code-images")


def rename_submitter(tree):
    tree.submission.rename(tree.submission.with_name("ACME"))


def in_whatif(bend):
    """Move all leaves of checkpointing into whatif and bend one of them there."""

    def moved(tree):
        place = tree.root / "whatif/acme/results/fastfs"
        place.mkdir(parents=True)
        (tree.system / "checkpointing").rename(place / "checkpointing")
        bend(next((place / "checkpointing/llama3-8b").glob("2*")))

    return moved


def rewrite(name, content):
    return lambda tree: (tree.image / name).write_bytes(content)


def add(name, content=b"x"):
    def bend(tree):
        (tree.image / name).parent.mkdir(parents=True, exist_ok=True)
        (tree.image / name).write_bytes(content)

    return bend


def old_edition(tree):
    tree.edit_manifest(lambda m: m.update(rules_edition="2.0"))
    other = tree.root / "closed" / "newer" / "results" / "fastfs" / "kv_cache" / "llama3.1-8b" / "run" / "20260721_102236"
    shutil.copytree(tree.leaves("kv_cache")[0], other)


def no_divisions(tree):
    (tree.root / "closed").rename(tree.root / "whatif")


PASSING = {
    "2.1.2": [
        valid,
        pool_of_acme,
        a_top_file,
        lambda t: (t.root / ".github").mkdir(),
        lambda t: (t.root / "._closed").mkdir(),
        mark("someone-else"),
        lambda t: (t.root / "open" / "acme").mkdir(parents=True),
        lambda t: (t.root / ".latest").symlink_to("closed"),
        lambda t: (t.submission / "latest").symlink_to("results"),
    ],
    "CHECK-01": [
        valid,
        pool_of_acme,
        several(pool_of_acme, rename_submitter),
        lambda t: (t.root / "code-images").rename(t.root / "acme_limited"),
        several(pool_of_acme, mark("code-images")),
        point(f"md5-tree-v1:{DIGEST}"),
        point(f"md5-tree-v2:{DIGEST}\n"),
        in_whatif(lambda leaf: (leaf / ".mlps-code-image").unlink()),
        in_whatif(lambda leaf: (leaf / ".mlps-code-image").write_text(f"md5-tree-v2:{OTHER}")),
        several(an_image("code-not-an-image"), an_image(f"code-{DIGEST[:8]}", "acme")),
        old_edition,
        lambda t: (t.image / ".code-hash.json").unlink(),
    ],
    "CHECK-02": [
        valid,
        pool_of_acme,
        lambda t: t.edit_record(git_sha=None),
        lambda t: t.edit_record(algorithm="md5-tree-v1"),
        lambda t: t.edit_record(captured_at="2026-07-13T08:32:22.123456Z"),
        add("build/out.o"),
        add("src/__pycache__/main.pyc"),
        add("Thumbs.db"),
        lambda t: (t.image / "link").symlink_to("src"),
        no_pool,
    ],
    "CHECK-03": [
        valid,
        lambda t: [(leaf / ".mlps-code-image").unlink() for leaf in t.all_leaves if "datasize" not in str(leaf)],
        lambda t: (t.root / "closed").rename(t.root / "open"),
        no_pool,
    ],
    "CHECK-04": [
        valid,
        pool_of_acme,
        no_pool,
        lambda t: (t.root / "code-images" / "code").write_text("a file"),
        lambda t: (t.root / "docs" / "code-style").mkdir(parents=True),
    ],
}

FAILING = {
    "2.1.2": [
        (no_divisions, "[2.1.2] the package holds no division directory; required closed or open; in ."),
        (
            lambda t: (t.root / "closed").rename(t.root / "Closed"),
            "[2.1.2] a division directory is not written in lower case (closed); measured Closed; required closed, open, code-images or a directory with .mlps-image-pool; in Closed",
        ),
        (
            lambda t: (t.root / "Open").mkdir(),
            "[2.1.2] a division directory is not written in lower case (open); measured Open; required closed, open, code-images or a directory with .mlps-image-pool; in Open",
        ),
        (
            lambda t: (t.root / "scripts").mkdir(),
            "[2.1.2] the package holds a directory that is no part of one; measured scripts; required closed, open, code-images or a directory with .mlps-image-pool; in scripts",
        ),
        (lambda t: (t.root / "Code-Images").mkdir(), "no part of one"),
        (
            several(pool_of_acme, unmark("acme")),
            "[2.1.2] a directory of code images at the top of the package has no .mlps-image-pool; measured acme; required closed, open, code-images or a directory with .mlps-image-pool; in acme",
        ),
        (lambda t: (t.root / "open").write_text("x"), "[2.1.2] a division is no directory; measured open; required a directory; in open"),
        (
            lambda t: (t.root / "open").symlink_to("closed"),
            "[2.1.2] a directory at the top of the package is a symbolic link to a directory; not followed; required a directory of files; in open",
        ),
        (lambda t: (t.root / "more").symlink_to("/tmp"), "in more"),
        (
            lambda t: (t.root / "whatif").mkdir(),
            "[2.1.2] the package holds experiments, which are no part of a submission; measured whatif; required to be left out when it is submitted; in whatif",
        ),
    ],
    "CHECK-01": [
        (
            no_pointer,
            "[CHECK-01] a leaf does not name its code image; required .mlps-code-image; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000",
        ),
        (lambda t: [(leaf / ".mlps-code-image").unlink() for leaf in t.all_leaves], "(×12)"),
        (lambda t: (t.leaves("training", "datasize")[0] / ".mlps-code-image").unlink(), "training/unet3d/datasize/"),
        (lambda t: (t.leaves("training", "datagen")[0] / ".mlps-code-image").unlink(), "training/unet3d/datagen/"),
        (lambda t: (t.leaves("checkpointing")[0] / ".mlps-code-image").unlink(), "checkpointing/llama3-8b/2"),
        (lambda t: (t.leaves("vector_database", "datagen")[0] / ".mlps-code-image").unlink(), "DISKANN/datagen/"),
        (lambda t: (t.leaves("kv_cache")[0] / ".mlps-code-image").unlink(), "kv_cache/llama3.1-8b/run/"),
        (
            point(""),
            "[CHECK-01] a leaf names its code image in no known form; measured ; required md5-tree-v2:<32 hexadecimal digits>; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/.mlps-code-image",
        ),
        (point(DIGEST), "in no known form"),
        (point(f"sha256:{DIGEST}"), "in no known form; measured sha256"),
        (point(f"md5-tree-v2:{DIGEST.upper()}"), "in no known form"),
        (point(f"md5-tree-v2:{DIGEST[:-1]}"), "in no known form"),
        (
            point("x" * 5000),
            "[CHECK-01] the file that names the code image of a leaf holds 5000 bytes, more than the 4096 that are read; required md5-tree-v2:<32 hexadecimal digits>; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/.mlps-code-image",
        ),
        (
            several(no_pointer, lambda t: (t.run / ".mlps-code-image").mkdir()),
            "[CHECK-01] the file that names the code image of a leaf is no regular file; required md5-tree-v2:<32 hexadecimal digits>; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/.mlps-code-image",
        ),
        (
            several(no_pointer, lambda t: (t.run / ".mlps-code-image").symlink_to("/etc/passwd")),
            "[CHECK-01] the file that names the code image of a leaf lies out of the tree; not read; required md5-tree-v2:<32 hexadecimal digits>; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/.mlps-code-image",
        ),
        (several(no_pointer, lambda t: os.mkfifo(t.run / ".mlps-code-image")), "no regular file"),
        (
            point(f"md5-tree-v2:{OTHER}"),
            "[CHECK-01] a leaf names a code image that is in no pool; measured 0123456789abcdef0123456789abcdef; required code-01234567; in closed/acme/results/fastfs/training/unet3d/run/20260713_081000/.mlps-code-image",
        ),
        (
            several(
                pool_of_acme,
                rename_submitter,
                lambda t: point(f"md5-tree-v2:{OTHER}", lambda _: next((t.root / "closed").rglob("run/2*")))(t),
            ),
            "in no pool",
        ),
        (
            no_pool,
            "[CHECK-01] there is no pool of code images for acme; measured 12 leaves that name an image; required code-images/ or acme/ with .mlps-image-pool at the top of the package; in .",
        ),
        (lambda t: (t.image).rename(t.image.with_name("code-00000000")), "in no pool"),
        (
            point(f"md5-tree-v2:{DIGEST[:8]}{OTHER[8:]}"),
            "[CHECK-01] the code image that a leaf names by its first digits is another one; measured 6a657f89b2fd42697f74fca3edced82f; required 6a657f8989abcdef0123456789abcdef; in code-images/code-6a657f89/.code-hash.json:hash",
        ),
        (
            in_whatif(lambda leaf: (leaf / ".mlps-code-image").unlink()),
            "[CHECK-01] a leaf does not name its code image; required .mlps-code-image; in whatif/acme/results/fastfs/checkpointing/llama3-8b/20260721_000424",
        ),
    ],
    "CHECK-02": [
        (
            rewrite("src/main.py", b"print('cheat')\n"),
            "[CHECK-02] the files of a code image do not have the hash that its record states; measured md5-tree-v2:aa4105edc70fc385baff90d09f5976a8; required md5-tree-v2:6a657f89b2fd42697f74fca3edced82f; in code-images/code-6a657f89",
        ),
        (add("src/more.py"), "do not have the hash"),
        (lambda t: (t.image / "pyproject.toml").unlink(), "do not have the hash"),
        (lambda t: (t.image / "src/main.py").rename(t.image / "src/Main.py"), "do not have the hash"),
        (several(lambda t: t.edit_record(algorithm="md5-tree-v1"), add("more")), "required md5-tree-v1:"),
        (
            lambda t: (t.image / ".code-hash.json").unlink(),
            "[CHECK-02] a code image has no record; required .code-hash.json; in code-images/code-6a657f89",
        ),
        (
            rewrite(".code-hash.json", b"{"),
            "[CHECK-02] the record of a code image is no JSON: ",
        ),
        (
            rewrite(".code-hash.json", b"[]"),
            "[CHECK-02] the record of a code image holds a JSON list, not an object; required .code-hash.json; in code-images/code-6a657f89/.code-hash.json",
        ),
        (
            lambda t: t.edit_record(hash=None),
            "[CHECK-02] the record of a code image gives no hash by a known algorithm; measured md5-tree-v2:None; required md5-tree-v2:<32 hexadecimal digits>; in code-images/code-6a657f89/.code-hash.json:hash",
        ),
        (lambda t: t.edit_record(hash=DIGEST.upper()), "no hash by a known algorithm"),
        (lambda t: t.edit_record(hash=[DIGEST]), "no hash by a known algorithm"),
        (lambda t: t.edit_record(algorithm="sha1"), "measured sha1:"),
        (lambda t: t.edit_record(algorithm=None), "no hash by a known algorithm"),
        (
            lambda t: t.image.rename(t.image.with_name(f"code-{OTHER[:8]}")),
            "[CHECK-02] a code image is not named for its hash; measured code-01234567; required code-6a657f89; in code-images/code-01234567",
        ),
        (an_image("code-more"), "code-images/code-more"),
        (
            lambda t: t.edit_record(captured_at="2026-07-13T08:32:22"),
            "[CHECK-02] the record of a code image is not complete; measured 2026-07-13T08:32:22; required an ISO 8601 time in UTC, with Z; in code-images/code-6a657f89/.code-hash.json:captured_at",
        ),
        (lambda t: t.edit_record(captured_at="yesterdayZ"), "captured_at"),
        (lambda t: t.edit_record(captured_at=None), "captured_at"),
        (
            lambda t: t.edit_record(mlpstorage_version=None),
            "[CHECK-02] the record of a code image is not complete; required the version of the tool; in code-images/code-6a657f89/.code-hash.json:mlpstorage_version",
        ),
        (
            lambda t: t.edit_record(git_sha="9bbb5de"),
            "[CHECK-02] the record of a code image is not complete; measured 9bbb5de; required 40 hexadecimal digits or null; in code-images/code-6a657f89/.code-hash.json:git_sha",
        ),
        (lambda t: t.edit_record(git_sha=["x"]), "git_sha"),
        (
            lambda t: [shutil.rmtree(t.image / "src"), (t.image / "pyproject.toml").unlink()],
            "[CHECK-02] a code image holds no file; measured md5-tree-v2:d41d8cd98f00b204e9800998ecf8427e; required md5-tree-v2:6a657f89b2fd42697f74fca3edced82f; in code-images/code-6a657f89",
        ),
        (several(pool_of_acme, lambda t: (t.root / "acme" / IMAGE / "more").write_text("x")), "acme/code-"),
        (
            lambda t: os.truncate(t.image / "pyproject.toml", 5 * 1024**3),
            "[CHECK-02] a code image is too large to be hashed here: it holds more bytes than are hashed; required at most 1073741824 bytes in all images; in code-images/code-6a657f89",
        ),
    ],
    "CHECK-03": [
        (
            an_image(),
            "[CHECK-03] a code image is named by no leaf; required a leaf in closed or open that names it; in code-images/code-01234567",
        ),
        (several(mark("acme"), an_image("code-zzz", "acme")), "in acme/code-zzz"),
        (lambda t: [(leaf / ".mlps-code-image").write_text(f"md5-tree-v2:{OTHER}") for leaf in t.all_leaves], "named by no leaf"),
        (lambda t: [(leaf / ".mlps-code-image").unlink() for leaf in t.all_leaves], "named by no leaf"),
        (no_divisions, "named by experiments only, which are no part of a submission"),
        (lambda t: [(leaf / ".mlps-code-image").write_text("damage") for leaf in t.all_leaves], "named by no leaf"),
    ],
    "CHECK-04": [
        (
            unmark(),
            "[CHECK-04] a directory of code images is not marked as a pool; measured 1 images; required .mlps-image-pool; in code-images",
        ),
        (several(pool_of_acme, unmark("acme")), "in acme"),
        (mark("someone"), "[CHECK-04] a pool holds no code image; measured .mlps-image-pool; required code-<hash8>/; in someone"),
        (
            lambda t: (t.submission / "code").mkdir(),
            "[CHECK-04] code stands in the package without a hash, as it did before there were pools; measured code/; required code-images/code-<hash8>/; in closed/acme/code",
        ),
        (lambda t: (t.root / "code").mkdir(), "measured code/; required code-images/code-<hash8>/; in code"),
        (lambda t: (t.root / "code-images" / "code").mkdir(), "in code-images/code"),
    ],
}
