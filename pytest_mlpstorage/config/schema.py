"""The JSON schema of a configuration (draft 7), for editors: made from the same models and key lists that check it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from pytest_mlpstorage.config.official import tells_unit
from pytest_mlpstorage.config.sections import SuiteSection
from pytest_mlpstorage.config.suite import FamilySchema, KeySpec

__all__ = ["json_schema", "schema_text", "write_schema"]

_PLACE: Final = "#/definitions/{model}"
_SIZE: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *([KMGTP]iB|[kKMGTP]?B)$"}
_DURATION: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|min|h|d)$"}


def json_schema(families: Sequence[FamilySchema]) -> dict[str, Any]:
    """The schema of a YAML with these families, as JSON-like data."""
    definitions: dict[str, Any] = {}
    schema = _model(SuiteSection, definitions)
    for family in families:
        official = _official(family, definitions)
        section = _with_official(_model(family.model, definitions), official)
        if family.item_key is not None:
            item = _with_official(_model(family.item_model, definitions) if family.item_model else _empty(), official)
            entries = {"type": "array", "minItems": 1, "items": item, "description": f"Entries of {family.family}"}
            section["properties"] = {family.item_key: entries, **section["properties"]}
            section["required"] = [*section.get("required", []), family.item_key]
        schema["properties"][family.family] = section
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Configuration of pytest-mlpstorage"}
    return {**head, **schema, **({"definitions": dict(sorted(definitions.items()))} if definitions else {})}


def schema_text(families: Sequence[FamilySchema]) -> str:
    """The schema as the text of ``configs/schema.json``."""
    return json.dumps(json_schema(families), indent=1, ensure_ascii=False) + "\n"


def write_schema(path: Path, families: Sequence[FamilySchema]) -> None:
    """Write the schema to a file."""
    path.write_text(schema_text(families), encoding="utf-8")


def _empty() -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": {}}


def _model(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True, ref_template=_PLACE)
    definitions.update({name: _tidy(part) for name, part in schema.pop("$defs", {}).items()})
    tidy: dict[str, Any] = _tidy(schema)
    return {**_empty(), **{key: value for key, value in tidy.items() if key not in {"title", "description"}}}


def _tidy(part: Any) -> Any:
    """Without the titles that pydantic makes of names; a reference with siblings becomes ``allOf``, which draft 7 needs."""
    if isinstance(part, list):
        return [_tidy(child) for child in part]
    if not isinstance(part, Mapping):
        return part
    tidy = {key: _tidy(value) for key, value in part.items() if not (key == "title" and isinstance(value, str))}
    if "$ref" in tidy and len(tidy) > 1:
        return {"allOf": [{"$ref": tidy.pop("$ref")}], **tidy}
    return tidy


def _official(family: FamilySchema, definitions: dict[str, Any]) -> dict[str, Any]:
    """Properties for the official parameters, nested in their groups and as dotted keys; each is defined once."""
    nested: dict[str, Any] = {}
    dotted: dict[str, Any] = {}
    for key, spec in family.official_keys.items():
        name = f"{family.family}.{key}"
        definitions[name] = _value(key, spec)
        reference = {"$ref": _PLACE.format(model=name)}
        *groups, last = key.split(".")
        if groups:
            dotted[key] = reference
        holder = nested
        for depth, group in enumerate(groups):
            above = ".".join(groups[: depth + 1])
            if above in family.official_keys:
                break  # a key that takes anything needs no list of what is below it
            place = f"{family.family}.{above}"
            holder.setdefault(group, {"$ref": _PLACE.format(model=place)})
            holder = definitions.setdefault(place, _empty())["properties"]
        else:
            holder[last] = reference
    return {**nested, **dotted}


def _with_official(schema: dict[str, Any], official: Mapping[str, Any]) -> dict[str, Any]:
    """A section's own keys, then the official ones; an own key goes before an official one of its name."""
    return {**schema, "properties": {**schema["properties"], **{k: v for k, v in official.items() if k not in schema["properties"]}}}


def _value(key: str, spec: KeySpec) -> dict[str, Any]:
    number = {"type": "integer"} if spec.type == "int" else {"type": "number"}
    bare = tells_unit(key, spec)
    shape: dict[str, Any] = {
        "int": {"anyOf": [number, _SIZE]} if key.endswith("_bytes") else {"type": "integer"},
        "float": {"type": "number"},
        "bool": {"type": "boolean"},
        "str": {"type": ["string", "number"]},
        "size": {"anyOf": [number, _SIZE]} if bare else _SIZE,
        "duration": {"anyOf": [number, _DURATION]} if bare else _DURATION,
        "any": {},
    }[spec.type]
    if spec.minimum is not None:
        for option in shape.get("anyOf", [shape]):
            if option.get("type") in {"integer", "number"}:
                option["minimum"] = spec.minimum
    engines = f" ({', '.join(spec.engines)})" if spec.engines else ""
    text = f"{spec.help}{engines}".strip()
    return {**shape, "description": text} if text else dict(shape)
