"""Findings and what follows from them: CLOSED, OPEN, INVALID, NOT VERIFIED or WHATIF."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

__all__ = [
    "Category",
    "Division",
    "Finding",
    "Judgement",
    "NoEvidence",
    "Severity",
    "Verdict",
    "amounts",
    "figures",
    "fold",
    "is_remark",
    "judge",
]

_LONG_NUMBER: Final = re.compile(r"-?\d{1,5}\.\d{4,}")
"""More decimals than anybody measures; what is smaller or greater is written with an exponent."""

_AMOUNT: Final = re.compile(r"(?:at least |at most |less than |more than )?(-?\d+(?:\.\d+)?)((?: [^\d,]*)?)(?:,.*)?", re.ASCII | re.DOTALL)
"""A number with its unit, or a limit of one side that begins with it: ``6.78 s``, ``at most 460.3 s, 1 × the mean run``."""


class Division(str, Enum):
    """The division directory of a result; parsed once, compared as a member (never as text)."""

    CLOSED = "closed"
    OPEN = "open"
    WHATIF = "whatif"


class Severity(str, Enum):
    """How much a finding weighs: only an error makes a result INVALID."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Category(str, Enum):
    """The best a result can be while the finding stands."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    INVALID = "INVALID"


class Verdict(str, Enum):
    """What is said of a result."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    INVALID = "INVALID"
    NOT_VERIFIED = "NOT VERIFIED"
    WHATIF = "WHATIF"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing a rule saw. ``file`` is relative to the results directory, ``field`` a dotted key in that file.

    An error fails the item that tells it. It costs the verdict too, unless its category is CLOSED, as that of own limits is: the book does
    not know them.

    A rule function leaves ``rule`` empty; the registry fills it in. ``part`` names one demand of a rule that has several
    (``gap``, ``DATASIZE-MISSING``), where a profile weighs it alone; it is not reported.
    """

    message: str
    severity: Severity = Severity.ERROR
    category: Category = Category.INVALID
    measured: str | int | float | None = None
    required: str | int | float | None = None
    file: str = ""
    field: str = ""
    rule: str = ""
    count: int = 1
    part: str = dataclasses.field(default="", compare=False)

    @property
    def costs_the_verdict(self) -> bool:
        """Whether a result is INVALID by it."""
        return self.severity is Severity.ERROR and self.category is not Category.CLOSED

    def line(self) -> str:
        """The finding as one line for people: rule, message, measured, required, place, count."""
        parts = [f"[{self.rule}] {self.message}"]
        parts += figures(self.measured, self.required)
        place = ":".join(p for p in (self.file, self.field) if p)
        if place:
            parts.append(f"in {place}")
        times = f" (×{self.count})" if self.count > 1 else ""
        return "; ".join(parts) + times


def figures(measured: object, required: object) -> list[str]:
    """``measured …`` and ``required …`` as a person reads them, of those that there are (not None)."""
    told = zip(("measured", "required"), (measured, required), amounts(measured, required), strict=True)
    return [f"{word} {text}" for word, value, text in told if value is not None]


def amounts(measured: object, required: object) -> tuple[str, str]:
    """What was measured and what is required as a person reads them, empty where there is none (None).

    Of long decimals six digits are shown, unless that would put a number onto the other one, or to its other side. Beside a range, a
    number of another unit, or words, nobody knows which that is.
    """
    whole = ["" if value is None else str(value) for value in (measured, required)]
    if "." not in whole[0] and "." not in whole[1]:
        return whole[0], whole[1]
    short = [_shortened(text) for text in whole]
    order = _order(whole)
    harmless = "" in whole or (order is not None and order == _order(short))
    first, second = short if harmless else whole
    return first, second


def _shortened(text: str) -> str:
    found = _AMOUNT.fullmatch(text)
    if found is None or not _LONG_NUMBER.fullmatch(found[1]):
        return text
    return f"{text[: found.start(1)]}{float(found[1]):.6g}{text[found.end(1) :]}"


def _order(texts: list[str]) -> int | None:
    """Which of two amounts is greater; None where they cannot be compared."""
    first, second = map(_AMOUNT.fullmatch, texts)
    if first is None or second is None:
        return None
    units = {found[2].strip() for found in (first, second)}
    if len(units - {""}) > 1 or units == {"", "%"}:
        return None
    one, other = float(first[1]), float(second[1])
    return (one > other) - (one < other)


@dataclasses.dataclass(frozen=True)
class NoEvidence:
    """What a rule yields when the record it must read is not there: the rule is then not verified.

    ``withheld``: its publisher removed it (a pruned log) or the round never published it; no verdict waits for it.
    """

    reason: str
    file: str = ""
    withheld: bool = False


@dataclasses.dataclass(frozen=True)
class Judgement:
    """The verdict of one result with all that led to it.

    ``own`` are those of the findings that rules on the result itself made; the others speak of its submission.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    rules_verified: int
    rules_total: int
    reasons: tuple[str, ...]
    own: tuple[Finding, ...] = ()

    def headline(self) -> str:
        """The verdict as the report leads with it, with ``n of m rules`` where it is not verified."""
        if self.verdict is Verdict.NOT_VERIFIED:
            return f"NOT VERIFIED ({self.rules_verified} of {self.rules_total} rules)"
        if self.verdict is Verdict.WHATIF:
            return "WHATIF (not a submission)"
        return str(self.verdict.value)


