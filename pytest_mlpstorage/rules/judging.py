"""Asking the rules: which are asked about a subject, under which edition and profile, and what their findings weigh."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.editions import Edition, edition, edition_names
from pytest_mlpstorage.results.places import Kind, SubjectPlace
from pytest_mlpstorage.results.records import (
    CheckpointingResult,
    KVCacheResult,
    Package,
    Result,
    Subject,
    Submission,
    SystemDescription,
    TrainingResult,
    VectorDatabaseResult,
)
from pytest_mlpstorage.rules.registry import REGISTRY, Evaluation, Rule
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence, Severity

__all__ = [
    "PROFILES",
    "STRICT",
    "Profile",
    "Said",
    "edition_of",
    "evaluate",
    "evaluate_preflight",
    "failing",
    "judging_edition",
    "record_of",
    "rules_for",
    "said_of",
    "weighed",
]

Profile: TypeAlias = Literal["strict", "v3.0-round"]

STRICT: Final[Profile] = "strict"
"""The rules as they stand."""

PROFILES: Final[tuple[Profile, ...]] = (STRICT, "v3.0-round")
"""Names of the profiles; the other than strict applies what an edition relaxed while its round ran."""

_RECORDS: Final[Mapping[Kind, type]] = {
    "package": Package,
    "submission": Submission,
    "system": SystemDescription,
    "training": TrainingResult,
    "checkpointing": CheckpointingResult,
    "vector_database": VectorDatabaseResult,
    "kv_cache": KVCacheResult,
}


@dataclasses.dataclass(frozen=True)
class Said:
    """What one rule said, without the rule: the form in which it reaches the verdict from another process."""

    findings: tuple[Finding, ...] = ()
    lacking: tuple[NoEvidence, ...] = ()
    met: tuple[str, str] = ("", "")
    asked: bool = True

    @property
    def missing(self) -> tuple[NoEvidence, ...]:
        """The records whose absence leaves the rule unverified: not those that the publisher withheld."""
        return tuple(lacking for lacking in self.lacking if not lacking.withheld)


def edition_of(subject: Subject | SubjectPlace, profile: Profile = STRICT) -> Edition:
    """Return the edition that a subject is judged by: the one it declares, or the current one where there is no such (EDN-01)."""
    return _book(subject.edition, profile)


@functools.cache
def _book(declared: str, profile: Profile) -> Edition:
    book = edition(judging_edition(declared))
    # One profile is named after the edition whose round it describes; other editions had no relaxations.
    return book if profile == STRICT else book.relaxed()


@functools.cache
def judging_edition(declared: str) -> str:
    """Name of the edition that judges what declares another, which may be none that there is."""
    if declared in edition_names():
        return declared
    return next(name for name in edition_names() if edition(name).current)


def record_of(kind: Kind) -> type:
    """Return the type of the records that subjects of a kind are read as."""
    return _RECORDS[kind]


def rules_for(subject: Subject | SubjectPlace) -> tuple[Rule, ...]:
    """Return the rules that are asked about a subject, sorted by id; its place is enough to know them."""
    record = record_of(subject.kind) if isinstance(subject, SubjectPlace) else type(subject)
    return REGISTRY.rules_for(record, judging_edition(subject.edition), subject.division)


def evaluate(subject: Subject, profile: Profile = STRICT) -> Iterator[Evaluation]:
    """Ask every rule about a subject."""
    book = edition_of(subject, profile)
    for rule in rules_for(subject):
        yield rule.evaluate(subject, book)


def said_of(subject: Subject, profile: Profile = STRICT) -> dict[str, Said]:
    """Ask every rule about a subject; what each said, by rule id."""
    return {e.rule.id: Said(e.findings, e.lacking, e.met, e.asked) for e in evaluate(subject, profile)}


def evaluate_preflight(planned: Result) -> Iterator[Evaluation]:
    """Ask the rules that need no more than a plan about a planned result."""
    book = edition_of(planned)
    for rule in rules_for(planned):
        if rule.preflight:
            yield rule.evaluate(planned, book)


def weighed(findings: Iterable[Finding], division: Division) -> tuple[Finding, ...]:
    """Return the findings as they weigh in a division: nothing is claimed in whatif, so an error is information there."""
    if division is not Division.WHATIF:
        return tuple(findings)
    return tuple(dataclasses.replace(f, severity=Severity.INFO) if f.severity is Severity.ERROR else f for f in findings)


def failing(findings: Iterable[Finding], *, strict: bool = False) -> tuple[Finding, ...]:
    """Return the (weighed) findings that fail an item: errors, and with ``strict`` warnings too."""
    bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return tuple(f for f in findings if f.severity in bad)
