"""What is checked, as a table for the README: the rules of the current edition by section, and those of the older rounds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.editions import edition, edition_names
from pytest_mlpstorage.errors import ValidationError
from pytest_mlpstorage.reference.markdown import table
from pytest_mlpstorage.rules.catalogue import Entry, catalogue

__all__ = ["BEGIN", "END", "SECTIONS", "checked_table", "section_of", "with_table"]

BEGIN: Final = "<!-- what is checked: written by python -m pytest_mlpstorage.reference docs/reference README.md -->"
END: Final = "<!-- end of what is checked -->"

SECTIONS: Final = (
    ("structure, provenance, code image", r"[12]\..*|CHECK-.*|PROV-.*|LEAF-.*|RPT-.*|EDN-.*"),
    ("description of the system", r"SYS-.*"),
    ("training", r"3\..*|\w+-TRN(-.*)?|MANIFEST-.*"),
    ("checkpointing", r"4\..*|\w+-CKP(-.*)?"),
    ("vector databases", r"5\..*|RC-VDB-.*"),
    ("KV cache", r"6\..*|\w+-KVC-.*"),
    ("general", r"GEN-.*|SUB-\d+"),
    ("this suite's own (MLPS-…)", r"MLPS-.*"),
)
"""Sections of the rule book in the words of this table, and which ids are theirs."""


def section_of(rule_id: str) -> str:
    """The section that a rule of the current edition stands in; ValidationError for an id that belongs to none."""
    for name, pattern in SECTIONS:
        if re.fullmatch(pattern, rule_id):
            return name
    raise ValidationError(
        f"the rule {rule_id} belongs to no section", suggestion="name its section in reference/checked.py", code="MLPS-E620"
    )


def checked_table() -> list[str]:
    """The lines of the table."""
    current = next(name for name in edition_names() if edition(name).current)
    by_section: dict[str, list[Entry]] = {name: [] for name, _ in SECTIONS}
    for entry in catalogue(current):
        by_section[section_of(entry.id)].append(entry)
    rows = [(f"{current}: {name}", *_counts(entries)) for name, entries in by_section.items()]
    rows += [(f"{name}: the whole round", *_counts(catalogue(name))) for name in reversed(edition_names()) if name != current]
    return table(("rules of edition", "in all", "decided by a program", "asked of a person", "covered by another, or inactive"), rows)


def _counts(entries: Sequence[Entry]) -> tuple[str, ...]:
    program, person = sum(e.evaluated for e in entries), sum(e.asks_people for e in entries)
    return tuple(map(str, (len(entries), program, person, len(entries) - program - person)))


def with_table(text: str) -> str:
    """A page with the table between its two marks renewed; ValidationError where it has not each of them once."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValidationError("the page has no place for the table", suggestion=f"put {BEGIN} and {END} into it", code="MLPS-E620")
    head, rest = text.split(BEGIN)
    return "\n".join([f"{head}{BEGIN}", "", *checked_table(), "", END + rest.split(END)[1]])
