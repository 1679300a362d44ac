"""A system description held against the schema of an edition: what is wrong, where, and which was meant; no rule stands here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.config.problems import did_you_mean
from pytest_mlpstorage.editions.system_description import SystemBlock, SystemField, SystemSchema
from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.rules.wording import LONGEST, shown

__all__ = ["MOST_PROBLEMS", "Held", "Lack", "Problem", "as_words", "entries", "is_absent", "problems"]

MOST_PROBLEMS: Final = 100
"""Problems of one rule that are told of one description; somebody who made more made one mistake often."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing in a description that is not as the schema wants it; ``path`` is dotted, with the index of an entry of a list."""

    path: str
    message: str
    measured: str | None = None
    required: str | None = None


@dataclasses.dataclass(frozen=True)
class Lack:
    """A block that a rule reads and that is not there; another rule speaks of that."""

    path: str
    why: str


@dataclasses.dataclass(frozen=True)
class Held:
    """A field that is as the schema wants it."""

    key: str
    value: object
    field: SystemField

    @property
    def told(self) -> str:
        """The field with its value and unit, for people."""
        value = shown(as_words(self.value)) or shown(self.value) or ""
        value = value.lower() if self.field.kind == "boolean" else f"{value[:_TOLD]}…" if len(value) > _TOLD else value
        return f"{self.key} {value}{self.field.unit and f' {self.field.unit}'}"

    @property
    def wanted(self) -> str:
        """What the schema wants of it, for people."""
        return _wanted(self.field)


_TOLD: Final = 40
"""Characters of a value that is as the schema wants it, which nobody must look for in the file."""


def problems(document: object, schema: SystemSchema, rule: str, held: list[Held] | None = None) -> Iterator[Problem | Lack]:
    """What one rule of the schema has to say of a document, in the order of the schema; ``held`` takes in each field that is right."""
    count = 0
    for found in _Walk(schema, rule, [] if held is None else held).mapping(document, schema.root, schema.root):
        count += isinstance(found, Problem)
        if count > MOST_PROBLEMS:
            yield Problem(schema.root, f"more than {MOST_PROBLEMS} fields are wrong; the rest is not told")
            return
        yield found


def is_absent(value: object) -> bool:
    """Whether a field says nothing: it is not there, null, or an empty list or mapping."""
    return value is None or (isinstance(value, (list, tuple, Mapping)) and not value)


def entries(node: object, key: str, path: str) -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """The mappings in the list under ``key``, each with its path; what is no mapping is left to the schema."""
    value = node.get(key) if isinstance(node, Mapping) else None
    for index, entry in enumerate(value if isinstance(value, (list, tuple)) else ()):
        if isinstance(entry, Mapping):
            yield f"{path}.{key}[{index}]", entry


def as_words(value: object) -> str | None:
    """A single value as text without blanks around it; None for nothing, and for what holds other values."""
    if value is None or isinstance(value, (Mapping, list, tuple, set, bytes)):
        return None
    return str(value).strip()


