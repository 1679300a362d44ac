"""The rule book as one table: what ``--mlps-list-rules`` prints and ``docs/rules.md`` holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from pytest_mlpstorage.rules.catalogue import Entry, catalogue, catalogue_editions
from pytest_mlpstorage.rules.registry import rule_order

__all__ = ["Row", "rules_page", "rules_table"]

_HEAD: Final = """\
# Rules

Written by `pytest rules/ --mlps-list-rules > docs/rules.md`; a test holds it against the rule book.

A rule is an item for each subject of its scope, but for the inactive ones and those that another rule covers.
*executable*: a program decides it from the package. *human*, *runtime* and *unpublished*: a person must look, the item is skipped
as `human review` and says at what. *inactive*: it stands in the book and can decide nothing. Rules named MLPS-… are this suite's own.

"""

_COLUMNS: Final = ("id", "name", "scope", "editions", "severity", "kind")


@dataclasses.dataclass(frozen=True)
class Row:
    """One rule of one or more editions as the table has it."""

    id: str
    name: str
    scope: str
    editions: str
    severity: str
    kind: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells, in the order of the columns."""
        return tuple(str(getattr(self, column)) for column in _COLUMNS)


def rules_table() -> tuple[Row, ...]:
    """Every rule of every edition by id; a rule that several editions have alike is one row."""
    editions: dict[tuple[str, ...], list[str]] = {}
    for name in catalogue_editions():
        for entry in catalogue(name):
            editions.setdefault(_cells(entry), []).append(name)
    rows = [Row(id, name, scope, ", ".join(of), severity, kind) for (id, name, scope, severity, kind), of in editions.items()]
    return tuple(sorted(rows, key=lambda row: (row.id.startswith("MLPS-"), rule_order(row.id), row.editions)))


def _cells(entry: Entry) -> tuple[str, ...]:
    kind = f"covered by {entry.covered_by}" if entry.covered_by else entry.kind
    return entry.id, entry.name, ", ".join(entry.scopes), "" if _decides_nothing(entry) else entry.severity.value, kind


def _decides_nothing(entry: Entry) -> bool:
    return entry.kind == "inactive"


def rules_page() -> str:
    """The table in Markdown, with columns that line up on a terminal too."""
    return _HEAD + "\n".join(_lines([_COLUMNS, *(row.cells for row in rules_table())])) + "\n"


def _lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for number, row in enumerate(rows):
        yield "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |"
        if number == 0:
            yield "| " + " | ".join("-" * width for width in widths) + " |"
