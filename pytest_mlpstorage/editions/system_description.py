"""The schema of a system description as data of an edition (rules.md §2.2): blocks, their fields, and the rule that speaks of each."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field, model_validator

from pytest_mlpstorage.editions.base import Data, Frozen

__all__ = ["FieldKind", "SystemBlock", "SystemField", "SystemSchema"]

FieldKind = Literal["any", "text", "choice", "choices", "boolean", "whole", "number", "block", "blocks"]


class SystemField(Data):
    """One field of a block. Numbers, texts and truth values count in whatever form YAML has them (``2``, ``"2"``, ``!!int "2"``).

    ``kind``: ``whole`` and ``number`` are ``least`` or more, or more than ``above``; ``text`` has at least ``least`` characters;
    ``choice`` is one of ``choices`` and ``choices`` a list of them; ``block`` and ``blocks`` are a mapping and a list of mappings
    of the kind ``block``; a list has at least ``least`` entries. ``when``: judged, and required, only where other fields of the
    block have these values. ``rule`` speaks of it, else the rule of its block. ``unit`` is for people.
    """

    kind: FieldKind
    required: bool = True
    rule: str = ""
    least: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    block: str = ""
    when: Frozen[str, str] = Field(default_factory=dict)
    unit: str = ""


class SystemBlock(Data):
    """One mapping of the document. A key that is no field is an error of ``rule`` unless the block is not ``strict``."""

    rule: str
    fields: Frozen[str, SystemField]
    strict: bool = True


class SystemSchema(Data):
    """All blocks by name; the document holds the block ``root`` under the key of that name.

    Values of ``storage_location``: ``remote_locations`` put storage behind a network (SYS-14), ``local_location`` inside the
    clients (SYS-15), ``external_location`` is the one of which it is known that it needs product nodes (SYS-16).
    """

    root: str
    blocks: Frozen[str, SystemBlock]
    remote_locations: tuple[str, ...]
    local_location: str
    external_location: str

    @model_validator(mode="after")
    def _blocks_exist(self) -> SystemSchema:
        named = {field.block for block in self.blocks.values() for field in block.fields.values() if field.block}
        missing = sorted((named | {self.root}) - set(self.blocks))
        if missing:
            raise ValueError(f"no such block: {', '.join(missing)}")
        return self

    def rules_within(self, block: str) -> frozenset[str]:
        """Every rule that speaks of a field in a block or in one that it holds."""
        return self.rules_by_block[block]

    @functools.cached_property
    def rules_by_block(self) -> Mapping[str, frozenset[str]]:
        """``rules_within`` of each block: asked for every field of every description."""
        return {name: frozenset(self._rules(name)) for name in self.blocks}

    def _rules(self, name: str) -> Iterator[str]:
        block = self.blocks[name]
        yield block.rule
        for field in block.fields.values():
            if field.rule:
                yield field.rule
            if field.block:
                yield from self._rules(field.block)