def fold(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Equal findings become one with their counts added; order of first appearance is kept."""
    counts: dict[Finding, int] = {}
    for finding in findings:
        key = dataclasses.replace(finding, count=1)
        counts[key] = counts.get(key, 0) + finding.count
    return tuple(dataclasses.replace(finding, count=count) for finding, count in counts.items())


def is_remark(findings: Iterable[Finding]) -> bool:
    """Whether findings, if there are any, only say something besides: the rule is met all the same."""
    return all(finding.severity is Severity.INFO and finding.category is Category.CLOSED for finding in findings)


def judge(
    division: Division,
    findings: Iterable[Finding],
    *,
    rules_verified: int,
    rules_total: int,
    unverified: Iterable[str] = (),
) -> Judgement:
    """Reduce the findings of one result to its verdict.

    INVALID if an error stands that costs it; else NOT VERIFIED unless every executable error-severity rule of the edition had its
    evidence (``rules_verified`` of ``rules_total``); else OPEN in the open division or with a finding of category OPEN;
    else CLOSED. A whatif result claims nothing: always WHATIF, its errors are information. ``unverified`` holds the
    reasons, one a rule.
    """
    kept = fold(findings)
    if division is Division.WHATIF:
        kept = tuple(dataclasses.replace(f, severity=Severity.INFO) if f.severity is Severity.ERROR else f for f in kept)
    verdict, reasons = _decide(division, kept, verified=rules_verified >= rules_total, unverified=tuple(unverified))
    return Judgement(verdict, kept, rules_verified, rules_total, reasons, kept)


def _decide(
    division: Division, findings: tuple[Finding, ...], *, verified: bool, unverified: tuple[str, ...]
) -> tuple[Verdict, tuple[str, ...]]:
    """Give the verdict, and the reasons why it is no better."""
    if division is Division.WHATIF:
        return Verdict.WHATIF, ("division whatif: not a submission",)
    errors = tuple(f.line() for f in findings if f.costs_the_verdict)
    if errors:
        return Verdict.INVALID, errors
    if not verified:
        return Verdict.NOT_VERIFIED, unverified
    opens = tuple(f.line() for f in findings if f.category is Category.OPEN)
    if division is Division.OPEN:
        return Verdict.OPEN, ("open division", *opens)
    return (Verdict.OPEN, opens) if opens else (Verdict.CLOSED, ())