@dataclasses.dataclass(frozen=True)
class _Walk:
    """One pass over the document for the sake of one rule: only its problems are worded."""

    schema: SystemSchema
    rule: str
    held: list[Held]

    def mapping(self, value: object, name: str, path: str, owner: str = "") -> Iterator[Problem | Lack]:
        block = self.schema.blocks[name]
        owner = owner or block.rule
        if not isinstance(value, Mapping):
            yield from self._no_block(value, name, path, owner)
            return
        for key, field in block.fields.items():
            if self._speaks_of(field, block):
                yield from self._field(value, key, field, block, f"{path}.{key}")
        if block.strict and self.rule == block.rule:
            yield from self._unknown(value, block, path)

    def _speaks_of(self, field: SystemField, block: SystemBlock) -> bool:
        """Whether the rule has anything to say of a field or of what is in it: each of two dozen rules walks over the document."""
        inside = field.kind in ("block", "blocks") and self.rule in self.schema.rules_within(field.block)
        return inside or (field.rule or block.rule) == self.rule

    def _no_block(self, value: object, name: str, path: str, owner: str) -> Iterator[Problem | Lack]:
        if owner == self.rule:
            yield Problem(path, "a block is not there" if value is None else "a block is no mapping", shown(value), "a mapping")
        elif self.rule in self.schema.rules_within(name):
            yield Lack(path, "is not there" if value is None else "is no mapping")

    def _unknown(self, value: Mapping[Any, Any], block: SystemBlock, path: str) -> Iterator[Problem]:
        for key in value:
            if key not in block.fields:
                word = str(shown(key))
                hint = did_you_mean(word, [known for known in block.fields if known not in value])
                yield Problem(f"{path}.{word}", f"the schema has no such field{hint}", word)

    def _field(self, parent: Mapping[Any, Any], key: str, field: SystemField, block: SystemBlock, path: str) -> Iterator[Problem | Lack]:
        if any(as_words(parent.get(other)) != wanted for other, wanted in field.when.items()):
            return
        value, owner = parent.get(key), field.rule or block.rule
        if value is None and not field.required:
            return
        if field.kind == "block":
            yield from self.mapping(value, field.block, path, owner)
        elif field.kind == "blocks":
            yield from self._blocks(value, field, path, owner)
        elif owner == self.rule:
            wrong = "a field is not there" if value is None else _wrong(value, field)
            if wrong:
                yield Problem(path, wrong, shown(value), _wanted(field))
            elif field.kind != "any":
                self.held.append(Held(key, value, field))

    def _blocks(self, value: object, field: SystemField, path: str, owner: str) -> Iterator[Problem | Lack]:
        if not isinstance(value, (list, tuple)):
            if owner == self.rule:
                yield Problem(path, "a list is not there" if value is None else "a field is no list", shown(value), "a list")
            elif self.rule in self.schema.rules_within(field.block):
                yield Lack(path, "is not there" if value is None else "is no list")
            return
        if owner == self.rule and len(value) < (field.least or 0):
            yield Problem(path, "a list has too few entries", str(len(value)), f"at least {field.least:g}")
        for index, entry in enumerate(value):
            # An entry that is no mapping is told by the rule of the entries, not by the one that wants the list.
            yield from self.mapping(entry, field.block, f"{path}[{index}]")


def _wrong(value: object, field: SystemField) -> str:
    """What is wrong with a value that is there; empty where nothing is."""
    if field.kind == "choices":
        return _wrong_choices(value, field)
    if field.kind == "choice":
        words = as_words(value)
        return "" if words in field.choices else f"a field is none of the words that the schema has{_meant(words, field.choices)}"
    if field.kind == "boolean":
        return "" if boolean(value) is not None else "a field is neither true nor false"
    if field.kind == "text":
        words = as_words(value)
        if words is None:
            return "a field is no text"
        return "a field is empty" if len(words) < (field.least or 0) else ""
    if field.kind in {"whole", "number"}:
        return _wrong_number(value, field)
    return ""


def _wrong_number(value: object, field: SystemField) -> str:
    parsed: int | float | None = integer(value) if field.kind == "whole" else number(value)
    if parsed is None:
        return "a field is no whole number" if field.kind == "whole" else "a field is no number"
    if (field.least is not None and parsed < field.least) or (field.above is not None and parsed <= field.above):
        return "a number is too small"
    return ""


def _wrong_choices(value: object, field: SystemField) -> str:
    if not isinstance(value, (list, tuple)):
        return "a field is no list"
    if len(value) < (field.least or 0):
        return "a list has too few entries"
    strange = [words for entry in value[:MOST_PROBLEMS] if (words := as_words(entry)) not in field.choices]
    return f"an entry is none of the words that the schema has{_meant(strange[0], field.choices)}" if strange else ""


def _meant(words: str | None, choices: Sequence[str]) -> str:
    return did_you_mean(words[:LONGEST], choices) if words else ""


def _wanted(field: SystemField) -> str:
    """What the schema wants of a field, for people."""
    unit = f" {field.unit}" if field.unit else ""
    if field.kind == "choice":
        return f"one of {', '.join(field.choices)}"
    if field.kind == "choices":
        return f"a list of at least {field.least or 0:g} of {', '.join(field.choices)}"
    if field.kind == "boolean":
        return "true or false"
    if field.kind == "text":
        return "a text that is not empty" if field.least else "a text"
    kind = "a whole number" if field.kind == "whole" else "a number"
    if field.above is not None:
        return f"{kind} above {field.above:g}{unit}"
    return f"{kind} of at least {field.least:g}{unit}" if field.least is not None else f"{kind}{unit and f' in{unit}'}"
