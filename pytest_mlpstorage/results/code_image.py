"""The code that runs, kept once for all leaves that it made: a pool of images that are named for the hash of their files (rule 2.1.6)."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error, sync_directory, sync_tree, write_json, write_text
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import STAGING
from pytest_mlpstorage.results.processes import Holder
from pytest_mlpstorage.results.provenance import ALGORITHMS, CODE_HASH, CodeHash, image_name, pointer_text
from pytest_mlpstorage.results.read_submission import POINTER, POOL, POOL_MARKER
from pytest_mlpstorage.results.tree_hash import hashed_files, tree_hash

__all__ = ["CodePool", "code_digest", "mark_pool", "write_pointer"]

_STAGED: Final = "code-images"
"""Directory in ``.mlps`` of an image that no leaf names yet: one in the pool that no leaf names is an error (CHECK-03)."""


class CodePool:
    """The pool of one results directory, and the image of the code in ``sources`` (packages and modules, each under its name).

    What the hash leaves out (tests, caches, links) is not copied, so that an image is exactly what its hash says.
    """

    def __init__(self, results_dir: Path, sources: Sequence[Path], *, version: str, git_sha: str | None = None) -> None:
        self._results_dir = results_dir
        self._sources = tuple(sources)
        self._version = version
        self._git_sha = git_sha
        # One for each session and each code: on a filesystem without locks another session may stage, publish or end at the same time.
        self._home = results_dir / STAGING / _STAGED / _home_name()
        self._digest: str | None = None
        self._published = False

    def stage(self) -> str:
        """Copy and hash the code as it is now, once, and return the hash; the pool is not touched. Raises FileSystemError."""
        if self._digest is None or not (self._image.is_dir() or self._waiting.is_dir()):
            self._digest, self._published = self._capture(), False
        return self._digest

    def publish(self) -> Path:
        """Put the image into the pool, if it is not there; to be called when a leaf that names it is about to stand.

        Raises FileSystemError where an image of that name is there and its files are others.
        """
        digest = self.stage()
        if self._published and self._image.is_dir():
            return self._image
        pool = self._results_dir / POOL
        try:
            pool.mkdir(parents=True, exist_ok=True)
            mark_pool(pool)  # an older pool may have lost it
            if self._image.is_dir() or not self._moved():
                _require_same(self._image, digest)
            sync_directory(pool)
            shutil.rmtree(self._home, ignore_errors=True)
        except OSError as error:
            raise file_system_error("cannot put the code image into its pool", self._image, error) from error
        self._published = True
        return self._image

    def _moved(self) -> bool:
        """Put the waiting copy in its place; False where a session without our lock has put the same there meanwhile."""
        try:
            self._waiting.rename(self._image)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        return True

    @property
    def _image(self) -> Path:
        return self._results_dir / POOL / image_name(self._digest or "")

    @property
    def _waiting(self) -> Path:
        return self._home / image_name(self._digest or "")

    def _capture(self) -> str:
        copy = self._home / "part"
        try:
            _clear_abandoned(self._home.parent)
            shutil.rmtree(self._home, ignore_errors=True)
            copy.mkdir(parents=True)
            for source in self._sources:
                _copy(source, copy / source.name)
            hashed = tree_hash(copy)
            if hashed.digest is None or not hashed.files:
                raise FileSystemError(
                    f"the code that runs cannot be hashed: {hashed.problem or 'there is none'}", details={"path": copy}, code="MLPS-E412"
                )
            now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            record = CodeHash(hashed.digest, ALGORITHMS[0], now, self._version, self._git_sha)
            write_json(copy / CODE_HASH, record.to_json())
            sync_tree(copy)
            copy.rename(self._home / image_name(hashed.digest))
        except (OSError, ValueError) as error:
            cause = error if isinstance(error, OSError) else OSError(str(error))
            raise file_system_error("cannot keep a copy of the code that runs", copy, cause) from error
        finally:
            if os.path.exists(copy):  # noqa: PTH110 - that of pathlib may raise; it was not finished, and its room is needed
                shutil.rmtree(self._home, ignore_errors=True)
        return hashed.digest


def _home_name() -> str:
    """Name of a directory that says from its first moment whose copies stand in it: process, start of it, a number, and host."""
    this = Holder.this_process("")
    return f"{this.pid}.{this.start_ticks or 0}.{secrets.token_hex(4)}.{this.host}"


def _clear_abandoned(staged: Path) -> None:
    """Remove the copies of sessions that were killed; what those of other hosts left is for a session there."""
    for path in staged.iterdir() if staged.is_dir() else ():
        holder = _holder_of(path.name)
        if holder is None or (holder.on_this_host and not holder.alive):
            shutil.rmtree(path, ignore_errors=True)


def _holder_of(name: str) -> Holder | None:
    pid, ticks, _, host = [*name.split(".", 3), "", "", "", ""][:4]
    known = pid.isdecimal() and ticks.isdecimal() and host
    return Holder(int(pid), host, int(ticks) or None, "", "") if known else None


def code_digest(sources: Sequence[Path]) -> str | None:
    """The hash that an image of this code would be named for now; nothing is kept. None where it cannot be hashed."""
    with tempfile.TemporaryDirectory(prefix="mlps-code-") as folder:
        for source in sources:
            _copy(source, Path(folder) / source.name)
        return tree_hash(Path(folder)).digest


def _copy(source: Path, target: Path) -> None:
    """Copy a module, or of a package the files that the hash is made of."""
    if not source.is_dir():
        shutil.copyfile(source, target)
        return
    for name in hashed_files(source):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)


def _require_same(image: Path, digest: str) -> None:
    files = TreeFiles(image)
    record = CodeHash.from_json(files.json_object(image / CODE_HASH) or {})
    found = tree_hash(image).digest
    if (record.digest, found) != (digest, digest):
        raise FileSystemError(
            "a code image in the pool is not what its name says; nothing is overwritten",
            details={"image": image, "recorded": record.digest, "its files": found, "wanted": digest},
            suggestion="it was changed after it was written: move it away, and the leaves that name it are without their code",
            code="MLPS-E414",
        )


def mark_pool(pool: Path) -> None:
    """Write the marker of a pool, where it is not there."""
    write_text(pool / POOL_MARKER, "", keep_equal=True)


def write_pointer(leaf: Path, digest: str) -> Path:
    """Write into a leaf which code image made it: one line without an end, as published leaves have it."""
    write_text(leaf / POINTER, pointer_text(digest))
    return leaf / POINTER
