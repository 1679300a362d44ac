"""Rules on code images (2.1.6): every leaf names one, each is what its name and its record say, none is left over, none is unhashed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import wall_time
from pytest_mlpstorage.results.provenance import ALGORITHMS, CODE_HASH, CodeHash, image_name, parse_pointer
from pytest_mlpstorage.results.read_submission import POINTER, POOL, POOL_MARKER
from pytest_mlpstorage.results.records import CodeImage, CodePointer, ImagePool, Package
from pytest_mlpstorage.results.tree_hash import MAX_BYTES, TreeHash, tree_hash
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_POINTER_FORM = f"{ALGORITHMS[0]}:<32 hexadecimal digits>"
_NO_IMAGE = NotAsked("no code image", "asked of each in a pool")
_OTHERS = 3
_GIT_SHA = re.compile(r"[0-9a-f]{40}", re.ASCII)


@rule("CHECK-01", "poolPointerResolution", subject=Package, editions=("3.0",))
def pointer_resolution(package: Package, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every datasize, datagen and run leaf names the code image it was run with, and that image stands in a pool of the package.

    The pool is ``code-images``, else the one under the submitter's name. Of a submitter for whom no pool is there at all this is said
    once. What a whatif leaf lacks is said for information.
    """
    without_pool: dict[str, int] = {}
    resolved: list[str] = []
    for pointer in package.pointers:
        for finding in _pointer(package, pointer, without_pool):
            if isinstance(finding, Met):
                resolved.append(str(finding.measured))
                continue
            if pointer.division is Division.WHATIF:
                finding = dataclasses.replace(finding, severity=Severity.INFO, category=Category.CLOSED)
            yield finding
    for problem in package.problems:
        if "/" in problem.file:  # what stands at the top is asked about by rule 2.1.2
            yield NoEvidence(problem.message, problem.file)
    for submitter, leaves in without_pool.items():
        yield Finding(
            f"there is no pool of code images for {submitter}",
            measured=f"{leaves} leaves that name an image",
            required=f"{POOL}/ or {submitter}/ with {POOL_MARKER} at the top of the package",
            file=package.relpath,
        )
    if all(pointer.division is Division.WHATIF for pointer in package.pointers):
        yield NotAsked("no leaf in closed or open", "asked of each")
    elif resolved:
        yield Met(f"{len(resolved)} leaves naming {len(set(resolved))} images", "each names a code image that stands in a pool")


def _pointer(package: Package, pointer: CodePointer, without_pool: dict[str, int]) -> Iterator[Finding | Met]:
    file = f"{pointer.leaf}/{POINTER}"
    if pointer.text is None:
        if pointer.problem:
            yield Finding(f"the file that names the code image of a leaf {pointer.problem}", required=_POINTER_FORM, file=file)
        else:
            yield Finding("a leaf does not name its code image", required=POINTER, file=pointer.leaf)
        return
    parsed = parse_pointer(pointer.text)
    if parsed is None:
        yield Finding("a leaf names its code image in no known form", measured=shown(pointer.text), required=_POINTER_FORM, file=file)
        return
    _, digest = parsed
    pools = _pools_for(package, pointer.submitter)
    images = [image for pool in pools for image in pool.images if image.name == image_name(digest)]
    if not images:
        if any(_nearness(pool, pointer.submitter) < _OTHERS for pool in pools):
            yield Finding("a leaf names a code image that is in no pool", measured=digest, required=image_name(digest), file=file)
        elif pointer.division is not Division.WHATIF:
            without_pool[pointer.submitter] = without_pool.get(pointer.submitter, 0) + 1
    elif all(image.record is not None and image.record.digest != digest for image in images):
        found = images[0].record.digest if images[0].record is not None else None
        yield Finding(
            "the code image that a leaf names by its first digits is another one",
            measured=shown(found),
            required=digest,
            file=f"{images[0].relpath}/{CODE_HASH}",
            field="hash",
        )
    else:
        yield Met(images[0].name, "an image that stands in a pool")


def _pools_for(package: Package, submitter: str) -> list[ImagePool]:
    """The pools in which a submitter's images may stand, in the order in which they are looked into.

    Staff rename directories of submitters after the runs, and not always the pool with them; so after ``code-images`` and the pool
    under the submitter's name, every other pool of the package is looked into. An image is found by its hash, so that another
    submitter's can only be the same code.
    """
    return sorted(package.pools, key=lambda pool: (_nearness(pool, submitter), pool.name))


def _nearness(pool: ImagePool, submitter: str) -> int:
    if pool.name in (POOL, submitter):
        return int(pool.name != POOL)
    return 2 if pool.name.lower() == submitter.lower() else _OTHERS


