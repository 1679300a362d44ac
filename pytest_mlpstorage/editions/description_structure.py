"""The structure of a v1.0 system description as data: objects, their fields, and what each field may hold."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pytest_mlpstorage.editions.base import Data, Frozen

__all__ = ["DescriptionField", "DescriptionStructure", "FieldForm"]

FieldForm = Literal["text", "texts", "number", "word", "object", "objects"]


class DescriptionField(Data):
    """One field. JSON types count as written: a number in quotes is a text.

    ``form``: ``texts`` and ``objects`` are lists; ``word`` is one of ``words``; ``number`` is not below ``least``; an ``object`` or
    each of ``objects`` is the one named ``of`` (any object where there is none). ``marks``: the text holds one of these words with
    `` - `` behind it. ``unless``: the field is asked for only where that other field is there and is none of these words.
    """

    form: FieldForm
    required: bool = True
    least: float | None = None
    words: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    of: str = ""
    unless: Frozen[str, str] = Field(default_factory=dict)


class DescriptionStructure(Data):
    """All objects by name; the document is the one named ``root``. Fields that stand in no object are free."""

    root: str
    objects: Frozen[str, Frozen[str, DescriptionField]]

    @model_validator(mode="after")
    def _objects_exist(self) -> DescriptionStructure:
        named = {field.of for fields in self.objects.values() for field in fields.values() if field.of}
        missing = sorted((named | {self.root}) - set(self.objects))
        if missing:
            raise ValueError(f"no such object: {', '.join(missing)}")
        return self
