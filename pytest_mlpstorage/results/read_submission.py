"""Packages, submissions and system descriptions as records."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.manifest import read_manifest
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.records import CodeImage, CodePointer, ImagePool, Package, Submission, SystemDescription

__all__ = ["POINTER", "POOL_MARKER", "read_package", "read_submission", "read_system"]

POINTER: Final = ".mlps-code-image"
"""File of a leaf that names the code image it was run with."""

POOL_MARKER: Final = ".mlps-image-pool"
"""File of a directory that says that it is a pool of code images."""

_POINTER_BYTES: Final = 4096


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


def read_submission(place: SubjectPlace, *, root: Path, inside: Iterable[SubjectPlace]) -> Submission:
    """Read what stands directly below a submission; ``inside`` are the places of its systems and results."""
    files, path = TreeFiles(root), root / place.relpath
    within = list(inside)
    results_entries = files.listing(path / "results")
    system_entries = {name: files.listing(path / "results" / name) for name in results_entries.directories if not is_noise(name)}
    manifest = read_manifest(files, path)
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
        systems=tuple(read_system(p, root=root) for p in within if p.kind == "system"),
        manifest=manifest,
        results=tuple(p.relpath for p in within if p.is_result),
        problems=tuple(files.problems),
    )


def read_package(place: SubjectPlace, *, root: Path, inside: Iterable[SubjectPlace]) -> Package:
    """Read what stands at the top of a tree, its code images, and what each leaf says of the image that it was run with."""
    files = TreeFiles(root)
    within = list(inside)
    entries = files.listing(root)
    pools = (_pool(files, root / name) for name in entries.directories if not is_noise(name))
    results = [p for p in within if p.is_result]
    return Package(
        root=root,
        relpath=place.relpath,
        division=place.division,
        edition=place.edition,
        layout=place.layout,
        entries=entries,
        pools=tuple(pool for pool in pools if pool is not None),
        pointers=tuple(pointer for result in results for pointer in _pointers(files, result)),
        submissions=tuple(p.relpath for p in within if p.kind == "submission"),
        problems=tuple(files.problems),
    )


def _pool(files: TreeFiles, path: Path) -> ImagePool | None:
    """The pool in a top-level directory, None where it is none."""
    listing = files.listing(path)
    images = [name for name in listing.directories if name.startswith("code-")]
    marked = POOL_MARKER in listing.files
    if not images and not marked and path.name != "code-images":
        return None
    return ImagePool(files.relative(path), path.name, marked, tuple(_image(path / name, files.root) for name in images))


def _image(path: Path, root: Path) -> CodeImage:
    files = TreeFiles(root)
    there = ".code-hash.json" in files.listing(path).files
    record = files.json_object(path / ".code-hash.json") if there else None
    return CodeImage(files.relative(path), path.name, record, tuple(files.problems))


def _pointers(files: TreeFiles, result: SubjectPlace) -> Iterable[CodePointer]:
    """One pointer for each leaf below a result: the directories that are named as timestamps."""
    from pytest_mlpstorage.results.layout import is_timestamp

    top = files.root / result.relpath
    for phase in ("", "datasize", "datagen", "run"):
        parent = top / phase if phase else top
        for name in files.listing(parent).directories:
            if is_timestamp(name):
                yield _pointer(files, parent / name, result.submitter, phase or "run")


def _pointer(files: TreeFiles, leaf: Path, submitter: str, phase: str) -> CodePointer:
    text = None
    if POINTER in files.listing(leaf).files:
        content = files.content(leaf / POINTER, limit=_POINTER_BYTES)
        text = content.decode("utf-8", "replace").strip() if content is not None else None
    return CodePointer(str(PurePosixPath(files.relative(leaf))), submitter, phase, text)
