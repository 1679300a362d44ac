"""What each rule said of one subject, by sections of the rule book: for the cards of the page."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.report.records import NOT_ASKED, Facts
from pytest_mlpstorage.results.places import RESULT_KINDS
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.rules.catalogue import for_people
from pytest_mlpstorage.rules.judging import judging_edition, record_of, rules_for, said_of, weighed
from pytest_mlpstorage.rules.registry import rule_order
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity, amounts, is_remark

__all__ = ["OUTCOMES", "OWN", "SECTIONS", "Outcome", "RuleRow", "rows_of_result_judged", "section_of", "sorted_rows"]

Outcome: TypeAlias = Literal["failed", "would fail", "warned", "not verified", "noted", "human", "passed", "not asked"]

OUTCOMES: Final[tuple[Outcome, ...]] = ("failed", "would fail", "warned", "not verified", "noted", "human", "passed", "not asked")
"""In the order in which they matter. ``would fail``: of a whatif result, which claims nothing. ``human``: only a person can decide.
``not asked``: of a rule that passed because the subject gives it nothing to look at."""

OWN: Final = "own"

SECTIONS: Final[Mapping[str, str]] = {
    "1": "1 General",
    "2": "2 Structure, records and system description",
    "3": "3 Training",
    "4": "4 Checkpointing",
    "5": "5 Vector database",
    "6": "6 KV cache",
    OWN: "Own rules (MLPS)",
}
"""The sections of the rule book by their numbers, and what this suite adds."""

_FAMILIES: Final[Mapping[str, str]] = {"training": "3", "checkpointing": "4", "vector_database": "5", "kv_cache": "6"}
_TOKENS: Final = (("3", ("TRN", "MANIFEST")), ("4", ("CKP",)), ("5", ("VDB",)), ("6", ("KVC",)), ("1", ("GEN", "SUB")))


def section_of(rule: str, family: str = "") -> str:
    """The section of a rule by its id, a key of ``SECTIONS``; of edition 1.0, whose rules are numbered through, that of the ``family``."""
    if rule.startswith("MLPS-"):
        return OWN
    if (number := re.match(r"([1-6])\.", rule)) is not None:
        return number[1]
    for section, tokens in _TOKENS:
        if any(token in rule.split(" ")[0] for token in tokens):
            return section
    return _FAMILIES.get(family, "2") if re.match(r"V[12]-", rule) else "2"


@dataclasses.dataclass(frozen=True)
class RuleRow:
    """One rule on one subject: what came of it, what was measured and required, and the words of its gravest finding."""

    id: str
    name: str
    outcome: Outcome
    measured: str = ""
    required: str = ""
    message: str = ""

    @classmethod
    def of_item(cls, said: Facts, message: str = "") -> RuleRow:
        """From what an item of ``rules/`` said, and the ``message`` with which it was skipped."""
        if not said.evaluated:
            return cls(said.rule, said.rule_name, "human", message=message.removeprefix("Skipped: ").removeprefix("human review: "))
        return cls.of(
            said.rule,
            said.rule_name,
            said.division,
            said.findings,
            said.lacking,
            (said.measured, said.required),
            asked=said.verdict != NOT_ASKED,
        )

    @classmethod
    def of(
        cls,
        id: str,
        name: str,
        division: str,
        findings: Iterable[Finding],
        lacking: Iterable[NoEvidence],
        met: tuple[str, str] = ("", ""),
        *,
        asked: bool = True,
    ) -> RuleRow:
        """From what a rule said, weighed as in its division; ``met`` are measured and required of one that found nothing.

        ``asked``: whether there was anything to look at.
        """
        found, missing = list(findings), list(lacking)
        outcome = _outcome(division, found, missing, asked=asked)
        if outcome == "not verified":
            return cls(id, name, outcome, message=missing[0].reason)
        if not found:
            return cls(id, name, outcome, *met)
        order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
        worst = min(found, key=lambda finding: (order.index(finding.severity), finding.category is not Category.INVALID))
        count = sum(finding.count for finding in found)
        # A remark without a requirement says something besides: what is required stands in what was met.
        beside = any(met) and is_remark(found) and all(finding.required is None for finding in found)
        measured, required = met if beside else amounts(worst.measured, worst.required)
        message = f"{worst.message} (×{count})" if count > 1 else worst.message
        return cls(id, name, outcome, message=message, measured=measured, required=required)


def _outcome(division: str, findings: list[Finding], lacking: list[NoEvidence], *, asked: bool) -> Outcome:
    if any(finding.severity is Severity.ERROR for finding in findings):
        return "failed"
    if division == Division.WHATIF.value and any(finding.category is Category.INVALID for finding in findings):
        return "would fail"
    if lacking:
        return "not verified"
    if any(finding.severity is Severity.WARNING for finding in findings):
        return "warned"
    return "noted" if findings else "passed" if asked else "not asked"


def rows_of_result_judged(result: Result) -> tuple[RuleRow, ...]:
    """What each rule says of a result, asked once more; those that only a person can decide among them."""
    names = {rule.id: rule.name for rule in rules_for(result)}
    division, kind = result.division, next(kind for kind in RESULT_KINDS if record_of(kind) is type(result))
    asked = [
        RuleRow.of(id, names[id], division.value, weighed(said.findings, division), said.lacking, said.met, asked=said.asked)
        for id, said in said_of(result).items()
    ]
    people = for_people(judging_edition(result.edition), kind, division)
    return tuple(sorted_rows([*asked, *(RuleRow(entry.id, entry.name, "human", message=entry.look_at) for entry in people)]))


def sorted_rows(rows: Iterable[RuleRow]) -> list[RuleRow]:
    """What matters first, then by id."""
    return sorted(rows, key=lambda row: (OUTCOMES.index(row.outcome), rule_order(row.id)))
