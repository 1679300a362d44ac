"""The register of rules: each is one generator function over one kind of subject."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked, combined
from pytest_mlpstorage.results.files import printable
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

__all__ = ["REGISTRY", "Evaluation", "Registry", "Rule", "RuleFunction", "all_rules", "rule", "rule_order"]

RuleFunction: TypeAlias = Callable[[Any, Edition], Iterator["Finding | NoEvidence | Met"]]
Function = TypeVar("Function", bound=RuleFunction)

_TEXTS: Final = ("message", "measured", "required", "file", "field")
"""What a finding may repeat of a foreign file, whose text may be none that a report can write."""

_WEIGHT = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one rule said of one subject: its findings (rule id filled in), and the records that it lacked.

    ``met`` are measured and required of what it demands and found met, for people; it weighs nothing. ``asked`` is false where all of that
    is why nothing was to be looked at.
    """

    rule: Rule
    findings: tuple[Finding, ...]
    lacking: tuple[NoEvidence, ...]
    met: tuple[str, str] = ("", "")
    asked: bool = True

    @property
    def verified(self) -> bool:
        """Whether the rule had all the records that it reads."""
        return not self.lacking


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule of the rule book. ``preflight``: it can judge a plan, because it reads only what a plan knows.

    ``severity`` is that of its gravest finding; only error rules count for *verified n of m*.
    """

    id: str
    name: str
    subject: type
    editions: tuple[str, ...]
    severity: Severity
    preflight: bool
    divisions: tuple[Division, ...]
    function: RuleFunction

    @property
    def text(self) -> str:
        """The rule in our own words: the docstring of its function."""
        return inspect.cleandoc(self.function.__doc__ or "")

    def applies(self, edition_name: str, division: Division) -> bool:
        """Whether the rule is part of the edition and counts in the division; a whatif result is looked at by every rule."""
        return edition_name in self.editions and (division is Division.WHATIF or division in self.divisions)

    def evaluate(self, subject: object, edition: Edition) -> Evaluation:
        """Ask the rule about a subject. Findings that differ only in their file become one with a count."""
        said = list(self.function(subject, edition))
        findings = [self._own(kept) for item in said if isinstance(item, Finding) and (kept := self._relaxed(item, edition)) is not None]
        lacking = [dataclasses.replace(n, reason=printable(n.reason), file=printable(n.file)) for n in said if isinstance(n, NoEvidence)]
        met = [item for item in said if isinstance(item, Met)]
        measured, required = map(printable, combined(met))
        asked = not met or not all(isinstance(item, NotAsked) for item in met)
        return Evaluation(self, _fold_files(findings), tuple(dict.fromkeys(lacking)), (measured, required), asked)

    def _relaxed(self, finding: Finding, edition: Edition) -> Finding | None:
        """The finding as the profile in force weighs it; None where the rule never fired under it."""
        profile, keys = edition.profile, (f"{self.id} {finding.part}", self.id)
        if profile is None:
            return finding
        if any(key in profile.inactive for key in keys):
            return None
        severity = next((profile.severity[key] for key in keys if key in profile.severity), None)
        if severity is None or _WEIGHT[severity] >= _WEIGHT[finding.severity]:
            return finding
        category = Category.CLOSED if finding.category is Category.INVALID else finding.category
        return dataclasses.replace(finding, severity=severity, category=category)

    def _own(self, finding: Finding) -> Finding:
        if _WEIGHT[finding.severity] > _WEIGHT[self.severity]:
            # A rule that only warns cannot cost a verdict, whatever its function forgot to say.
            category = Category.CLOSED if finding.category is Category.INVALID else finding.category
            finding = dataclasses.replace(finding, severity=self.severity, category=category)
        texts: dict[str, Any] = {field: printable(text) for field in _TEXTS if isinstance(text := getattr(finding, field), str)}
        return dataclasses.replace(finding, **texts, rule=finding.rule or self.id)


def _fold_files(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding of six equal ones on six runs, in the first run's file, with the count."""
    first: dict[Finding, Finding] = {}
    for finding in findings:
        key = dataclasses.replace(finding, file="", count=1)
        known = first.get(key)
        first[key] = dataclasses.replace(known, count=known.count + finding.count) if known else finding
    return tuple(first.values())


class Registry:
    """The rules by id; a rule is registered once for each kind of subject."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._found: dict[tuple[type, str, Division], tuple[Rule, ...]] = {}

    def add(self, rule: Rule) -> None:
        """Take in a rule; raises ValueError for an id that the subject has already in an edition, and for a rule that says nothing."""
        if not rule.text:
            raise ValueError(f"rule {rule.id}: its function has no docstring, which is the rule in our own words")
        for other in self._rules:
            related = issubclass(rule.subject, other.subject) or issubclass(other.subject, rule.subject)
            if rule.id == other.id and related and set(rule.editions) & set(other.editions):
                raise ValueError(f"rule {rule.id} is registered twice for {rule.subject.__name__}")
        self._rules.append(rule)
        self._found.clear()

    def all_rules(self) -> tuple[Rule, ...]:
        """Every rule, in order of id."""
        return tuple(sorted(self._rules, key=lambda r: (rule_order(r.id), r.subject.__name__, r.editions)))

    def rules_for(self, subject: type, edition: str, division: Division) -> tuple[Rule, ...]:
        """Rules that are asked about a subject of this kind, in order of id."""
        key = (subject, edition, division)
        if key not in self._found:
            self._found[key] = tuple(r for r in self.all_rules() if issubclass(subject, r.subject) and r.applies(edition, division))
        return self._found[key]


REGISTRY = Registry()


def rule(
    id: str,
    name: str,
    *,
    subject: type,
    editions: Sequence[str],
    severity: Severity = Severity.ERROR,
    preflight: bool = False,
    divisions: Sequence[Division] = tuple(Division),
    registry: Registry = REGISTRY,
) -> Callable[[Function], Function]:
    """Register a generator ``(subject, edition) -> Iterator[Finding | NoEvidence | Met]`` as a rule; its docstring is its text.

    Raises ValueError for a second rule of one id and for a function without docstring.
    """

    def register(function: Function) -> Function:
        registry.add(Rule(id, name, subject, tuple(editions), severity, preflight, tuple(divisions), function))
        return function

    return register


def all_rules() -> tuple[Rule, ...]:
    """Every rule of the rule book, in order of id."""
    return REGISTRY.all_rules()


def rule_order(id: str) -> tuple[tuple[int, int, str], ...]:
    """A sorting key: 2.1.9 stands before 2.1.17, ids that begin with letters come after."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in id.split("."))
