"""Leaves of a results tree, written so that each is there complete or not at all, and nothing is ever overwritten.

A leaf grows in ``<results_dir>/.mlps/staging/<run id>/<timestamp>/`` and is renamed into its place when it is complete; what
failed goes to ``.mlps/failed/`` with its logs and a ``reason.json``.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Final

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.atomic import file_system_error, sync_directory, sync_tree, write_json
from pytest_mlpstorage.results.layout import STAGING, check_component, is_timestamp, parse_result_path
from pytest_mlpstorage.results.processes import Holder

__all__ = ["OWNER", "REASON", "LeafWriter", "unused_timestamp"]

OWNER: Final = "owner.json"
"""Beside a staged leaf: who writes it, and where it is meant to go."""

REASON: Final = "reason.json"
"""In failed evidence: why it is there."""

_TIMESTAMP_FORMAT: Final = "%Y%m%d_%H%M%S"


def _now() -> dt.datetime:
    """Local time: directory names and summaries carry the wall clock of the test site."""
    return dt.datetime.now()


def unused_timestamp(parent: Path, now: dt.datetime) -> str:
    """Name for a new leaf in ``parent``: ``now`` (local time) as ``YYYYMMDD_HHMMSS``, later than every leaf there.

    Where the clock stepped back it is the second after the newest leaf, because order of names is order of time (the first
    run is the warm-up). It is not reserved: ``LeafWriter.create_next`` takes a name that no other writer has.
    """
    name = now.strftime(_TIMESTAMP_FORMAT)
    try:
        siblings = sorted(entry for entry in os.listdir(parent) if is_timestamp(entry))  # noqa: PTH208 - names are wanted
    except FileNotFoundError:
        return name
    except OSError as error:
        raise file_system_error("cannot list the leaves", parent, error) from error
    if not siblings or siblings[-1] < name:
        return name
    return _second_after(siblings[-1], parent)


def _second_after(name: str, parent: Path) -> str:
    try:
        return (dt.datetime.strptime(name, _TIMESTAMP_FORMAT) + dt.timedelta(seconds=1)).strftime(_TIMESTAMP_FORMAT)
    except (ValueError, OverflowError) as error:
        raise FileSystemError(
            f"no later leaf than {name} can be named",
            details={"directory": parent},
            suggestion="this name is no date: move that directory out of the tree",
            code="MLPS-E414",
        ) from error


class LeafWriter:
    """One leaf that is being written. ``path`` is the staged directory, ``final`` where it goes.

    As a context manager a leaf that was not committed goes to the failed evidence with the exception as reason.
    """

    def __init__(self, results_dir: Path, final: Path, run_id: str) -> None:
        self.results_dir = results_dir
        self.final = final
        self.run_id = run_id
        self.home = results_dir / STAGING / "staging" / run_id
        self.path = self.home / final.name
        self.outcome: Path | None = None
        """Where the leaf went: its final path or its failed evidence; None while it is being written."""

    @classmethod
    def create(cls, results_dir: Path, final: Path, *, run_id: str) -> LeafWriter:
        """Stage the leaf ``final``. Raises FileSystemError where it exists, or where another writer has staged it."""
        writer = cls(results_dir, final, check_component(run_id, "run id"))
        relative = writer._relative()
        try:
            writer.home.parent.mkdir(parents=True, exist_ok=True)
            writer.home.mkdir()
        except FileExistsError as error:
            raise FileSystemError(
                f"run id {run_id!r} is being written already", details={"staged": writer.home}, code="MLPS-E414"
            ) from error
        except OSError as error:
            raise file_system_error("cannot stage a leaf", writer.home, error) from error
        try:
            holder = Holder.this_process(_now().astimezone().isoformat(timespec="seconds"))
            # The owner is there before the claim that it names, so a claim without one is a dead writer's.
            write_json(writer.home / OWNER, {**holder.to_json(), "final": relative, "claim": writer._claim.name})
            writer._take_claim()
        except FileSystemError:
            remove_home(writer.home)
            raise
        try:
            writer.path.mkdir()
        except OSError as error:
            writer._clear()
            raise file_system_error("cannot stage a leaf", writer.path, error) from error
        return writer

    @classmethod
    def create_next(cls, results_dir: Path, parent: Path, *, run_id: str, now: dt.datetime | None = None) -> LeafWriter:
        """Stage a new leaf in ``parent`` under the next timestamp that neither a leaf nor another writer has."""
        name = unused_timestamp(parent, now or _now())
        while True:
            try:
                return cls.create(results_dir, parent / name, run_id=run_id)
            except _NameTaken:
                name = _second_after(name, parent)

    def _relative(self) -> str:
        try:
            return self.final.relative_to(self.results_dir).as_posix()
        except ValueError as error:
            raise FileSystemError(
                "a leaf must lie in the results directory",
                details={"leaf": self.final, "results directory": self.results_dir},
                code="MLPS-E412",
            ) from error

    @property
    def _claim(self) -> Path:
        """The file whose existence reserves ``final``; hashed because names of a tree may be as long as a file name can be."""
        digest = hashlib.sha256(self._relative().encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.results_dir / STAGING / "claims" / digest

    def _take_claim(self) -> None:
        try:
            self._claim.parent.mkdir(exist_ok=True)
            os.close(os.open(self._claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        except FileExistsError:
            raise _NameTaken("another writer has staged this leaf", details={"leaf": self.final, "claim": self._claim}) from None
        except OSError as error:
            raise file_system_error("cannot reserve the place of a leaf", self._claim, error) from error
        # Looked at after the claim, so that a leaf committed in between is seen.
        if os.path.lexists(self.final):
            self._claim.unlink()
            raise _NameTaken("the leaf exists already; nothing is overwritten", details={"leaf": self.final})

    def write_json(self, name: str, value: Any) -> Path:
        """Write or replace one JSON file of the leaf at once; ``name`` is a posix path relative to the leaf."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise FileSystemError(f"{name!r} is no file of the leaf", details={"leaf": self.path}, code="MLPS-E412")
        target = self.path.joinpath(*relative.parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_system_error("cannot make a directory of the leaf", target.parent, error) from error
        write_json(target, value)
        return target

    def commit(self) -> Path:
        """Force the leaf to disk and rename it into its place, whose path is returned.

        Raises FileSystemError where the place is taken meanwhile; the leaf then stays staged, for ``fail``.
        """
        self._require_open()
        try:
            sync_tree(self.path)
            self.final.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(self.final):  # rename would replace an empty directory
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.final))
            self.path.rename(self.final)
            self.outcome = self.final
            sync_directory(self.final.parent)
        except OSError as error:
            taken = error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
            message = "the leaf exists already; nothing is overwritten" if taken else "cannot move the leaf into its place"
            raise file_system_error(message, self.final, error) from error
        self._clear()
        return self.final

    def fail(self, reason: str, details: Mapping[str, object] | None = None) -> Path:
        """Move the leaf to the failed evidence with the reason, and return where it is; it never becomes a result."""
        self._require_open()
        self.outcome = move_to_failed(self.results_dir, self.path, self._relative(), self.run_id, reason, details or {})
        self._clear()
        return self.outcome

    def _require_open(self) -> None:
        if self.outcome is not None:
            raise FileSystemError("the leaf was finished already", details={"went to": self.outcome}, code="MLPS-E414")

    def _clear(self) -> None:
        """Give back what reserved the place; the staged leaf itself has gone by now or was never filled."""
        self._claim.unlink(missing_ok=True)
        remove_home(self.home)

    def __enter__(self) -> LeafWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # An interrupt may have come between the rename and its record: then the leaf is where it belongs.
        if self.outcome is None and self.path.is_dir():
            reason = "the writer left it without finishing" if kind is None else f"{kind.__name__}: {error}".rstrip(": ")
            self.fail(reason)


