"""All rules of the book by edition, built or not, so that a verdict can say how many of them had their evidence."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import pydantic
import yaml

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.verdict import Division, Severity

__all__ = ["Entry", "catalogue", "counting"]

_FILE = Path(__file__).with_name("catalogue.yaml")


class Entry(pydantic.BaseModel):
    """One rule of an edition as the book has it; the file says what the fields mean."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    kind: Literal["executable", "human", "runtime", "unpublished", "inactive"] = "executable"
    severity: Severity = Severity.ERROR
    divisions: tuple[Division, ...] = (Division.CLOSED, Division.OPEN)
    covered_by: str = ""
    look_at: str = ""

    @property
    def counts(self) -> bool:
        """Whether a verdict needs this rule's evidence."""
        return self.kind == "executable" and self.severity is Severity.ERROR and not self.covered_by


@functools.cache
def catalogue(edition_name: str) -> tuple[Entry, ...]:
    """Every rule of an edition on training results, in the order of the book; none for an edition that is not known."""
    try:
        books = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
        return tuple(Entry.model_validate(row) for row in books.get(edition_name, ()))
    except (OSError, yaml.YAMLError, pydantic.ValidationError) as error:
        raise ValidationError(f"the list of rules {_FILE} cannot be read", cause=error, suggestion="reinstall pytest-mlpstorage") from error


def counting(edition_name: str, division: Division) -> tuple[Entry, ...]:
    """Rules whose evidence a verdict needs in a division; a whatif result is held against all of them."""
    return tuple(e for e in catalogue(edition_name) if e.counts and (division is Division.WHATIF or division in e.divisions))
