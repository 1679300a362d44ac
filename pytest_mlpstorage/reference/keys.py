"""The page of the configuration's keys, from the same models and key lists that check a YAML and make its JSON schema."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.config import FamilySchema
from pytest_mlpstorage.config.environment import family_keys, variable_of
from pytest_mlpstorage.config.schema import json_schema
from pytest_mlpstorage.config.sources import suite_keys
from pytest_mlpstorage.config.validate import field_names
from pytest_mlpstorage.reference.markdown import code, plain, table
from pytest_mlpstorage.workloads.registry import load_workloads

__all__ = ["Key", "keys_page"]

_COLUMNS: Final = ("key", "type", "unit", "default", "allowed", "variable", "what it is")
_REFERENCE: Final = "#/definitions/"
_DEFAULT: Final = re.compile(r"\s*\(default:? ([^()]*)\)")
_SIZE: Final = "[KMGTP]iB"
_TIME: Final = "(ms|s|min|h|d)"
_WORDS: Final = {
    "integer": "integer",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "object": "mapping",
    "array": "list",
}


@dataclasses.dataclass(frozen=True)
class Key:
    """One key as the page has it; ``shape`` is its part of the JSON schema."""

    name: str
    shape: Mapping[str, Any]
    variable: str = ""
    required: bool = False

    def cells(self) -> tuple[str, ...]:
        """The cells of its row."""
        text = str(self.shape.get("description", ""))
        said = _DEFAULT.search(text)
        default = code(_shown(self.shape["default"])) if self.shape.get("default") is not None else plain(said[1]) if said else ""
        what = plain(_DEFAULT.sub("", text)) if said and self.shape.get("default") is None else plain(text)
        kinds = list(dict.fromkeys(_type(option) for option in _options(self.shape)))
        units = list(dict.fromkeys(filter(None, (self._unit(option) for option in _options(self.shape)))))
        allowed = list(dict.fromkeys(filter(None, (_allowed(option) for option in _options(self.shape)))))
        must = "**required**" if self.required else default
        return code(self.name), " or ".join(kinds), " or ".join(units), must, "; ".join(allowed), code(self.variable), what

    def _unit(self, option: Mapping[str, Any]) -> str:
        kind, last = _type(option), self.name.rpartition(".")[2]
        if kind in {"size", "time"}:
            return "as `4MiB`" if kind == "size" else "as `300s`"
        if kind in {"integer", "number"} and "bytes" in last.split("_"):
            return "bytes"
        return "seconds" if kind in {"integer", "number"} and "seconds" in last.split("_") else ""


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _options(shape: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The forms that a value may have; that it may be left out is no form."""
    return [option for option in shape.get("anyOf", [shape]) if option.get("type") != "null"]


def _type(option: Mapping[str, Any]) -> str:
    kind, pattern = option.get("type"), str(option.get("pattern", ""))
    if "enum" in option or "const" in option:
        return "word" if isinstance((option.get("enum") or [option.get("const")])[0], str) else "number"
    if _SIZE in pattern:
        return "size"
    if _TIME in pattern:
        return "time"
    if isinstance(kind, list):
        return "text"
    if kind == "array":
        return f"list of {_type(option['items'])}s" if _type(option.get("items", {})) in {"integer", "number", "mapping"} else "list"
    return _WORDS.get(str(kind), "anything")


def _allowed(option: Mapping[str, Any]) -> str:
    if "const" in option:
        return code(_shown(option["const"]))
    if "enum" in option:
        return ", ".join(code(_shown(value)) for value in option["enum"])
    least, most = option.get("minimum"), option.get("maximum")
    above, below = option.get("exclusiveMinimum"), option.get("exclusiveMaximum")
    bounds = [f"at least {least:g}" if least is not None else "", f"at most {most:g}" if most is not None else ""]
    if least is not None and most is not None:
        bounds = [f"{_figure(least)} to {_figure(most)}"]
    bounds += [f"above {above:g}" if above is not None else "", f"below {below:g}" if below is not None else ""]
    return ", ".join(filter(None, bounds))


def _figure(value: float) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:g}"


