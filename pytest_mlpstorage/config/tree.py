"""Values with the place they were written at: what every source of settings is turned into before it is checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias, Union

__all__ = [
    "Entry",
    "Fields",
    "Items",
    "JSONValue",
    "Loc",
    "Node",
    "Origin",
    "OriginKind",
    "Scalar",
    "Setting",
    "at",
    "leaves",
    "overlay",
    "plain",
]

JSONValue: TypeAlias = Union[bool, int, float, str, Sequence["JSONValue"], Mapping[str, "JSONValue"], None]  # noqa: UP007 - a name in quotes cannot be joined by |
OriginKind: TypeAlias = Literal["option", "yaml", "environment", "computed", "edition", "default"]
Loc: TypeAlias = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a value came from. ``where`` is ``closed.yaml:12:5``, ``--mlps-set``, ``MLPS_DATA_DIR``, ``edition 3.0``.

    ``line`` and ``column`` count from 1 and are 0 where there is no file.
    """

    kind: OriginKind
    where: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.kind == "environment":
            return f"environment {self.where}"
        if self.kind == "computed" and self.where != "computed":
            return f"computed: {self.where}"
        return self.where


@dataclasses.dataclass(frozen=True)
class Setting:
    """One effective value: its dotted key, the value (JSON-like) and where it came from."""

    key: str
    value: JSONValue
    origin: Origin


@dataclasses.dataclass(frozen=True)
class Scalar:
    """A single value; ``text`` is how it was written, ``plain`` whether without quotes."""

    value: bool | int | float | str | None
    text: str
    origin: Origin
    plain: bool = True


@dataclasses.dataclass(frozen=True)
class Items:
    """A list."""

    nodes: tuple[Node, ...]
    origin: Origin


@dataclasses.dataclass(frozen=True)
class Entry:
    """One key of a mapping: the place of the key itself, and what stands behind it."""

    key_origin: Origin
    node: Node


@dataclasses.dataclass(frozen=True)
class Fields:
    """A mapping, in the order it was written."""

    entries: Mapping[str, Entry]
    origin: Origin

    @classmethod
    def of(cls, origin: Origin, entries: Mapping[str, Entry] | None = None) -> Fields:
        """A mapping that nobody can change afterwards."""
        return cls(MappingProxyType(dict(entries or {})), origin)


Node: TypeAlias = Scalar | Items | Fields


def plain(node: Node, as_text: Collection[Loc] = (), loc: Loc = ()) -> JSONValue:
    """The bare value of a node; scalars at the places of ``as_text`` are given as they were written."""
    if isinstance(node, Scalar):
        return node.text if loc in as_text else node.value
    if isinstance(node, Items):
        return [plain(child, as_text, (*loc, index)) for index, child in enumerate(node.nodes)]
    return {key: plain(entry.node, as_text, (*loc, key)) for key, entry in node.entries.items()}


def overlay(low: Node, high: Node) -> Node:
    """``high`` laid over ``low``: mappings key by key, everything else as a whole."""
    if not isinstance(low, Fields) or not isinstance(high, Fields):
        return high
    merged = dict(low.entries)
    for key, entry in high.entries.items():
        merged[key] = Entry(entry.key_origin, overlay(merged[key].node, entry.node)) if key in merged else entry
    return Fields.of(low.origin if low.entries else high.origin, merged)


def at(node: Node, loc: Loc) -> tuple[Node, Origin, Loc]:
    """The deepest node on the way ``loc``, the place of the last key taken, and the part of the way that exists."""
    origin = node.origin
    taken: list[str | int] = []
    for part in loc:
        if isinstance(node, Fields) and isinstance(part, str) and part in node.entries:
            origin, node = node.entries[part].key_origin, node.entries[part].node
        elif isinstance(node, Items) and isinstance(part, int) and part < len(node.nodes):
            node = node.nodes[part]
            origin = node.origin
        else:
            break
        taken.append(part)
    return node, origin, tuple(taken)


def leaves(node: Node, key: str = "") -> Iterator[tuple[str, Scalar]]:
    """Every scalar below a node with its dotted key."""
    if isinstance(node, Scalar):
        yield key, node
    elif isinstance(node, Items):
        for index, child in enumerate(node.nodes):
            yield from leaves(child, f"{key}.{index}" if key else str(index))
    else:
        for name, entry in node.entries.items():
            yield from leaves(entry.node, f"{key}.{name}" if key else name)
