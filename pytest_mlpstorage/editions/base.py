"""What all edition data is made of: frozen models, read-only mappings, values that nobody has published."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from pytest_mlpstorage.errors import ConfigurationError

__all__ = ["Data", "Frozen", "Parameters", "RunGap", "Unknown", "known", "nearest"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


def _read_only(value: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(value))


def _deep_read_only(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _deep_read_only(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return tuple(_deep_read_only(item) for item in value)
    return value


# An edition is loaded once and shared, so nothing in it may be written to.
Frozen = Annotated[Mapping[K, V], AfterValidator(_read_only)]
"""A read-only mapping."""

Parameters = Annotated[Mapping[str, Any], AfterValidator(_deep_read_only)]
"""Nested official parameters, read-only at every level; ``nested.plain`` gives a copy to change."""


class Data(BaseModel):
    """Base of all edition records: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Unknown(Data):
    """A value that no source establishes (rules.md §7); ``unknown`` is the reason."""

    unknown: str


class RunGap(Data):
    """How far two neighbouring runs may lie apart: ``factor`` × the duration ``of`` the runs.

    ``measure``: ``start_to_start`` compares directory names, ``idle`` the end of one run with the start of the next.
    ``equal_passes``: whether a gap of exactly the limit is allowed.
    """

    measure: str
    factor: float
    of: str
    equal_passes: bool


def known(value: T | Unknown, what: str) -> T:
    """Return the value; ConfigurationError says why ``what`` is unknown."""
    if isinstance(value, Unknown):
        raise ConfigurationError(
            f"{what} is unknown: {value.unknown}", suggestion="nothing is guessed; use what is published", code="MLPS-E116"
        )
    return value


def nearest(word: str, words: Iterable[str]) -> str:
    """`` allowed: a, b; did you mean a?`` for messages; the guess only when one is near."""
    choices = sorted(words)
    near = difflib.get_close_matches(word.lower(), [c.lower() for c in choices], n=1, cutoff=0.6)
    guess = next((c for c in choices if near and c.lower() == near[0]), "")
    return f"allowed: {', '.join(choices) or 'none'}" + (f"; did you mean {guess}?" if guess else "")