def keys_page() -> list[str]:
    """The lines of the page, title first."""
    families = [workload.schema() for workload in load_workloads().values()]
    schema = json_schema(families)
    lines = [
        "Configuration keys",
        "A configuration is one YAML file, given by `--mlps-config`. `configs/schema.json` has the same for editors: the first line of the",
        "shipped files names it. A wrong file is refused with every error at once, each with its place and the nearest allowed word.",
        "`pytest benchmarks/ --mlps-config=FILE --mlps-show-config` prints every effective value with where it came from.",
        "",
        "* A size or a time carries its unit in the value: `512GiB`, `4MB`, `50ms`, `2h`. A key whose name tells its unit takes a bare",
        "  number too.",
        "* A setting is taken from the command line (an option of its own, or `--mlps-set KEY=VALUE`), else from the YAML, else from the",
        "  variable, else from the edition of the rule book.",
        "* Entries (which model, how many accelerators) stand in the YAML only. `--mlps-set` takes a key with its family before it",
        "  (`training.reader.read_threads=8`), or without where only one active family has it.",
        "* What stands in an entry goes before what stands in its section. There `model` is the entry's own, so the official keys below it",
        "  are written with dots: `model.num_layers: 4`.",
    ]
    top = [key for key in suite_keys() if "." not in key]
    lines += _section("For all", [_key(schema, schema, name, name) for name in top])
    for group in ("cluster", "launch"):
        below = _resolved(schema["properties"][group], schema)
        lines += _section(f"`{group}:`", [_key(schema, below, name, f"{group}.{name}") for name in below["properties"]])
    for family in families:
        lines += _family(family, schema)
    lines += _other_variables()
    return lines


def _family(family: FamilySchema, schema: Mapping[str, Any]) -> list[str]:
    section, name = schema["properties"][family.family], family.family
    settable = family_keys(family)
    own = [key for key in field_names(family.model) if key != family.item_key]
    lines = _section(f"`{name}:`", [row for key in own for row in _nested(schema, section, key, f"{name}.{key}", settable)])
    entry = tuple(field_names(family.item_model)) if family.item_model else ()
    if family.item_key is not None and entry:
        item, place = section["properties"][family.item_key]["items"], f"{name}.{family.item_key}[]"
        lines += _section(
            f"Entries of `{name}.{family.item_key}:`", [_key(schema, item, key, f"{place}.{key}", variable=False) for key in entry]
        )
    official = [f"{name}.{key}" for key in family.official_keys if key not in entry]
    if official:
        lines += _section(
            f"Official parameters of `{name}`",
            [Key(key, schema["definitions"][key], variable_of(key)) for key in official],
            "By the names of the rule book and its engine; what is not set is the edition's or the engine's. In brackets at the end stand",
            "the engines that know a key. What a division lets you set, a rule decides and not the parser.",
        )
    return lines


def _section(title: str, keys: Sequence[Key], *text: str) -> list[str]:
    rows = [key.cells() for key in keys]
    kept = [column for column in range(len(_COLUMNS)) if any(row[column] for row in rows)]  # none that is empty all the way down
    shown = table([_COLUMNS[column] for column in kept], ([row[column] for column in kept] for row in rows))
    return ["", f"## {title}", "", *text, *([""] if text else []), *shown]


def _nested(schema: Mapping[str, Any], parent: Mapping[str, Any], name: str, shown: str, settable: Sequence[str]) -> Iterator[Key]:
    """A key, or where it is a mapping of known keys those of it: a variable sets the mapping as a whole."""
    shape = _resolved(parent["properties"][name], schema)
    below = [_resolved(option, schema) for option in _options(shape)]
    inside = next((option for option in below if option.get("properties")), None)
    key = _key(schema, parent, name, shown, variable=name in settable)
    yield key
    if inside is not None:
        yield from (_key(schema, inside, child, f"{shown}.{child}", variable=False) for child in inside["properties"])


def _key(schema: Mapping[str, Any], parent: Mapping[str, Any], name: str, shown: str, *, variable: bool = True) -> Key:
    shape = _resolved(parent["properties"][name], schema)
    forms = [_resolved(option, schema) for option in _options(shape)]
    shape = {**shape, "anyOf": forms} if "anyOf" in shape else shape
    return Key(shown, shape, variable_of(shown) if variable else "", name in parent.get("required", ()))


def _resolved(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of the schema with the definition that it refers to put in its place."""
    parts = [shape, *shape.get("allOf", ())]
    for part in parts:
        if "$ref" in part:
            target = schema["definitions"][str(part["$ref"]).removeprefix(_REFERENCE)]
            return {**_resolved(target, schema), **{key: value for key, value in shape.items() if key not in {"$ref", "allOf"}}}
    return shape


def _other_variables() -> list[str]:
    return [
        "",
        "## Other variables",
        "",
        "`MLPS_TORCH_SOURCE` is read by the bootstrap: an index with the CPU build of torch, or a folder with its wheel.",
        "`GITHUB_STEP_SUMMARY` names a file that a summary is added to. `NO_COLOR` and the others that pytest reads work as in pytest. A",
        "variable that begins with `MLPS_` and sets nothing is told of in the header, with what it was probably meant to be.",
    ]
