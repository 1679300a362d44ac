"""The rule on the code images that the leaves of one submission name (2.1.6), so that what a package lacks counts for whom it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import BENCHMARKS
from pytest_mlpstorage.results.layout_recognition import division_of
from pytest_mlpstorage.results.provenance import ALGORITHMS, image_name, parse_pointer
from pytest_mlpstorage.results.read_submission import POINTER, leaf_directories, read_pointer
from pytest_mlpstorage.results.records import Submission
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []

_IMAGE = re.compile(r"code-[0-9a-f]{8}", re.ASCII)


@rule("2.1.6", "codeDirectoryContents", subject=Submission, editions=("3.0",))
def code_pointers(submission: Submission, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every datasize, datagen and run leaf of the submission names its code image, one that a pool of the package holds.

    Whether an image is what its name and record say is asked of the package (CHECK-02), which no single submission answers for. Where
    the tree is no package, its pools are not there to be looked into.
    """
    # CHECK-01 asks the same of the whole package and says it once. A tree of many submitters must not pass one of them for that.
    files = TreeFiles(submission.root)
    images = _images(files, submission)
    named: list[str] = []
    leaves = [*_leaves(files, submission)]
    for leaf in leaves:
        text, place = read_pointer(files, leaf), files.relative(leaf)
        pointer = parse_pointer(text or "")
        if text is None:
            yield Finding("a leaf of the submission does not name its code image", required=POINTER, file=place)
        elif pointer is None:
            yield Finding(
                "a leaf of the submission names its code image in no known form",
                measured=shown(text),
                required=f"{ALGORITHMS[0]}:<32 hexadecimal digits>",
                file=f"{place}/{POINTER}",
            )
        elif images is not None and image_name(pointer[1]) not in images:
            yield Finding(
                "a leaf of the submission names a code image that is in no pool of the package",
                required=image_name(pointer[1]),
                file=f"{place}/{POINTER}",
            )
        else:
            named.append(image_name(pointer[1]))
    if len(named) == len(leaves):
        held = "in a pool of the package" if images is not None else "(no package, no pools to look into)"
        different = len(set(named))
        yield Met(f"{len(named)} leaves name {different} image{'' if different == 1 else 's'}", f"an image for each leaf, {held}")


def _leaves(files: TreeFiles, submission: Submission) -> Iterator[Path]:
    for result in submission.results:
        # A system may be named like a benchmark, so the last.
        benchmark = next((part for part in reversed(result.split("/")[:-1]) if part in BENCHMARKS), "")
        for _, leaf in leaf_directories(files, submission.root / result, benchmark):
            yield leaf


def _images(files: TreeFiles, submission: Submission) -> frozenset[str] | None:
    """Names of the images in all pools at the top of the package; None where the tree is no package."""
    if division_of(submission.relpath.partition("/")[0]) is None or "/" not in submission.relpath:
        return None
    top = [name for name in files.listing(submission.root).directories if not name.startswith(".") and division_of(name) is None]
    held = (name for pool in top for name in files.listing(submission.root / pool).directories)
    return frozenset(name for name in held if _IMAGE.fullmatch(name))
