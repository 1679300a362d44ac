"""Which files of a results tree make a submission, and what is left out for which reason."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.errors import ConfigurationError, FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.files import is_directory
from pytest_mlpstorage.results.layout import is_noise
from pytest_mlpstorage.results.manifest import MANIFEST
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.provenance import CODE_HASH, image_digits, image_name
from pytest_mlpstorage.results.read_submission import POINTER, POOL, POOL_MARKER, read_package
from pytest_mlpstorage.results.records import Package
from pytest_mlpstorage.results.tree import Tree, read_tree
from pytest_mlpstorage.results.tree_hash import hashed_files
from pytest_mlpstorage.verdict import Division

__all__ = ["Selection", "select"]

_CACHES: Final = frozenset({"__pycache__", ".pytest_cache"})
_CACHE_SUFFIXES: Final = (".pyc", ".pyo", ".part")
_FOLDERS: Final = ("results", "systems")
_TOO_DEEP: Final = 40


@dataclasses.dataclass(frozen=True)
class Selection:
    """What goes into a package: ``files`` maps each path in it to the file in the tree, ``left_out`` counts the rest by reason.

    ``submissions`` are division and submitter of each; ``edition`` of each is what it declares or is judged by.
    """

    root: Path
    files: dict[str, Path]
    submissions: tuple[tuple[Division, str, str], ...]
    left_out: Counter[str]


def select(root: Path, submitter: str | None = None) -> Selection:
    """Choose the files of the one submitter in a results tree, or of the one that is named, in closed and in open.

    Raises ConfigurationError where there is nothing to submit or it is not clear whose, FileSystemError where the tree
    cannot be read.
    """
    if not is_directory(root):
        raise FileSystemError("there is no such results directory", details={"path": root}, code="MLPS-E412")
    try:
        return _select(read_tree(root), submitter)
    except (OSError, ValueError) as error:
        cause = error if isinstance(error, OSError) else OSError(str(error))
        raise file_system_error("cannot look through the results tree", root, cause) from error


def _select(tree: Tree, submitter: str | None) -> Selection:
    root = tree.root
    places = [place for place in tree.places if place.kind == "submission" and place.layout == "3.0" and place.relpath.count("/") == 1]
    chosen = _chosen(places, root, submitter)
    left_out: Counter[str] = Counter()
    for place in places:
        if place not in chosen:
            why = "experiments (whatif), which are never submitted" if place.division is Division.WHATIF else "of other submitters"
            left_out[why] += sum(len(names) for _, _, names in os.walk(root / place.relpath))
    files: dict[str, Path] = {}
    for place in chosen:
        for name in _FOLDERS:
            files |= dict(_below(root, f"{place.relpath}/{name}", left_out))
        files |= dict(_directly(root / place.relpath, place.relpath, left_out))
    files |= _images(tree, chosen, left_out)
    return Selection(root, files, tuple((place.division, place.submitter, place.edition) for place in chosen), left_out)


def _chosen(places: Sequence[SubjectPlace], root: Path, submitter: str | None) -> list[SubjectPlace]:
    counted = [place for place in places if place.division is not Division.WHATIF]
    if not counted:
        only = "only experiments (whatif), which are never submitted" if places else "no closed/<submitter> and no open/<submitter>"
        raise ConfigurationError(f"there is nothing to package: {root} holds {only}", code="MLPS-E180")
    names = sorted({place.submitter for place in counted})
    if submitter is None and len(names) > 1:
        raise ConfigurationError(
            f"the tree holds submissions of {len(names)} submitters", suggestion=f"--submitter {' or '.join(names)}", code="MLPS-E180"
        )
    wanted = submitter or names[0]
    chosen = [place for place in counted if place.submitter == wanted]
    if not chosen:
        raise ConfigurationError(f"the tree holds no submission of {wanted!r}", details={"submitters": ", ".join(names)}, code="MLPS-E180")
    return chosen


def _directly(submission: Path, relpath: str, left_out: Counter[str]) -> Iterator[tuple[str, Path]]:
    """Files beside ``results`` and ``systems``. The manifest is written anew; a directory there is part of no submission."""
    for entry in sorted(os.scandir(submission), key=lambda e: e.name):
        if entry.name == MANIFEST or (entry.name in _FOLDERS and entry.is_dir(follow_symlinks=False)):
            continue
        reason = _noise(entry) or ("directories that are no part of a submission" if entry.is_dir() else "")
        if reason:
            left_out[reason] += 1
        else:
            yield f"{relpath}/{entry.name}", Path(entry.path)


def _below(root: Path, relpath: str, left_out: Counter[str], depth: int = 0) -> Iterator[tuple[str, Path]]:
    """Every file below a directory of the tree that is no noise, with its path in the tree."""
    if (root / relpath).is_symlink() or not (root / relpath).is_dir():
        return
    if depth > _TOO_DEEP:
        left_out["directories that lie deeper than any rule looks"] += 1
        return
    for entry in sorted(os.scandir(root / relpath), key=lambda e: e.name):
        inner = f"{relpath}/{entry.name}"
        reason = _noise(entry)
        if reason:
            left_out[reason] += 1
        elif entry.is_dir(follow_symlinks=False):
            yield from _below(root, inner, left_out, depth + 1)
        else:
            yield inner, Path(entry.path)


def _noise(entry: os.DirEntry[str]) -> str:
    """Why an entry is left out; empty where it is not."""
    name = entry.name
    if entry.is_symlink():
        return "symbolic links, which no reviewer can follow"
    if name in _CACHES or name.endswith(_CACHE_SUFFIXES):
        return "caches and half-written files"
    if is_noise(name):
        return "leftovers of desktops and editors"
    if name.startswith(".") and name != POINTER:
        return "hidden files and directories"
    return "" if entry.is_dir() or entry.is_file() else "what is neither file nor directory"


def _images(tree: Tree, chosen: Sequence[SubjectPlace], left_out: Counter[str]) -> dict[str, Path]:
    """The code images that the chosen leaves name, in the pool of the package, wherever they stand in the tree."""
    top = next(place for place in tree.places if place.kind == "package")
    package: Package = read_package(top, root=tree.root, inside=[place for place in tree.places if place.kind != "package"])
    inside = tuple(f"{place.relpath}/" for place in chosen)
    digits = [image_digits(pointer.text) for pointer in package.pointers if pointer.text and pointer.leaf.startswith(inside)]
    named = {image_name(found) for found in digits if found}
    files: dict[str, Path] = {}
    taken: set[str] = set()
    for image in (image for pool in package.pools for image in pool.images):
        if image.name in taken or image.name not in named:
            left_out["code images that no packaged leaf names"] += 1
            continue
        taken.add(image.name)
        # Its record, and what its hash is made of: the rest of it proves nothing.
        for name in [CODE_HASH] * (image.record is not None) + hashed_files(tree.root / image.relpath):
            files[f"{POOL}/{image.name}/{name}"] = tree.root / image.relpath / name
    marker = next((tree.root / pool.relpath / POOL_MARKER for pool in package.pools if pool.marked), None)
    return {**files, **({f"{POOL}/{POOL_MARKER}": marker} if marker is not None and files else {})}
