"""YAML text to a tree of values with places, refusing everything a configuration does not need.

Read from the parser's events, never by constructing objects: no tag, anchor, alias or merge key is followed, so a file
can neither run anything nor grow. Scalars are read as YAML 1.2 reads numbers (``010`` and ``1:30`` stay text) with the
booleans of YAML 1.1 (``off``), because that is what other readers of the same file would make of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Final

import yaml

from pytest_mlpstorage.config.problems import Problems
from pytest_mlpstorage.config.tree import Entry, Fields, Items, Node, Origin, Scalar

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "parse_value", "read_document"]

MAX_BYTES: Final = 256 * 1024
MAX_NODES: Final = 10_000
MAX_DEPTH: Final = 24
# The parser of libyaml where PyYAML was built with it: ten times faster, same events.
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset(w for word in ("true", "yes", "on") for w in (word, word.title(), word.upper()))
_FALSE: Final = frozenset(w for word in ("false", "no", "off") for w in (word, word.title(), word.upper()))
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_DECIMAL: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,4})?")
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Refused(Exception):
    """What cannot be read further; carries the place and the reason."""

    def __init__(self, origin: Origin, text: str) -> None:
        super().__init__(text)
        self.origin = origin
        self.text = text


def _unprintable(text: str) -> str:
    """The first character of a text that YAML does not allow, as ``U+0007``; empty where there is none."""
    bad = _FORBIDDEN.search(text)
    return f"U+{ord(bad[0]):04X}" if bad else ""


def read_document(path: Path, shown: str, problems: Problems) -> Fields | None:
    """The top-level mapping of a YAML file, or None after noting why it cannot be read.

    ``shown`` is how messages name the file. Repeated keys are noted and the reading goes on.
    """
    whole = Origin("yaml", shown)
    try:
        text = _text_of(path, whole)
        node = _build(text, lambda mark: _mark_origin(shown, mark.line, mark.column), problems)
    except _Refused as refused:
        problems.add(refused.origin, "", refused.text, code="MLPS-E102")
        return None
    if node is None or (isinstance(node, Scalar) and node.value is None):
        problems.add(whole, "", "the file is empty; needed a mapping of settings, such as division: closed", code="MLPS-E102")
        return None
    if not isinstance(node, Fields):
        what = "a list" if isinstance(node, Items) else "a single value"
        problems.add(node.origin, "", f"given {what} at the top; allowed a mapping of settings, such as division: closed", code="MLPS-E102")
        return None
    return node


def parse_value(text: str, origin: Origin, key: str, problems: Problems) -> Node | None:
    """The value of ``--mlps-set`` or of a variable: a YAML scalar or flow value; None (noted) if it is none."""
    bad = _unprintable(text)
    if bad:
        problems.add(origin, key, f"given the character {bad}; allowed printable text")
        return None
    if len(text) > MAX_BYTES:
        problems.add(origin, key, f"given {len(text)} characters; allowed {MAX_BYTES}")
        return None
    try:
        node = _build(text, lambda _mark: origin, problems)
    except _Refused as refused:
        problems.add(origin, key, f"given {text[:60]!r}; {refused.text}")
        return None
    return Scalar(None, "", origin) if node is None else node


def _mark_origin(shown: str, line: int, column: int) -> Origin:
    return Origin("yaml", f"{shown}:{line + 1}:{column + 1}", line + 1, column + 1)


def _text_of(path: Path, whole: Origin) -> str:
    try:
        mode = path.stat().st_mode
        if S_ISDIR(mode):
            raise _Refused(whole, "is a directory; needed a YAML file")
        if not S_ISREG(mode):
            raise _Refused(whole, "is a device, pipe or socket; needed a YAML file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _Refused(whole, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _Refused(whole, f"cannot be read: {error}") from error
    if len(data) > MAX_BYTES:
        raise _Refused(whole, f"is larger than the {MAX_BYTES // 1024} KiB that a configuration may have")
    if b"\0" in data:
        raise _Refused(whole, "is a binary file; needed YAML in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n"), len(before) - (before.rfind(b"\n") + 1)
        raise _Refused(
            _mark_origin(whole.where, line, column),
            f"given the byte 0x{error.object[error.start]:02x}, which is not UTF-8; allowed YAML in UTF-8",
        ) from error
    bad = _FORBIDDEN.search(text)
    if bad:
        before_text = text[: bad.start()]
        line, column = before_text.count("\n"), bad.start() - (before_text.rfind("\n") + 1)
        raise _Refused(_mark_origin(whole.where, line, column), f"given the character U+{ord(bad[0]):04X}; allowed printable text")
    return text


def _events(text: str, place: Callable[[Any], Origin]) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        if mark is None:
            raise _Refused(place(yaml.Mark("", 0, 0, 0, None, 0)), f"not YAML: {problem}") from error
        lines = text.splitlines()
        rest = lines[mark.line][mark.column :] if mark.line < len(lines) else ""
        if (
            rest.startswith("\t")
            or "'\\t'" in problem
            or (mark.line < len(lines) and lines[mark.line][: mark.column].strip(" ").startswith("\t"))
        ):
            problem = "given a tab; allowed spaces for indentation"
            raise _Refused(place(mark), problem) from error
        raise _Refused(place(mark), f"not YAML: {problem}") from error
    except yaml.YAMLError as error:
        raise _Refused(place(yaml.Mark("", 0, 0, 0, None, 0)), f"not YAML: {error}") from error


class _Open:
    """A list or mapping whose end has not been read yet."""

    def __init__(self, origin: Origin, *, mapping: bool) -> None:
        self.origin = origin
        self.mapping = mapping
        self.nodes: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.key: tuple[str, Origin] | None = None

    def close(self) -> Node:
        return Fields.of(self.origin, self.entries) if self.mapping else Items(tuple(self.nodes), self.origin)


def _build(text: str, place: Callable[[Any], Origin], problems: Problems) -> Node | None:
    """The tree of the one document in ``text``; None where there is none; raises _Refused."""
    stack: list[_Open] = []
    top: Node | None = None
    documents = nodes = 0
    for event in _events(text, place):
        origin = place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Refused(origin, "given a second document; allowed one document a file")
            continue
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(origin, f"given the alias *{event.anchor}; allowed no aliases: write the value out")
        if not isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent, yaml.CollectionEndEvent)):
            continue
        done: Node
        if isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop().close()
        else:
            nodes += 1
            if nodes > MAX_NODES:
                raise _Refused(origin, f"given more than {MAX_NODES} values; allowed {MAX_NODES}")
            if event.anchor is not None:
                raise _Refused(origin, f"given the anchor &{event.anchor}; allowed no anchors: write the value out")
            if event.tag is not None:
                raise _Refused(origin, f"given the tag {event.tag}; allowed no tags")
            if isinstance(event, yaml.CollectionStartEvent):
                if stack and stack[-1].mapping and stack[-1].key is None:
                    raise _Refused(origin, "given a list or mapping as a key; allowed a name")
                if len(stack) >= MAX_DEPTH:
                    raise _Refused(origin, f"given more than {MAX_DEPTH} levels; allowed {MAX_DEPTH}")
                stack.append(_Open(origin, mapping=isinstance(event, yaml.MappingStartEvent)))
                continue
            done = _scalar(event.value, origin, plain=bool(event.implicit[0]))
            if stack and stack[-1].mapping and stack[-1].key is None:
                stack[-1].key = (_key(done), origin)
                continue
        if not stack:
            top = done
        elif not stack[-1].mapping:
            stack[-1].nodes.append(done)
        else:
            holder = stack[-1]
            assert holder.key is not None
            (name, key_origin), holder.key = holder.key, None
            if name in holder.entries:
                first = holder.entries[name].key_origin
                problems.add(key_origin, _path(stack, name), f"given twice, first at {first.where}; allowed once", code="MLPS-E113")
            else:
                holder.entries[name] = Entry(key_origin, done)
    return top


def _path(stack: list[_Open], name: str) -> str:
    around = [(holder.key[0] if holder.key else "") if holder.mapping else str(len(holder.nodes)) for holder in stack[:-1]]
    return ".".join([*around, name])


def _key(scalar: Scalar) -> str:
    if scalar.plain and scalar.text == "<<":
        raise _Refused(scalar.origin, "given the merge key <<; allowed no merge keys: write the values out")
    if scalar.text == "":
        raise _Refused(scalar.origin, "given an empty key; allowed a name")
    if not scalar.text.isprintable() or len(scalar.text) > 200:
        raise _Refused(scalar.origin, f"given the key {scalar.text[:60]!r}; allowed a name on one line")
    return scalar.text


def _scalar(text: str, origin: Origin, *, plain: bool) -> Scalar:
    bad = _unprintable(text)
    if bad:
        raise _Refused(origin, f"given the character {bad} by an escape; allowed printable text")
    value: bool | int | float | str | None = text
    if plain:
        if text in _NULL:
            value = None
        elif text in _TRUE or text in _FALSE:
            value = text in _TRUE
        elif _INTEGER.fullmatch(text):
            value = int(text)
        elif _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
            value = float(text)
    return Scalar(value, text, origin, plain)
