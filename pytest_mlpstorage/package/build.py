"""Makes the folder or the archive of a package: beside its place first, then renamed; what stands there is never overwritten."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pytest_mlpstorage import __version__
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.package.select import Selection
from pytest_mlpstorage.results.atomic import file_system_error, sync_directory, sync_tree
from pytest_mlpstorage.results.code_image import mark_pool
from pytest_mlpstorage.results.files import TreeFiles, is_directory
from pytest_mlpstorage.results.lock import TreeLock
from pytest_mlpstorage.results.manifest_writer import write_manifest
from pytest_mlpstorage.results.read_submission import POOL

__all__ = ["ARCHIVE", "check_target", "clear_leftovers", "fill", "finish", "workshop"]

ARCHIVE: Final = ".tar.gz"
"""What the name of a target ends with that is to be one file."""

_PART: Final = ".part"
_LOCK: Final = "lock"


def check_target(target: Path, root: Path) -> None:
    """Raise FileSystemError for a target that exists, lies in the results tree, or has no directory to stand in."""
    if os.path.lexists(target):
        raise FileSystemError("the target exists already; nothing is overwritten", details={"path": target}, code="MLPS-E414")
    if not is_directory(target.parent):
        raise FileSystemError("there is no directory for the target", details={"path": target.parent}, code="MLPS-E412")
    if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(root)):
        raise FileSystemError(
            "the target lies in the results tree, and would be part of the next package", details={"path": target}, code="MLPS-E412"
        )


@contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """A directory beside the target to build in, locked as long as this process lives; it is gone at the end, whatever happens."""
    place = target.parent / f"{_head(target)}{secrets.token_hex(4)}{_PART}"
    try:
        place.mkdir()
    except OSError as error:
        raise file_system_error("cannot build a package here", place, error) from error
    try:
        with TreeLock(place / _LOCK):
            try:
                yield place
            finally:  # while it is locked: to another start that finds it this is no build that was killed
                shutil.rmtree(place, ignore_errors=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)  # where the lock could not be taken


def clear_leftovers(target: Path) -> tuple[str, ...]:
    """Remove what builds of the same target left here that were killed; a sentence for each. One that still runs is left alone.

    So is one that has made its folder and not its lock: it is about to. Where the filesystem has no locks nobody can tell which of them
    runs, and what stands there is only named.
    """
    said = []
    for name in TreeFiles(target.parent).listing(target.parent).directories:
        if not re.fullmatch(re.escape(_head(target)) + "[0-9a-f]{8}" + re.escape(_PART), name):
            continue
        place = target.parent / name
        if not _begun(place):
            continue
        lock = TreeLock(place / _LOCK)
        try:
            with lock:
                if lock.held:
                    shutil.rmtree(place, ignore_errors=True)
        except FileSystemError:  # its builder lives, or it is somebody else's
            continue
        if lock.warning:
            left = "a build that still runs, or one that was killed, has this; nobody can tell on a filesystem without locks"
        elif place.exists():
            left = "a build that was killed has left this, and it cannot be removed"
        else:
            left = "what a build that was killed, or ended just now, had here is gone"
        said.append(f"{left}: {place}")
    return tuple(said)


def _begun(place: Path) -> bool:
    """Whether more stands there than what a build makes before it holds its lock: a folder, and the lock with nothing in it."""
    lock = place / _LOCK
    try:
        return any(path != lock or path.stat().st_size > 0 for path in place.iterdir())
    except OSError:  # it is gone meanwhile, or somebody else's
        return False


def _head(target: Path) -> str:
    return f".{target.name[:200]}."


def fill(selection: Selection, package: Path) -> int:
    """Copy the chosen files and write the manifest of each submission from what was copied; returns the bytes. Raises FileSystemError."""
    size_bytes = 0
    try:
        package.mkdir(parents=True)
        for name, source in selection.files.items():
            target = package / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copystat(source, target)
            target.chmod(0o644)
            size_bytes += target.stat().st_size
    except OSError as error:
        where = Path(os.fsdecode(error.filename)) if error.filename else package
        raise file_system_error("cannot copy into the package", where, error) from error
    for division, submitter, edition in selection.submissions:
        (package / division.value / submitter).mkdir(parents=True, exist_ok=True)
        tool = {"name": "pytest-mlpstorage", "version": __version__}
        write_manifest(package, division, submitter, edition=edition, tool=tool)
    if (package / POOL).is_dir():
        mark_pool(package / POOL)
    return size_bytes


def finish(package: Path, target: Path, name: str) -> None:
    """Put the package in its place: as it is, or as an archive whose files stand below ``name``. Raises FileSystemError."""
    try:
        if target.name.endswith(ARCHIVE):
            made = _archive(package, name)
        else:
            sync_tree(package)
            made = package
        if os.path.lexists(target):
            raise FileSystemError(
                "the target has come to exist meanwhile; nothing is overwritten", details={"path": target}, code="MLPS-E414"
            )
        made.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        raise file_system_error("cannot put the package in its place", target, error) from error


def _archive(package: Path, name: str) -> Path:
    path = package.parent / "archive"
    with path.open("xb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=6) as archive:
            archive.add(package, name, recursive=True, filter=_anonymous)
        file.flush()
        os.fsync(file.fileno())
    return path


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whose account packed it is nobody's business."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
