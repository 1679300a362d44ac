"""Pydantic's errors in our words: place in the file, key, what was given, what is allowed, the nearest word."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pytest_mlpstorage.config.problems import Problems, given, one_of
from pytest_mlpstorage.config.tree import Fields, Items, Loc, Node, Scalar, at, plain

__all__ = ["field_names", "validate"]

_Model = TypeVar("_Model", bound=BaseModel)
_ALLOWED: Final = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "multiple_of": "a multiple of {multiple_of}",
}
# A number where text or a word is wanted is read as it was written: edition: 3.0, system: 007.
_TEXT_WANTED: Final = frozenset({"string_type", "literal_error", "enum"})


def field_names(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a model as they stand in the YAML."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def validate(model: type[_Model], node: Fields, *, prefix: str, problems: Problems, also: tuple[str, ...] = ()) -> _Model | None:
    """The model made of a mapping, or None after noting every error; ``also`` are further keys an unknown one may mean."""
    as_text: set[Loc] = set()
    while True:
        try:
            # As JSON: a list is right for a tuple and a word for an enumeration, and nothing else is converted.
            return model.model_validate_json(json.dumps(plain(node, as_text)))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
        numbers = {
            loc for detail in found if detail["type"] in _TEXT_WANTED and (loc := _number_at(node, detail["loc"])) is not None
        } - as_text
        if not numbers:
            break
        as_text |= numbers
    for detail in found:
        _note(detail, model, node, prefix, problems, also)
    return None


def _number_at(node: Fields, loc: Loc) -> Loc | None:
    target, _, taken = at(node, loc)
    is_number = (
        isinstance(target, Scalar) and target.plain and isinstance(target.value, (int, float)) and not isinstance(target.value, bool)
    )
    return taken if is_number else None


def _note(detail: ErrorDetails, model: type[BaseModel], node: Fields, prefix: str, problems: Problems, also: tuple[str, ...]) -> None:
    loc: Loc = detail["loc"]
    kind: str = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    target, origin, taken = at(node, loc)
    key = ".".join(part for part in (prefix, *map(str, loc if kind in {"missing", "extra_forbidden"} else taken)) if part)
    if kind == "missing":
        info = _field(model, loc)
        problems.add(origin if taken else node.origin, key, f"missing; needed {_describe(info)}", code="MLPS-E112")
    elif kind == "extra_forbidden":
        holder = _model_at(model, loc[:-1])
        known = tuple(field_names(holder)) if holder else ()
        names = (*known, *(also if len(loc) == 1 else ()))
        problems.add(origin, key, f"unknown key; allowed {one_of(names)}", word=str(loc[-1]), candidates=names, code="MLPS-E110")
    elif kind in {"enum", "literal_error"}:
        words = re.findall(r"'([^']*)'", context.get("expected", ""))
        problems.bad_value(key, target, one_of(words), candidates=words)
    elif kind == "value_error":
        reason = str(context["error"])
        if isinstance(target, (Fields, Items)):
            problems.add(origin, key, reason)
        else:
            problems.add(target.origin, key, f"given {given(target)}; {reason}")
    elif kind in _ALLOWED:
        problems.bad_value(key, target, _ALLOWED[kind].format_map(context) + _example(model, loc, target))
    else:
        problems.add(target.origin, key, f"given {given(target)}; {detail['msg']}")


def _example(model: type[BaseModel], loc: Loc, target: Node) -> str:
    """The keys of the mapping that should stand where something else does."""
    below = _model_at(model, loc)
    return f" with the keys {one_of(tuple(field_names(below)))}" if below and loc and not isinstance(target, Fields) else ""


def _field(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    holder = _model_at(model, loc[:-1])
    return field_names(holder).get(str(loc[-1])) if holder else None


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    at_model: type[BaseModel] | None = model
    for part in loc:
        if at_model is None or isinstance(part, int):
            return None
        info = field_names(at_model).get(part)
        annotation = info.annotation if info else None
        at_model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return at_model


def _describe(info: FieldInfo | None) -> str:
    if info is None:
        return "a value"
    if isinstance(info.annotation, type) and issubclass(info.annotation, Enum):
        return f"one of {one_of([str(member.value) for member in info.annotation])}"
    text = info.description or "a value"
    return text[0].lower() + text[1:]
