"""Keeps the pool of code images to what leaves name (CHECK-03): leaves are set aside when they are repeated, and images with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from pytest_mlpstorage.results.atomic import file_system_error, sync_directory
from pytest_mlpstorage.results.layout import STAGING
from pytest_mlpstorage.results.provenance import image_digits, image_name
from pytest_mlpstorage.results.read_submission import POOL
from pytest_mlpstorage.results.records import Package
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.tree_hash import tree_hash

__all__ = ["RETIRED", "settle_pool"]

RETIRED: Final = "retired-code"
"""Directory in ``.mlps`` of images that no leaf names any more."""


def settle_pool(results_dir: Path) -> tuple[str, ...]:
    """Set aside the images that no leaf names, and bring back those that one names again; returns the names of what moved.

    Nothing is deleted of which there is no second copy. Raises FileSystemError.
    """
    tree = read_tree(results_dir)
    pool, retired = results_dir / POOL, results_dir / STAGING / RETIRED
    top = next((place for place in tree.places if place.kind == "package"), None)
    if top is None:
        return ()
    package = tree.load(top)
    assert isinstance(package, Package)
    digits = (image_digits(pointer.text) for pointer in package.pointers if pointer.text)
    named = {image_name(found) for found in digits if found}
    standing = {image.name for own in package.pools if own.name == POOL for image in own.images}
    moved = [(pool / name, retired / name) for name in sorted(standing - named)]
    moved += [(retired / name, pool / name) for name in sorted(named - standing) if (retired / name).is_dir()]
    for source, target in moved:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():  # the same code by its name, retired twice
                if tree_hash(target).digest == tree_hash(source).digest is not None:
                    shutil.rmtree(source)  # as it is there, file for file
                    continue
                target = target.with_name(f"{target.name}-{sum(1 for _ in target.parent.iterdir())}")
            source.rename(target)
            sync_directory(target.parent)
        except FileNotFoundError:  # a session without our lock has moved it meanwhile
            continue
        except OSError as error:
            raise file_system_error("cannot move a code image", source, error) from error
    return tuple(source.name for source, _ in moved)
