"""All rules of the book by edition, built or not, so that a verdict can say how many of them had their evidence."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final, Literal

import pydantic
import yaml

from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.results.places import Kind
from pytest_mlpstorage.verdict import Division, Severity

__all__ = ["Entry", "catalogue", "catalogue_editions", "counting", "for_people"]

_FOLDER = Path(__file__).with_name("catalogue")

# The C loader is several times faster; a PyYAML without it is as right.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_ASKS: Final = {
    "human": "human review",
    "runtime": "human review, because the package does not show what was decided while running",
    "unpublished": "human review, because what it compares with was never published",
}
"""How the item of a rule that no program can decide is skipped, by kind."""


class Entry(pydantic.BaseModel):
    """One rule of an edition as the book has it; the head of ``catalogue/v3.0.yaml`` says what the fields mean."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    scopes: tuple[Kind, ...]
    kind: Literal["executable", "human", "runtime", "unpublished", "inactive"] = "executable"
    severity: Severity = Severity.ERROR
    divisions: tuple[Division, ...] = (Division.CLOSED, Division.OPEN)
    covered_by: str = ""
    look_at: str = ""
    own: bool = False

    @property
    def evaluated(self) -> bool:
        """Whether a function of this package evaluates it."""
        return self.kind == "executable" and not self.covered_by

    @property
    def counts(self) -> bool:
        """Whether a verdict needs this rule's evidence."""
        return self.evaluated and self.severity is Severity.ERROR and not self.own

    @property
    def asks_people(self) -> bool:
        """Whether it is an item that only a person can decide."""
        return self.kind in _ASKS and not self.covered_by

    @property
    def review(self) -> str:
        """What a person is asked, for an entry that ``asks_people``."""
        return f"{_ASKS[self.kind]}: {self.look_at}"

    def applies(self, kind: Kind, division: Division) -> bool:
        """Whether it is about subjects of a kind and counts in a division; a whatif result is held against all."""
        return kind in self.scopes and (division is Division.WHATIF or division in self.divisions)


def catalogue_editions() -> tuple[str, ...]:
    """Names of the editions whose rules are listed, oldest first."""
    return tuple(sorted(path.stem[1:] for path in _FOLDER.glob("v*.yaml")))


@functools.cache
def catalogue(edition_name: str) -> tuple[Entry, ...]:
    """Every rule of an edition in the order of the book; none for an edition that is not known."""
    if edition_name not in catalogue_editions():
        return ()
    path = _FOLDER / f"v{edition_name}.yaml"
    try:
        book = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - both loaders are safe ones
        return tuple(Entry.model_validate(row) for row in book["rules"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, pydantic.ValidationError) as error:
        raise ValidationError(
            f"the list of rules {path} cannot be read", cause=error, suggestion="reinstall pytest-mlpstorage", code="MLPS-E620"
        ) from error


@functools.cache
def counting(edition_name: str, kind: Kind, division: Division) -> tuple[Entry, ...]:
    """Rules on one kind of subject whose evidence a verdict needs in a division."""
    return tuple(e for e in catalogue(edition_name) if e.counts and e.applies(kind, division))


@functools.cache
def for_people(edition_name: str, kind: Kind, division: Division) -> tuple[Entry, ...]:
    """Rules on one kind of subject that only a person can decide."""
    return tuple(e for e in catalogue(edition_name) if e.asks_people and e.applies(kind, division))