@rule("CHECK-02", "poolImageSelfConsistency", subject=Package, editions=("3.0",))
def image_self_consistency(package: Package, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A code image is named for the hash that its record states, and that hash is the one of its files.

    The record gives hash and algorithm; where its other fields are missing or are no such values, that is a warning.
    """
    left = MAX_BYTES
    images = [image for pool in package.pools for image in pool.images]
    if not images:
        yield _NO_IMAGE
    for image in images:
        file = f"{image.relpath}/{CODE_HASH}"
        record = image.record
        if record is None:
            what = f"the record of a code image {image.problems[0].message}" if image.problems else "a code image has no record"
            yield Finding(what, required=CODE_HASH, file=file if image.problems else image.relpath)
        elif not record.well_formed:
            yield Finding(
                "the record of a code image gives no hash by a known algorithm",
                measured=f"{shown(record.algorithm)}:{shown(record.digest)}",
                required=_POINTER_FORM,
                file=file,
                field="hash",
            )
        else:
            name = image_name(str(record.digest))
            if image.name != name:
                yield Finding("a code image is not named for its hash", measured=shown(image.name), required=name, file=image.relpath)
            else:
                yield Met(name, "named for its hash")
            yield from _lesser_fields(record, file)
            hashed = tree_hash(package.root / image.relpath, max_bytes=left)
            left -= hashed.size_bytes
            yield from _contents(image, record, hashed)


def _lesser_fields(record: CodeHash, file: str) -> Iterator[Finding | Met]:
    # The rule demands a well-formed record. What decides which code ran is the hash; a wrong date must not cost a submission.
    captured, version, sha = record.captured_at, record.mlpstorage_version, record.git_sha
    is_utc = captured is not None and captured.endswith("Z") and wall_time(captured) is not None
    is_sha = _GIT_SHA.fullmatch(sha) is not None if sha is not None else record.raw.get("git_sha") is None
    for field, value, good, required in (
        ("captured_at", captured, is_utc, "an ISO 8601 time in UTC, with Z"),
        ("mlpstorage_version", version, bool(version), "the version of the tool"),
        ("git_sha", sha, is_sha, "40 hexadecimal digits or null"),
    ):
        if not good:
            yield Finding(
                "the record of a code image is not complete",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=shown(value),
                required=required,
                file=file,
                field=field,
            )
    if is_utc and version and is_sha:
        yield Met(f"mlpstorage {shown(version)}", "a record with UTC time, version, commit or null")


def _contents(image: CodeImage, record: CodeHash, hashed: TreeHash) -> Iterator[Finding | NoEvidence | Met]:
    """Compares the record with the hash of the files."""
    if hashed.digest is None:
        if hashed.too_large:
            yield Finding(
                f"a code image is too large to be hashed here: it {hashed.problem}",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                required=f"at most {MAX_BYTES} bytes in all images",
                file=image.relpath,
            )
        yield NoEvidence(f"the hash of a code image could not be computed: {hashed.problem}", image.relpath)
    elif hashed.digest != record.digest:
        # Conflict C-12: how md5-tree-v1 was computed is described nowhere but as what is now called v2, so both are held to that.
        yield Finding(
            "the files of a code image do not have the hash that its record states" if hashed.files else "a code image holds no file",
            measured=f"{ALGORITHMS[0]}:{hashed.digest}",
            required=f"{record.algorithm}:{record.digest}",
            file=image.relpath,
        )
    else:
        yield Met(f"{hashed.files} files of the recorded hash", "files of the hash that the record states")


@rule("CHECK-03", "poolOrphanCheck", subject=Package, editions=("3.0",))
def orphan_images(package: Package, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every code image of a pool is named by at least one leaf in closed or open.

    One that only experiments name is a warning, as their directory is: it is left out with them when the rest is submitted.
    """
    # In the vocabulary of rule 1.3 a run is one invocation, so a datasize or datagen leaf keeps an image too.
    named: dict[str, bool] = {}  # whether by closed or open
    for pointer in package.pointers:
        parsed = parse_pointer(pointer.text or "")
        if parsed is not None:
            name = image_name(parsed[1])
            named[name] = named.get(name, False) or pointer.division is not Division.WHATIF
    images = [image for pool in package.pools for image in pool.images]
    if not images:
        yield _NO_IMAGE
    kept = sum(named.get(image.name, False) for image in images)
    if kept:
        yield Met(f"{kept} images", "each named by a leaf in closed or open")
    for image in images:
        if named.get(image.name) is False:
            yield Finding(
                "a code image is named by experiments only, which are no part of a submission",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                required="to be left out when it is submitted",
                file=image.relpath,
            )
        elif image.name not in named:
            yield Finding("a code image is named by no leaf", required="a leaf in closed or open that names it", file=image.relpath)


@rule("CHECK-04", "poolLegacyCheck", subject=Package, editions=("3.0",))
def legacy_code(package: Package, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Code stands in pools only: no ``code/`` directory of the older way is left, and a directory of images is marked as a pool.

    A marker without any image is a warning.
    """
    if not package.unhashed_code:
        yield Met("no code/ directory", "code in pools only")
    for relpath in package.unhashed_code:
        yield Finding(
            "code stands in the package without a hash, as it did before there were pools",
            measured=f"{PurePosixPath(relpath).name}/",
            required=f"{POOL}/code-<hash8>/",
            file=relpath,
        )
    for pool in package.pools:
        if pool.images and not pool.marked:
            yield Finding(
                "a directory of code images is not marked as a pool",
                measured=f"{len(pool.images)} images",
                required=POOL_MARKER,
                file=pool.relpath,
            )
        elif pool.images:
            yield Met(f"{len(pool.images)} images", f"{POOL_MARKER} beside images of code")
        elif pool.marked and not pool.images:
            yield Finding(
                "a pool holds no code image",
                severity=Severity.WARNING,
                category=Category.CLOSED,
                measured=POOL_MARKER,
                required="code-<hash8>/",
                file=pool.relpath,
            )
