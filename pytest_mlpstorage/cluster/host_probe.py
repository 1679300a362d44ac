"""Whether the directories of a run can be used on a host, tried there: made, written, and the same as where pytest runs.

Permissions, quotas, read-only mounts and mapped users answer only to somebody who writes. So an empty file is made and removed,
in the directory itself or in the nearest one above it that is there. That two hosts see one directory is shown by a file with a
name that nobody can guess: whoever looks for it either finds it or looks elsewhere.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

__all__ = ["HostProbe", "PathProbe", "left_token", "probe_host", "probe_of_team"]

_PREFIX: Final = ".mlps-probe-"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where shared memory is asked for, by whatever name


@dataclasses.dataclass(frozen=True)
class PathProbe:
    """A directory of the configuration on one host.

    ``there`` is the directory itself or the nearest one above it, ``problem`` why it cannot be used (empty: it can).
    ``as_pytest`` tells whether it is the one that pytest sees under that name, ``as_first`` whether it is that of the first host;
    None where nobody left a token to find out.
    """

    path: str
    there: str
    problem: str = ""
    as_pytest: bool | None = None
    as_first: bool | None = None

    @property
    def exists(self) -> bool:
        """Whether the directory itself is there."""
        return self.path == self.there


@dataclasses.dataclass(frozen=True)
class HostProbe:
    """What was tried on a host. ``temporary`` and ``shared_memory`` say why such files cannot be made there (empty: they can)."""

    paths: tuple[PathProbe, ...]
    temporary: str = ""
    shared_memory: str = ""

    def path(self, path: str | Path) -> PathProbe:
        """What was tried of a directory; raises KeyError for one that was not asked about."""
        for probe in self.paths:
            if probe.path == str(path):
                return probe
        raise KeyError(str(path))

    def held_against(self, leaver: HostProbe | None, field: Literal["as_pytest", "as_first"]) -> HostProbe:
        """The same without a guess: None in ``field`` where the ``leaver`` of the token does not see it, or nobody was to leave one."""
        unknown: dict[str, Any] = {field: None}
        left = (leaver is not None and getattr(leaver.path(path.path), field) for path in self.paths)
        paths = (path if seen else dataclasses.replace(path, **unknown) for path, seen in zip(self.paths, left, strict=True))
        return dataclasses.replace(self, paths=tuple(paths))

    def to_json(self) -> dict[str, Any]:
        """All fields."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> HostProbe:
        """The record as ``to_json`` wrote it; raises KeyError or TypeError for what it did not write."""
        return cls(**{**value, "paths": tuple(PathProbe(**path) for path in value["paths"])})


def probe_host(paths: Sequence[str | Path], *, of_pytest: str = "", of_first: str = "", write: bool = True) -> HostProbe:
    """Try the directories on this host. Without ``write`` they are only looked at.

    ``of_pytest`` and ``of_first`` are the tokens that ``left_token`` has left where pytest runs and on the first host.
    """
    return HostProbe(
        paths=tuple(_probe(str(path), of_pytest, of_first, write) for path in paths),
        temporary=_temporary(write),
        shared_memory=_unusable(_SHARED_MEMORY, write),
    )


def probe_of_team(ranks: Any, paths: Sequence[str], *, of_pytest: str, write: bool) -> HostProbe:
    """The same by one rank on each host at the same time; the first leaves a token for the others. ``ranks``: mpi4py's communicator."""
    with contextlib.ExitStack() as stack:
        token, first = "", None
        if ranks.rank == 0:
            token = stack.enter_context(left_token(paths)) if write else ""
            first = probe_host(paths, of_pytest=of_pytest, of_first=token, write=write)
        token, first = ranks.bcast((token, first))
        probe = first if ranks.rank == 0 else probe_host(paths, of_pytest=of_pytest, of_first=token, write=write)
        ranks.barrier()
    return probe.held_against(first, "as_first")


@contextlib.contextmanager
def left_token(paths: Sequence[str | Path]) -> Iterator[str]:
    """Leave a token in each directory, or in the nearest one above it, for the time of a ``with``; its name is what others look for.

    A directory that cannot be written gets none; that it is so, is found by ``probe_host`` here.
    """
    token = f"{_PREFIX}{secrets.token_hex(16)}"
    places = dict.fromkeys(_nearest(str(path)) / token for path in paths)
    try:
        for place in places:
            with contextlib.suppress(OSError):
                os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        yield token
    finally:
        for place in places:
            with contextlib.suppress(OSError):
                place.unlink()


def _probe(path: str, of_pytest: str, of_first: str, write: bool) -> PathProbe:
    there = _nearest(path)
    seen = [os.path.lexists(there / token) if token else None for token in (of_pytest, of_first)]
    return PathProbe(path, str(there), _unusable(there, write), *seen)


def _nearest(path: str) -> Path:
    """A directory, or the nearest one above it that can be seen."""
    there = Path(path)
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    return there


def _unusable(folder: Path, write: bool) -> str:
    """Why no file can be made in a directory."""
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return f"{folder} is no directory"
        if not write:
            return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder} cannot be written"
        trial = folder / f"{_PREFIX}{secrets.token_hex(8)}"
        try:
            os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        finally:
            trial.unlink(missing_ok=True)
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror}"
    return ""


def _temporary(write: bool) -> str:
    try:
        return _unusable(Path(tempfile.gettempdir()), write)
    except FileNotFoundError as error:
        return str(error.strerror or error)
