"""A v1.0 system description held against its structure: what is wrong and where. It is neither laxer nor stricter than the schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pytest_mlpstorage.editions.description_structure import DescriptionField, DescriptionStructure
from pytest_mlpstorage.rules.wording import shown

__all__ = ["MOST_MISTAKES", "Mistake", "mistakes"]

MOST_MISTAKES: Final = 50
"""Mistakes that are told of one description."""

_DESCRIBED: Final = {
    "text": "a text",
    "texts": "a list of texts",
    "number": "a number",
    "word": "a text",
    "object": "an object",
    "objects": "a list of objects",
}


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One thing that is not as the structure wants it; ``path`` is dotted, an entry of a list by its index."""

    path: str
    message: str
    measured: str | None = None
    required: str | None = None


def mistakes(document: object, structure: DescriptionStructure) -> Iterator[Mistake]:
    """Every mistake of a description, in the order of the structure; at most ``MOST_MISTAKES``."""
    for count, mistake in enumerate(_object(document, structure.root, structure, "")):
        if count == MOST_MISTAKES:
            yield Mistake("", f"more than {MOST_MISTAKES} fields are wrong; the rest is not told")
            return
        yield mistake


def _object(value: object, name: str, structure: DescriptionStructure, path: str) -> Iterator[Mistake]:
    if not isinstance(value, Mapping):
        yield _wrong(path, value, "an object")
        return
    for key, field in structure.objects[name].items() if name else ():
        where = f"{path}.{key}" if path else key
        if _not_asked(value, field):
            continue
        if key in value:
            yield from _field(value[key], field, structure, where)
        elif field.required:
            yield Mistake(where, "a field is missing", required=_DESCRIBED[field.form])


def _not_asked(value: Mapping[str, Any], field: DescriptionField) -> bool:
    return any(value.get(other, word) == word for other, word in field.unless.items())


def _field(value: object, field: DescriptionField, structure: DescriptionStructure, path: str) -> Iterator[Mistake]:
    if field.form == "object":
        yield from _object(value, field.of, structure, path)
    elif field.form in ("texts", "objects"):
        if not isinstance(value, list):
            yield _wrong(path, value, _DESCRIBED[field.form])
            return
        for index, entry in enumerate(value):
            if field.form == "objects":
                yield from _object(entry, field.of, structure, f"{path}.{index}")
            elif not isinstance(entry, str):
                yield _wrong(f"{path}.{index}", entry, "a text")
    elif field.form == "number":
        yield from _number(value, field, path)
    elif not isinstance(value, str):
        yield _wrong(path, value, _DESCRIBED[field.form])
    elif field.form == "word" and value not in field.words:
        yield _wrong(path, value, f"one of {', '.join(field.words)}")
    elif field.marks and not any(f"{mark} - " in value for mark in field.marks):
        yield _wrong(path, value, f"one of {', '.join(field.marks)}, then ' - ' and more")


def _number(value: object, field: DescriptionField, path: str) -> Iterator[Mistake]:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        yield _wrong(path, value, "a number")
    elif field.least is not None and value < field.least:
        yield _wrong(path, value, f"at least {field.least:g}")


def _wrong(path: str, value: object, required: str) -> Mistake:
    return Mistake(path, "a field does not hold what it must", _told(value), required)


def _told(value: object) -> str:
    """The value as JSON calls it: a number in quotes must not look like one."""
    if isinstance(value, str):
        return repr(shown(value))
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(shown(value))
