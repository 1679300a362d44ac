"""Official parameters as two shapes: nested as in a workload file, dotted as in ``--mlps-set`` and metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["dotted", "overlay", "plain", "value_at"]


def dotted(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested parameters as (dotted key, value), in order."""
    for key, value in nested.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def plain(value: Any) -> Any:
    """A deep copy as plain dicts and lists, for changing, JSON or YAML; tuples become lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def overlay(nested: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of nested parameters with the dotted changes laid over it."""
    copy: dict[str, Any] = plain(nested)
    for key, value in changes.items():
        *groups, last = key.split(".")
        at = copy
        for group in groups:
            below = at.get(group)
            if not isinstance(below, dict):
                below = at[group] = {}
            at = below
        at[last] = value
    return copy


def value_at(nested: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """The value at a dotted key, or ``default`` where it is absent."""
    at: Any = nested
    for part in key.split("."):
        if not isinstance(at, Mapping) or part not in at:
            return default
        at = at[part]
    return at