class _NameTaken(FileSystemError):
    """The place of a leaf is taken, by a leaf or by another writer."""

    code = "MLPS-E414"


def remove_home(home: Path) -> None:
    """Remove a staging directory from which the leaf has gone; one that still holds anything else stays, for people to see."""
    # With a name that a kill left half-written: it is not evidence, the leaf's own files are.
    for name in (home / OWNER, *home.glob(f".{OWNER}.*.part")):
        name.unlink(missing_ok=True)
    for directory in (*(d for d in home.glob("*") if d.is_dir()), home):
        try:
            directory.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise file_system_error("cannot remove a staging directory", directory, error) from error


def move_to_failed(results_dir: Path, staged: Path, final: str, run_id: str, reason: str, details: Mapping[str, object]) -> Path:
    """Move a staged leaf to ``.mlps/failed/<timestamp>-<phase>-<model>-<run id>/`` and write its reason.json first."""
    now = _now()
    place = parse_result_path(final)
    words = (place.phase or place.family, place.model) if place else ("leaf",)
    name = "-".join((now.strftime(_TIMESTAMP_FORMAT), *words, run_id))[:250]
    failed = results_dir / STAGING / "failed"
    write_json(
        staged / REASON,
        {
            "reason": reason,
            "details": {key: _plain(value) for key, value in details.items()},
            "intended": final,
            "time": now.astimezone().isoformat(timespec="seconds"),
            "run_id": run_id,
        },
    )
    try:
        failed.mkdir(parents=True, exist_ok=True)
        target = failed / name
        number = 1
        while os.path.lexists(target):
            number += 1
            target = failed / f"{name}-{number}"
        staged.rename(target)
    except OSError as error:
        raise file_system_error("cannot keep the failed evidence", failed, error) from error
    return target


def _plain(value: object) -> object:
    """Make a value that JSON can hold: containers and finite numbers as they are, all else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return value if isinstance(value, float) and value - value == 0 else str(value)
