"""The section of one workload family: own keys, entries and official parameters, from all sources of settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from pydantic import BaseModel

from pytest_mlpstorage.config.official import collect, convert, groups, known
from pytest_mlpstorage.config.problems import Problems, given
from pytest_mlpstorage.config.suite import FamilyConfig, FamilySchema, ItemConfig
from pytest_mlpstorage.config.tree import Entry, Fields, Items, JSONValue, Origin, Scalar, Setting, leaves, overlay, plain
from pytest_mlpstorage.config.validate import field_names, validate
from pytest_mlpstorage.verdict import Division

__all__ = ["Section", "own_settings", "read_section"]


@dataclasses.dataclass
class _Level:
    """Own keys and official parameters of the section or of one entry, as one source gave them."""

    origin: Origin
    own: dict[str, Entry] = dataclasses.field(default_factory=dict)
    parameters: dict[str, Entry] = dataclasses.field(default_factory=dict)
    broken: bool = False


class Section:
    """One family's section while the sources are laid over each other: variables, YAML, then assignments in their order."""

    def __init__(self, schema: FamilySchema, origin: Origin, problems: Problems) -> None:
        self.schema = schema
        self.problems = problems
        self.variables = _Level(origin)
        self.level = _Level(origin)
        self.assigned = _Level(origin)
        self.items: list[_Level] = []
        self.items_origin = origin
        self.items_given = False
        self.assigned_items: dict[int, _Level] = {}

    def take_variable(self, key: str, entry: Entry) -> None:
        """Take an own key of the section or an official parameter from the environment."""
        (self.variables.own if key in field_names(self.schema.model) else self.variables.parameters)[key] = entry

    def assign(self, name: str, entry: Entry) -> None:
        """``--mlps-set <family>.<name>=…``: a key of the section, an official parameter, or ``workloads.0.accelerators``."""
        head, _, rest = name.partition(".")
        if head != self.schema.item_key:
            self._put(self.assigned, name, entry, self.schema.model, self.schema.family, replace=True)
            return
        if not rest:
            self.assigned_items.clear()
            self.read_items(entry)
            return
        index_text, _, key = rest.partition(".")
        shown = f"{self.schema.family}.{name}"
        count = len(self.items)
        if not index_text.isdecimal() or len(index_text) > 6 or int(index_text) >= count:
            numbers = "no entries are configured" if not count else "0" if count == 1 else f"0 to {count - 1}"
            self.problems.add(entry.key_origin, shown, f"given the entry {index_text!r}; allowed {numbers}")
        elif not key:
            self.problems.add(
                entry.key_origin, shown, "given a whole entry; allowed one of its keys, such as " + f"{shown}.{self._example()}"
            )
        else:
            index = int(index_text)
            level = self.assigned_items.setdefault(index, _Level(entry.key_origin))
            self._put(level, key, entry, self.schema.item_model, f"{self.schema.family}.{head}.{index}", replace=True)

    def read(self, node: Fields) -> None:
        """Take the section as the YAML has it."""
        for name, entry in node.entries.items():
            if self.schema.item_key is not None and name == self.schema.item_key:
                self.read_items(entry)
            else:
                self._put(self.level, name, entry, self.schema.model, self.schema.family)

    def read_items(self, entry: Entry) -> None:
        """Take the list of entries."""
        prefix = f"{self.schema.family}.{self.schema.item_key}"
        self.items, self.items_given, self.items_origin = [], True, entry.key_origin
        if not isinstance(entry.node, Items):
            self.problems.add(entry.node.origin, prefix, f"given {given(entry.node)}; allowed a list of entries")
            return
        for index, node in enumerate(entry.node.nodes):
            level = _Level(node.origin)
            self.items.append(level)
            if not isinstance(node, Fields):
                self.problems.bad_value(f"{prefix}.{index}", node, f"a mapping, such as {self._example()}: …")
                level.broken = True
                continue
            for name, child in node.entries.items():
                self._put(level, name, child, self.schema.item_model, f"{prefix}.{index}")
        if not entry.node.nodes:
            self.problems.add(entry.node.origin, prefix, "given an empty list; allowed a list of at least one entry", code="MLPS-E112")

    def _example(self) -> str:
        return next(iter(field_names(self.schema.item_model)), "model") if self.schema.item_model else "model"

    def _put(self, level: _Level, name: str, entry: Entry, model: type[BaseModel] | None, prefix: str, *, replace: bool = False) -> None:
        own = tuple(field_names(model)) if model else ()
        head, _, rest = name.partition(".")
        if name in own:
            level.own[name] = Entry(entry.key_origin, overlay(level.own[name].node, entry.node)) if name in level.own else entry
            return
        official = self.schema.official_keys
        # An official group may bear the name of an own key (model), and is written with dots there.
        if rest and head in own and known(name, official) is None and name not in groups(official):
            inner = Entry(entry.key_origin, Fields.of(entry.key_origin, {rest: entry}))
            self._put(level, head, inner, model, prefix)
            return
        fresh: dict[str, Entry] = {} if replace else level.parameters
        words = own if self.schema.item_key is None or model is self.schema.item_model else (*own, self.schema.item_key)
        collect(name, entry, self.schema.official_keys, prefix=prefix, own=words, into=fresh, problems=self.problems)
        level.parameters.update(fresh)

    def config(self, edition: str | None, division: Division | None) -> FamilyConfig | None:
        """The finished section, or None after noting everything that is wrong with it.

        ``edition`` and ``division`` are None where what was given is none: an error of its own.
        """
        schema, before = self.schema, len(self.problems)
        own = validate(schema.model, self.merged_own(), prefix=schema.family, problems=self.problems)
        if schema.item_key is not None and not self.items_given:
            self.problems.add(self.level.origin, f"{schema.family}.{schema.item_key}", "missing; needed a list of at least one entry")
        items: list[ItemConfig] = []
        merged = self.merged_items()
        for index, (node, parameters) in enumerate(merged):
            if self.items[index].broken:
                continue
            prefix = f"{schema.family}.{schema.item_key}.{index}"
            item_own = validate(schema.item_model, node, prefix=prefix, problems=self.problems) if schema.item_model else BaseModel()
            settings = self._settings(parameters, prefix)
            if item_own is not None:
                origins = {key: entry.node.origin for key, entry in node.entries.items()}
                items.append(ItemConfig(item_own, settings, node.origin, MappingProxyType(origins), index))
        # The parameters of the section are checked by the entries too; once is enough where there are some.
        family_parameters = self._settings(self.merged_parameters(), schema.family)
        self._check(items, [node for node, _ in merged], edition, division)
        if own is None or len(self.problems) > before:
            return None
        return FamilyConfig(own, family_parameters, tuple(items))

    def _check(self, items: Sequence[ItemConfig], nodes: Sequence[Fields], edition: str | None, division: Division | None) -> None:
        """Note what the family finds wrong with its entries; other errors of theirs hide none of it."""
        schema = self.schema
        found = [(items[position].index, key, text) for position, key, text in schema.check(items)] if schema.check is not None else []
        if schema.entry_check is not None and edition is not None:
            for index, node in enumerate(nodes):
                written = {key: entry.node.text for key, entry in node.entries.items() if isinstance(entry.node, Scalar)}
                # What the widest division does not know, none does.
                checked = schema.entry_check(MappingProxyType(written), edition, division or Division.WHATIF)
                found += [(index, key, text) for key, text in checked]
        parameters = {item.index: item.parameters for item in items}
        for index, key, text in found:
            entries, official = nodes[index].entries, parameters.get(index, {})
            place = entries[key].node.origin if key in entries else official[key].origin if key in official else nodes[index].origin
            self.problems.add(place, f"{schema.family}.{schema.item_key}.{index}.{key}", text, code="MLPS-E114")

    def merged_own(self) -> Fields:
        """The section's own keys: option > YAML > environment."""
        return _merged(_Level(self.level.origin, dict(_merged(self.variables, self.level).entries)), self.assigned)

    def merged_parameters(self) -> dict[str, Entry]:
        """The section's parameters: option > YAML > environment."""
        return {**self.variables.parameters, **self.level.parameters, **self.assigned.parameters}

    def merged_items(self) -> list[tuple[Fields, dict[str, Entry]]]:
        """Each entry's own keys and parameters: option > entry in the YAML > section in the YAML > environment."""
        merged = []
        for index, level in enumerate(self.items):
            over = self.assigned_items.get(index, _Level(level.origin))
            below = {**self.variables.parameters, **self.level.parameters}
            parameters = {**below, **level.parameters, **self.assigned.parameters, **over.parameters}
            merged.append((_merged(level, over), parameters))
        return merged

    def _settings(self, parameters: dict[str, Entry], prefix: str) -> MappingProxyType[str, Setting]:
        settings = {}
        for key, entry in parameters.items():
            spec = known(key, self.schema.official_keys)
            assert spec is not None
            # An error in a parameter of the section is told once, under the section's own key.
            levels = (self.variables, self.level, self.assigned)
            inherited = prefix != self.schema.family and any(entry is level.parameters.get(key) for level in levels)
            value = convert(key, f"{prefix}.{key}", entry.node, spec, Problems() if inherited else self.problems)
            settings[key] = Setting(key, value, entry.node.origin)
        return MappingProxyType(settings)

    def settings(self, config: FamilyConfig) -> Iterator[Setting]:
        """Every effective value of the section."""
        yield from own_settings(config.own, self.merged_own(), self.schema.family)
        if self.schema.item_key is None:
            yield from _prefixed(self.schema.family, config.parameters)
        for index, (item, (node, _)) in enumerate(zip(config.items, self.merged_items(), strict=True)):
            prefix = f"{self.schema.family}.{self.schema.item_key}.{index}"
            yield from own_settings(item.own, node, prefix)
            yield from _prefixed(prefix, item.parameters)

    def scalars(self) -> Iterator[tuple[str, Scalar]]:
        """Every scalar of the section with its dotted key."""
        prefix = self.schema.family
        yield from leaves(self.merged_own(), prefix)
        if self.schema.item_key is None:
            for key, entry in self.merged_parameters().items():
                yield from leaves(entry.node, f"{prefix}.{key}")
        for index, (node, parameters) in enumerate(self.merged_items()):
            yield from leaves(node, f"{prefix}.{self.schema.item_key}.{index}")
            for key, entry in parameters.items():
                yield from leaves(entry.node, f"{prefix}.{self.schema.item_key}.{index}.{key}")


