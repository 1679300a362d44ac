"""Which version of this package each host has, told before anything else: what another version says or expects may not be understood."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage import __version__
from pytest_mlpstorage.errors import MPIError

__all__ = ["Introduction", "introductions", "own_words", "refuse_others"]

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_SPOKEN: Final = ("cluster/*.py", "results/host_facts.py", "results/host_parts.py")
"""The modules by which hosts speak with each other and with pytest."""


@dataclasses.dataclass(frozen=True)
class Introduction:
    """One host: what it calls itself, its version of this package, and a hash of the modules by which it speaks."""

    host: str
    package: str
    words: str

    @property
    def key(self) -> str:
        """What hosts that understand each other have in common."""
        return f"{self.package}/{self.words}"

    def to_json(self) -> dict[str, Any]:
        """All fields, below the one name by which an introduction is known."""
        return {"introduction": dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, value: object) -> Introduction | None:
        """The record as ``to_json`` wrote it, also with fields of a later version; None for anything else."""
        told = value.get("introduction") if isinstance(value, Mapping) else None
        if not isinstance(told, Mapping):
            return None
        return cls(*(str(told.get(field.name) or "") for field in dataclasses.fields(cls)))

    @classmethod
    def of_this_host(cls) -> Introduction:
        """That of the host which runs this."""
        return cls(socket.gethostname(), __version__, _words())


@functools.cache
def _words() -> str:
    """Hash of the modules; the same everywhere where a distribution has no sources."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _SPOKEN for path in _PACKAGE.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def own_words() -> str:
    """What pytest tells the hosts of itself, for them to hold against their own."""
    return Introduction.of_this_host().key


def introductions(entries: Sequence[object], wanted: str) -> tuple[Introduction, ...]:
    """All of them where one is of another version than ``wanted``, the key of pytest's; nothing where all can speak.

    A host that does not introduce itself at all is of a version that did not do so yet.
    """
    told = tuple(Introduction.from_json(entry) or Introduction("", "", "") for entry in entries)
    return told if any(one.key != wanted for one in told) else ()


def refuse_others(entries: Sequence[object]) -> None:
    """Raise MPIError with the version of each host where entries are introductions and no descriptions: the hosts did not go on."""
    told = [one for entry in entries if (one := Introduction.from_json(entry)) is not None]
    if not told:
        return
    here = Introduction.of_this_host()
    others: dict[str, list[str]] = {}
    for one in (one for one in told if one.key != here.key):
        others.setdefault(_otherwise(one, here), []).append(one.host or "a host")
    raise MPIError(
        "; ".join(f"{', '.join(dict.fromkeys(hosts))} has {words}" for words, hosts in others.items()),
        details={one.host or "a host": f"pytest-mlpstorage {one.package or 'of an older version'}" for one in told},
        suggestion=f"install one version on every host: python -m pip install pytest-mlpstorage=={here.package}; or one clone that all see",
        code="MLPS-E322",
    )


def _otherwise(one: Introduction, here: Introduction) -> str:
    if one.package == here.package:
        return f"pytest-mlpstorage {one.package} as here, with other code"
    return f"pytest-mlpstorage {one.package or 'of an older version'} and describes itself otherwise than {here.package} here"
