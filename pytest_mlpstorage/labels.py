"""The part of a rule item's id that names its subject: made from a path that somebody else chose, and read back from the id."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["label", "subject_of"]

_LONGEST: Final = 240
"""Most characters of a label: a node id is a dictionary key, a line on the terminal, and a name in reports."""

_KEPT: Final = (150, 60)
"""Characters kept of the front and of the back of a path that is longer."""

_PLAIN: Final = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("%[]~\\")
"""What stands in an id as it is. Brackets end an id, pytest escapes backslashes and all that is not ASCII."""


def label(relpath: str) -> str:
    """Name a path in an id: printable ASCII, bounded, different for different paths, and the same in every process.

    Other characters are written as URLs write them.
    """
    text = "".join(c if c in _PLAIN else _escaped(c) for c in relpath)
    if len(text) <= _LONGEST:
        return text
    front, back = _KEPT
    digest = hashlib.sha256(relpath.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{text[:front]}~{digest}~{text[-back:]}"


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def subject_of(nodeid: str) -> str:
    """Return the label in the node id of a rule item, ``…::test_rule[<id>-<name>-<label>]``.

    The id and the name of a rule hold no slash, and the first level of a path (a division, a benchmark) holds no hyphen.
    """
    head, slash, tail = nodeid.partition("[")[2].removesuffix("]").partition("/")
    return head.rpartition("-")[2] + slash + tail
