"""The official parameters of each DLIO version, as data: nothing here asks an engine or needs one installed."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml

__all__ = ["ENGINES", "KeyEntry", "KeyType", "nearest", "official_keys"]

KeyType = Literal["int", "float", "bool", "str", "size", "duration", "any"]
"""``size`` is a number of bytes and ``duration`` one of seconds; people write both with their unit."""

ENGINES = ("dlio-2.0.0", "dlio-mlcommons-3.0.0")


@dataclasses.dataclass(frozen=True)
class KeyEntry:
    """One official parameter: its dotted key, its type, the engines that know it, one line of meaning.

    ``inert`` keys are carried for the rule book and read by no engine. ``attributes`` are (engine, name) pairs: where
    DLIO keeps the value unchanged, so that it can be compared. ``minimum`` is the least value that makes sense.
    """

    key: str
    type: KeyType
    engines: tuple[str, ...]
    help: str
    inert: bool = False
    attributes: tuple[tuple[str, str], ...] = ()
    minimum: int | None = None

    def attribute(self, engine: str) -> str | None:
        """Name the attribute of ``ConfigArguments`` that holds the value in ``engine``, or None where it is changed on the way."""
        return dict(self.attributes).get(engine)


@lru_cache(maxsize=1)
def official_keys() -> Mapping[str, KeyEntry]:
    """Every key of every known DLIO version, by dotted name below ``workload``, in order of name."""
    found: dict[str, KeyEntry] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for engine in ENGINES:
        with (Path(__file__).parent / "keys" / f"{engine}.yaml").open() as source:
            data: dict[str, dict[str, Any]] = yaml.load(source, Loader=loader)  # noqa: S506 - the safe loader, in C where there is one
        for key, spec in data.items():
            before = found.get(key)
            attribute = ((engine, spec["at"]),) if "at" in spec else ()
            found[key] = KeyEntry(
                key,
                before.type if before else spec["type"],
                (*(before.engines if before else ()), engine),
                before.help if before else spec["help"],
                bool(spec.get("inert", False)) and (before is None or before.inert),
                (*(before.attributes if before else ()), *attribute),
                before.minimum if before and before.minimum is not None else spec.get("min"),
            )
    return MappingProxyType(dict(sorted(found.items())))


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Find the known key most like ``key``, or None."""
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = key.rpartition(".")[2]
    same = [name for name in names if name.rpartition(".")[2] == last]
    return same[0] if len(same) == 1 else None
