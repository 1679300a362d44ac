"""YAML that somebody else wrote: plain types only, and what multiplies, nests or contradicts itself is refused before it is built."""

from __future__ import annotations

import dataclasses
import io
from typing import Any, ClassVar, Final

import yaml

__all__ = ["MAX_ALIASES", "MAX_DEPTH", "MAX_DIGITS", "MAX_NODES", "bounded_yaml"]

MAX_ALIASES: Final = 200
"""Most aliases in one file; a description uses a handful."""

MAX_DEPTH: Final = 100
"""Deepest nesting; far beyond any real file, far below what ends the C loader."""

MAX_NODES: Final = 250_000
"""Most values in one file, each alias counted as all that it stands for. A manifest of 1 000 leaves has a tenth of it."""

MAX_DIGITS: Final = 400
"""Longest number; Python itself refuses to print a whole number of some thousand digits."""

_TAG: Final = "tag:yaml.org,2002:"


def _plain(base: Any) -> Any:
    """A safe loader whose documents are what JSON can hold: keys are text as written, dates stay text, no bytes, no sets."""

    class PlainLoader(base):  # type: ignore[misc]  # the C loader has no type that can be named here
        yaml_constructors: ClassVar = dict(base.yaml_constructors)
        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, pattern) for tag, pattern in entries if tag != f"{_TAG}timestamp"]
            for first, entries in base.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
            if not isinstance(node, yaml.MappingNode):
                raise yaml.constructor.ConstructorError(None, None, f"expected a mapping, found a {node.id}", node.start_mark)
            self.flatten_mapping(node)
            return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}

        def construct_short(self, node: Any) -> Any:
            if len(str(node.value)) > MAX_DIGITS:
                raise ValueError(f"a number of more than {MAX_DIGITS} digits in line {node.start_mark.line + 1}")
            convert = self.construct_yaml_int if node.tag == f"{_TAG}int" else self.construct_yaml_float
            return convert(node)

    for kind in ("binary", "omap", "pairs", "set"):
        del PlainLoader.yaml_constructors[f"{_TAG}{kind}"]
    for kind in ("int", "float"):
        PlainLoader.add_constructor(f"{_TAG}{kind}", PlainLoader.construct_short)
    PlainLoader.add_constructor(f"{_TAG}timestamp", base.construct_yaml_str)
    return PlainLoader


# The C loader is several times faster; a PyYAML without it is as right.
_PlainLoader: Any = _plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclasses.dataclass
class _Open:
    """A mapping or list that has begun: its size so far, and of a mapping the keys and whether a key comes next."""

    anchor: str | None
    keys: set[str] | None
    size: int = 1
    at_key: bool = True


class _Bounds:
    """Looks at a document's events, one after another, before anything is built of them."""

    def __init__(self) -> None:
        self.open: list[_Open] = []
        self.sizes: dict[str, int] = {}
        self.aliases = 0
        self.nodes = 0

    def see(self, event: yaml.Event) -> None:
        """Take in the next event; raises ValueError where a bound is passed or a mapping contradicts itself."""
        if isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "")
        elif isinstance(event, yaml.ScalarEvent):
            self._count(1)
            event.value.encode()  # refuses half a character, which only the Python loader lets through
            if self.open and self.open[-1].keys is not None and self.open[-1].at_key:
                self._key(event, self.open[-1].keys)
            self._done(1, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._may_stand_here("a collection")
            self._count(1)
            self.open.append(_Open(event.anchor, set() if isinstance(event, yaml.MappingStartEvent) else None))
            if len(self.open) > MAX_DEPTH:
                raise ValueError(f"nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.open.pop()
            self._done(closed.size, closed.anchor)

    def _alias(self, anchor: str) -> None:
        self._may_stand_here("an alias")
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise ValueError(f"more than {MAX_ALIASES} aliases")
        if any(part.anchor == anchor for part in self.open):
            raise ValueError(f"{anchor!r} holds itself")
        size = self.sizes.get(anchor, 0)  # an anchor that there is not is refused when the document is built
        self._count(size)
        self._done(size, None)

    def _may_stand_here(self, what: str) -> None:
        if self.open and self.open[-1].keys is not None and self.open[-1].at_key:
            raise ValueError(f"{what} stands where a key must")

    def _key(self, event: yaml.ScalarEvent, keys: set[str]) -> None:
        if event.value == "<<" and event.implicit[0]:
            return  # what is merged may be overridden by what stands beside it
        # The official tool reads the last of two; a file that says two things says nothing that a verdict can rest on.
        if event.value in keys:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise ValueError(f"the key {event.value[:80]!r} stands twice, the second time in line {line}")
        keys.add(event.value)

    def _count(self, size: int) -> None:
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} values")

    def _done(self, size: int, anchor: str | None) -> None:
        """A value is complete, and with it half an entry of the mapping around it."""
        if anchor is not None:
            self.sizes[anchor] = size
        if self.open:
            self.open[-1].size += size
            self.open[-1].at_key = not self.open[-1].at_key


def bounded_yaml(content: bytes) -> object:
    """Parse one YAML document into plain types; raises ValueError, in one line, for anything else.

    Refused: tags of other types, aliases that multiply or hold themselves, deep nesting, endless numbers, a key that stands twice.
    """
    try:
        bounds = _Bounds()
        for event in yaml.parse(io.BytesIO(content), Loader=_PlainLoader):
            bounds.see(event)
        return yaml.load(content, Loader=_PlainLoader)  # noqa: S506 - made of a safe loader
    except (yaml.YAMLError, RecursionError, OverflowError, TypeError, AttributeError, LookupError, ValueError) as error:
        raise ValueError(" ".join(str(error).split()) or "no YAML") from error
