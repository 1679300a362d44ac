"""YAML that somebody else wrote: plain types only, aliases that multiply are refused before they are expanded."""

from __future__ import annotations

import io
from typing import Any, Final

import yaml

__all__ = ["MAX_ALIASES", "bounded_yaml"]

MAX_ALIASES: Final = 200
"""Most aliases in one file; a description uses a handful, a bomb lives on them."""

MAX_DEPTH: Final = 100
"""Deepest nesting; far beyond any real file, far below the interpreter's own limit."""

# The C loader is several times faster; a PyYAML without it is as right.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def bounded_yaml(content: bytes) -> object:
    """Parse one YAML document into plain types; raises ValueError for anything else: tags, too many aliases, too deep, no YAML."""
    try:
        depth = aliases = 0
        for event in yaml.parse(io.BytesIO(content), Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                aliases += 1
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if aliases > MAX_ALIASES:
                raise ValueError(f"more than {MAX_ALIASES} aliases")
            if depth > MAX_DEPTH:
                raise ValueError(f"nested more than {MAX_DEPTH} deep")
        return yaml.load(content, Loader=_Loader)  # noqa: S506 - both loaders are safe ones
    except (yaml.YAMLError, RecursionError, OverflowError, TypeError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())) from error
