"""From a result to its verdict: which rules are asked, what their findings weigh, what was not verified."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_mlpstorage.editions import Edition, edition, edition_names
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.rules.catalogue import counting
from pytest_mlpstorage.rules.registry import REGISTRY, Evaluation, Rule, rule_order
from pytest_mlpstorage.verdict import Division, Finding, Judgement, NoEvidence, Severity, judge

__all__ = ["Said", "edition_of", "evaluate", "evaluate_preflight", "failing", "judge_result", "judge_said", "rules_for", "weighed"]


@dataclasses.dataclass(frozen=True)
class Said:
    """What one rule said, without the rule: the form in which it reaches the verdict from another process."""

    findings: tuple[Finding, ...] = ()
    lacking: tuple[NoEvidence, ...] = ()


def edition_of(subject: Result) -> Edition:
    """Return the edition that a result is judged by: the one it declares, or the current one where there is no such (EDN-01)."""
    return edition(_edition_name(subject.edition))


def _edition_name(declared: str) -> str:
    if declared in edition_names():
        return declared
    return next(name for name in edition_names() if edition(name).current)


def rules_for(subject: Result) -> tuple[Rule, ...]:
    """Return the rules that are asked about a result, sorted by id."""
    return REGISTRY.rules_for(type(subject), _edition_name(subject.edition), subject.division)


def evaluate(subject: Result) -> Iterator[Evaluation]:
    """Ask every rule about a result."""
    book = edition_of(subject)
    for rule in rules_for(subject):
        yield rule.evaluate(subject, book)


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


def judge_result(subject: Result, evaluations: Iterable[Evaluation]) -> Judgement:
    """Reduce what the rules said of a result to its verdict.

    NOT VERIFIED counts the executable error rules of the edition: one that is not among ``evaluations`` (deselected, or not
    built yet) or that lacked evidence was not verified.
    """
    said = {e.rule.id: Said(e.findings, e.lacking) for e in evaluations}
    return judge_said(subject.benchmark, subject.division, subject.edition, said)


def judge_said(benchmark: str, division: Division, edition_name: str, said: Mapping[str, Said]) -> Judgement:
    """Reduce what rules said, by rule id, to a verdict; see ``judge_result``."""
    needed = counting(_edition_name(edition_name), division) if benchmark == "training" else ()
    built = {rule.id for rule in REGISTRY.all_rules()}
    unverified = [reason for entry in needed if (reason := _why_not(entry.id, entry.name, said, built)) is not None]
    # A family or edition whose book is not written down here must not pass for want of rules.
    unknown = () if needed else (f"the rules on {benchmark} results of edition {edition_name} are not built yet",)
    return judge(
        division,
        _sorted([finding for rule_id in sorted(said) for finding in said[rule_id].findings]),
        rules_verified=len(needed) - len(unverified),
        rules_total=len(needed) + len(unknown),
        unverified=(*unverified, *unknown),
    )


def _why_not(rule_id: str, name: str, said: Mapping[str, Said], built: set[str]) -> str | None:
    if rule_id not in said:
        return f"{rule_id} {name}: {'not evaluated in this session' if rule_id in built else 'not built yet'}"
    lacking = said[rule_id].lacking
    if not lacking:
        return None
    more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
    return f"{rule_id} {name}: no evidence: {lacking[0].reason}{f' in {lacking[0].file}' if lacking[0].file else ''}{more}"


def _sorted(findings: Sequence[Finding]) -> list[Finding]:
    """Order findings the same whatever worker said them first: heaviest first, then by rule, file and field."""
    weight = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
    return sorted(findings, key=lambda f: (weight[f.severity], rule_order(f.rule), f.file, f.field, f.message))