def _merged(low: _Level, high: _Level) -> Fields:
    merged = overlay(Fields.of(low.origin, low.own), Fields.of(high.origin, high.own))
    assert isinstance(merged, Fields)
    return Fields.of(low.origin, merged.entries)


def own_settings(model: BaseModel, node: Fields, prefix: str) -> Iterator[Setting]:
    """The values of a model's own keys with their origins; what nobody gave and has no default is left out."""
    for name, info in field_names(model.__class__).items():
        key = f"{prefix}.{name}" if prefix else name
        value = getattr(model, next(attribute for attribute, field in model.__class__.model_fields.items() if field is info))
        if name in node.entries:
            child = node.entries[name].node
            yield Setting(key, _shown(value, plain(child)), child.origin)
        elif value is not None and isinstance(value, (str, int, float)):
            yield Setting(key, _shown(value, value), Origin("default", "default"))


def _prefixed(prefix: str, parameters: Mapping[str, Setting]) -> Iterator[Setting]:
    for key, setting in parameters.items():
        yield dataclasses.replace(setting, key=f"{prefix}.{key}")


def _shown(value: object, written: JSONValue) -> JSONValue:
    """A value as it took effect where it is text (``edition: 3.0`` is text), else as it was written (``2h``)."""
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, str) else written


def read_section(schema: FamilySchema, entry: Entry, problems: Problems) -> Section:
    """A section from its place in the YAML; what is not a mapping is noted and read as an empty one."""
    section = Section(schema, entry.key_origin, problems)
    if isinstance(entry.node, Fields):
        section.read(entry.node)
    else:
        allowed = f"a mapping with the key {schema.item_key}" if schema.item_key else "a mapping"
        problems.bad_value(schema.family, entry.node, allowed)
        section.items_given = True
    return section
