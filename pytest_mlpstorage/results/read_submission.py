"""Packages, submissions and system descriptions as records."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pytest_mlpstorage.editions import edition_names
from pytest_mlpstorage.results.files import NO_TEXT, TreeFiles, is_directory, is_text
from pytest_mlpstorage.results.layout import is_noise, is_timestamp
from pytest_mlpstorage.results.manifest import CURRENT_LAYOUT, read_manifest
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.provenance import CODE_HASH, CodeHash
from pytest_mlpstorage.results.records import CodeImage, CodePointer, ImagePool, Listing, Package, Submission, SystemDescription
from pytest_mlpstorage.verdict import Division

__all__ = ["POINTER", "POOL", "POOL_MARKER", "leaf_directories", "read_package", "read_pointer", "read_submission", "read_system"]

POINTER: Final = ".mlps-code-image"
"""File of a leaf that names the code image it was run with."""

POOL_MARKER: Final = ".mlps-image-pool"
"""File of a directory that says that it is a pool of code images."""

POOL: Final = "code-images"
"""The pool of a package; older packages have one pool a submitter, under its name."""

_POINTER_BYTES: Final = 4096
_UNHASHED: Final = "code"
_IMAGE: Final = re.compile(r"code-[0-9a-f]{8}", re.ASCII)
_PHASES: Final = {
    "training": ("datasize", "datagen", "run"),
    "checkpointing": ("",),
    "vector_database": ("datagen", "run"),
    "kv_cache": ("run",),
}


def read_system(place: SubjectPlace, *, root: Path) -> SystemDescription:
    """Read one file of ``systems/``."""
    files, path = TreeFiles(root), root / place.relpath
    if path.suffix.lower() == ".json":
        document: object = files.json_object(path)
    else:
        document = files.yaml_document(path)
    beside = {name.lower() for name in files.listing(path.parent).files if not is_noise(name)}
    return SystemDescription(
        root=root,
        relpath=place.relpath,
        division=place.division,
        submitter=place.submitter,
        name=path.stem,
        edition=place.edition,
        document=document,
        has_pdf=f"{path.stem}.pdf".lower() in beside,
        problems=tuple(files.problems),
    )


def read_submission(
    place: SubjectPlace, *, root: Path, inside: Iterable[SubjectPlace], systems: Iterable[SystemDescription] | None = None
) -> Submission:
    """Read what stands directly below a submission; ``inside`` are the places of its systems and results.

    ``systems`` are the descriptions where they have been read already.
    """
    files, path = TreeFiles(root), root / place.relpath
    within = list(inside)
    if systems is None:
        systems = (read_system(p, root=root) for p in within if p.kind == "system")
    results_entries = files.listing(path / "results")
    system_entries = {name: files.listing(path / "results" / name) for name in results_entries.directories if not is_noise(name)}
    manifest = read_manifest(files, path)
    for unnamed in _no_text(TreeFiles(root), path / "results", system_entries):
        files.complain(unnamed, NO_TEXT)
    return Submission(
        root=root,
        relpath=place.relpath,
        division=place.division,
        submitter=place.submitter,
        edition=place.edition,
        layout=place.layout,
        entries=files.listing(path),
        results_entries=results_entries,
        systems_entries=files.listing(path / "systems"),
        system_entries=system_entries,
        systems=tuple(systems),
        manifest=manifest,
        results=tuple(p.relpath for p in within if p.is_result),
        problems=tuple(files.problems),
    )


def _no_text(files: TreeFiles, results: Path, systems: Mapping[str, Listing]) -> Iterator[Path]:
    """Systems and results that no place can stand for, because their names are no text: left out, they would be judged by nobody."""
    for system, benchmarks in systems.items():
        if not is_text(system):
            yield results / system
            continue
        for parent in (results / system / benchmark for benchmark in benchmarks.directories):
            yield from (parent / name for name in files.listing(parent).directories if not is_text(name))


def read_package(place: SubjectPlace, *, root: Path, inside: Iterable[SubjectPlace]) -> Package:
    """Read what stands at the top of a tree, its code images, and what each leaf says of the image that it was run with.

    Code images came with the current edition: submissions of older ones are asked for no pointers.
    """
    files = TreeFiles(root)
    within = list(inside)
    current = [p for p in within if p.layout == CURRENT_LAYOUT and not _older(p.edition)]
    submissions = [p for p in current if p.kind == "submission"]
    entries = files.listing(root)
    pools = [_pool(files, root / name) for name in entries.directories if _may_be_pool(name)]
    places = [place.relpath, *(p.relpath for p in submissions), *(pool.relpath for pool in pools if pool is not None)]
    return Package(
        root=root,
        relpath=place.relpath,
        division=place.division,
        edition=place.edition,
        layout=place.layout,
        entries=entries,
        pools=tuple(pool for pool in pools if pool is not None),
        pointers=tuple(pointer for p in current if p.is_result for pointer in _pointers(files, p)),
        submissions=tuple(p.relpath for p in within if p.kind == "submission"),
        unhashed_code=tuple(files.relative(path) for relpath in places if _is_directory(path := root / relpath / _UNHASHED)),
        problems=tuple(files.problems),
    )


def _older(edition: str) -> bool:
    """Whether an edition is a known one and not that of the current layout; one that nobody knows is judged as the current."""
    return edition != CURRENT_LAYOUT and edition in edition_names()


def _may_be_pool(name: str) -> bool:
    return not is_noise(name) and not name.startswith(".") and name.lower() not in {division.value for division in Division}


def _is_directory(path: Path) -> bool:
    return is_directory(path) and not path.is_symlink()


def _pool(files: TreeFiles, path: Path) -> ImagePool | None:
    """The pool in a top-level directory, None where it is none."""
    listing = files.listing(path)
    marked = POOL_MARKER in listing.files
    if not marked and path.name != POOL and not any(_IMAGE.fullmatch(name) for name in listing.directories):
        return None
    images = [name for name in listing.directories if name.startswith("code-")]
    return ImagePool(files.relative(path), path.name, marked, tuple(_image(path / name, files.root) for name in images))


def _image(path: Path, root: Path) -> CodeImage:
    files = TreeFiles(root)
    record = files.json_object(path / CODE_HASH) if os.path.lexists(path / CODE_HASH) else None
    return CodeImage(files.relative(path), path.name, None if record is None else CodeHash.from_json(record), tuple(files.problems))


def leaf_directories(files: TreeFiles, result: Path, benchmark: str) -> Iterator[tuple[str, Path]]:
    """Phase and path of each leaf below a result of the current layout, by names alone."""
    for phase in _PHASES.get(benchmark, ()):
        parent = result / phase
        for name in files.listing(parent).directories:
            if is_timestamp(name):
                yield phase or "run", parent / name


def _pointers(files: TreeFiles, result: SubjectPlace) -> Iterator[CodePointer]:
    """One pointer for each leaf below a result."""
    for phase, leaf in leaf_directories(files, files.root / result.relpath, result.kind):
        yield _pointer(leaf, files.root, result, phase)


def _pointer(leaf: Path, root: Path, result: SubjectPlace, phase: str) -> CodePointer:
    # Its own access, so that what is wrong with this pointer stands in it and not among the problems of the whole tree.
    files = TreeFiles(root)
    text = read_pointer(files, leaf)
    problem = files.problems[0].message if files.problems else ""
    return CodePointer(files.relative(leaf), result.submitter, phase, text, result.division, problem)


def read_pointer(files: TreeFiles, leaf: Path) -> str | None:
    """Read what a leaf says of its code image, as written; None where it has no pointer, and a problem where that cannot be read."""
    path = leaf / POINTER
    # Asked for by name: listing the leaf would cost more than all else that is read of a package.
    content = files.content(path, limit=_POINTER_BYTES) if os.path.lexists(path) else None
    return content.decode("utf-8", "backslashreplace").strip() if content is not None else None
