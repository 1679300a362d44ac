"""Settings of the command line: options and ``--mlps-set KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel

from pytest_mlpstorage.config.document import parse_value
from pytest_mlpstorage.config.families import Section
from pytest_mlpstorage.config.official import groups, known
from pytest_mlpstorage.config.problems import Problems, one_of
from pytest_mlpstorage.config.sections import ClusterSection, LaunchSection, SuiteSection
from pytest_mlpstorage.config.suite import FamilySchema
from pytest_mlpstorage.config.tree import Entry, Fields, Node, Origin, Scalar, overlay
from pytest_mlpstorage.config.validate import field_names

__all__ = ["assignments_layer", "insert", "options_layer", "suite_keys"]

_SET: Final = Origin("option", "--mlps-set")
_SECTIONS: Final[Mapping[str, type[BaseModel]]] = {"cluster": ClusterSection, "launch": LaunchSection}
_OPTION_NAMES: Final = {"results_dir": "--results-dir"}


def suite_keys() -> tuple[str, ...]:
    """The dotted keys that belong to no family, those of ``cluster`` and ``launch`` in full."""
    keys: list[str] = []
    for name in field_names(SuiteSection):
        below = _SECTIONS.get(name)
        keys += [f"{name}.{child}" for child in field_names(below)] if below else [name]
    return tuple(keys)


def options_layer(options: Mapping[str, object], problems: Problems) -> Fields:
    """What the plugin's own options set, by dotted key; None means that an option was not given."""
    layer = Fields.of(Origin("option", "options"))
    for key, value in options.items():
        if value is None:
            continue
        origin = Origin("option", _OPTION_NAMES.get(key, "--mlps-" + key.rpartition(".")[2].replace("_", "-")))
        scalar = value if isinstance(value, (bool, int, float)) else str(value)
        if scalar == "":
            problems.add(origin, key, "given nothing; allowed text")
            continue
        layer = insert(layer, key, Scalar(scalar, str(value), origin, plain=False), origin)
    return layer


def assignments_layer(
    assignments: Sequence[str], *, families: Sequence[FamilySchema], sections: dict[str, Section], configured_in: str, problems: Problems
) -> Fields:
    """What ``--mlps-set`` sets: suite keys are returned as a layer, those of families go into their sections. The last of a key wins."""
    layer = Fields.of(_SET)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key or not key.isprintable():
            problems.add(_SET, "", f"given {assignment!r}; allowed KEY=VALUE, such as launch.deadline=2h")
            continue
        node = parse_value(text, _SET, key, problems)
        if node is None:
            continue
        head, _, rest = key.partition(".")
        if key in suite_keys() or (key in {"cluster", "launch"} and isinstance(node, Fields)):
            layer = insert(layer, key, node, _SET)
            continue
        if head in {schema.family for schema in families}:
            if head in sections and rest:
                sections[head].assign(rest, Entry(_SET, node))
            elif head in sections:
                problems.add(_SET, key, f"given a whole section; allowed a key in it, such as {_example(sections[head].schema)}")
            else:
                problems.add(
                    _SET,
                    key,
                    f"the family {head} is not configured in {configured_in}; allowed {one_of(tuple(sections)) or 'none'}",
                    code="MLPS-E110",
                )
            continue
        _assign_unprefixed(key, node, families, sections, problems)
    return layer


def _assign_unprefixed(key: str, node: Node, families: Sequence[FamilySchema], sections: dict[str, Section], problems: Problems) -> None:
    takers = [family for family, section in sections.items() if _takes(section.schema, key)]
    if len(takers) == 1:
        sections[takers[0]].assign(key, Entry(_SET, node))
        return
    if takers:
        problems.add(
            _SET,
            key,
            f"a key of {len(takers)} configured families; allowed {one_of([f'{family}.{key}' for family in takers])}",
            code="MLPS-E110",
        )
        return
    elsewhere = [schema.family for schema in families if _takes(schema, key)]
    if elsewhere:
        problems.add(
            _SET,
            key,
            f"a key of {one_of(elsewhere)}, which is not configured; allowed keys of {one_of(tuple(sections)) or 'none'}",
            code="MLPS-E110",
        )
        return
    candidates = [*suite_keys()]
    for family, section in sections.items():
        schema = section.schema
        candidates += [f"{family}.{name}" for name in field_names(schema.model)]
        if schema.item_key and schema.item_model:
            candidates += [f"{family}.{schema.item_key}.0.{name}" for name in field_names(schema.item_model)]
        candidates += schema.official_keys if len(sections) == 1 else [f"{family}.{name}" for name in schema.official_keys]
    problems.add(
        _SET,
        key,
        "unknown key; allowed a key of the YAML, <family>.<official key> or an official key",
        word=key,
        candidates=candidates,
        code="MLPS-E110",
    )


def _takes(schema: FamilySchema, key: str) -> bool:
    return known(key, schema.official_keys) is not None or key in groups(schema.official_keys)


def _example(schema: FamilySchema) -> str:
    return f"{schema.family}.{next(iter((*field_names(schema.model), *schema.official_keys)), 'key')}"


def insert(layer: Fields, key: str, node: Node, origin: Origin) -> Fields:
    """A layer with one value more, at a dotted key."""
    for part in reversed(key.split(".")):
        node = Fields.of(origin, {part: Entry(origin, node)})
    merged = overlay(layer, node)
    assert isinstance(merged, Fields)
    return merged
