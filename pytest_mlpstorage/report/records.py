"""How an item hands its facts to the reports: names and values of ``user_properties``, which reach every kind of report.

Values are text or JSON, so that JUnit shows them as they are and they cross from xdist's workers unchanged.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity

if TYPE_CHECKING:
    from pytest_mlpstorage.results.records import Result
    from pytest_mlpstorage.rules.registry import Evaluation

__all__ = [
    "DIVISION",
    "FINDINGS",
    "FOUND",
    "JUDGEMENT",
    "LACKING",
    "MEASURED",
    "REASONS",
    "REQUIRED",
    "RESULT",
    "RULE",
    "RULE_NAME",
    "RUN",
    "SEVERITY",
    "VERDICT",
    "Facts",
    "add_first_finding",
    "decode",
    "encode",
    "facts",
    "finding_from",
    "finding_object",
    "record_rule",
]

RULE: Final = "mlps_rule"
RULE_NAME: Final = "mlps_rule_name"
VERDICT: Final = "mlps_verdict"
DIVISION: Final = "mlps_division"
RESULT: Final = "mlps_result"
MEASURED: Final = "mlps_measured"
REQUIRED: Final = "mlps_required"
SEVERITY: Final = "mlps_severity"
FINDINGS: Final = "mlps_findings"
LACKING: Final = "mlps_lacking"
JUDGEMENT: Final = "mlps_judgement"
REASONS: Final = "mlps_reasons"
RUN: Final = "mlps_run"
FOUND: Final = "mlps_found"

_PREFIX: Final = "mlps_"

Property = tuple[str, object]


def encode(value: object) -> str:
    """JSON of a value in ASCII; a number that JSON cannot hold (NaN, infinity) becomes its text."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value


def decode(text: str) -> Any:
    """The value that ``encode`` wrote; raises ValueError for anything else."""
    return json.loads(text)


def finding_object(finding: Finding) -> dict[str, Any]:
    """A finding as verdicts.json has it."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "category": finding.category.value,
        "message": finding.message,
        "measured": _finite(finding.measured),
        "required": _finite(finding.required),
        "file": finding.file,
        "field": finding.field,
        "count": finding.count,
    }


def finding_from(written: Mapping[str, Any]) -> Finding:
    """The finding that ``finding_object`` wrote."""
    return Finding(**{**written, "severity": Severity(written["severity"]), "category": Category(written["category"])})


def add_first_finding(properties: list[Property], finding: Finding) -> None:
    """Add what one finding says to an item's properties, for the columns of the reports; a property that is there stays."""
    there = {name for name, _ in properties}
    own = {
        RULE: finding.rule,
        SEVERITY: finding.severity.value,
        MEASURED: finding.measured,
        REQUIRED: finding.required,
    }
    properties += [(name, str(value)) for name, value in own.items() if value not in (None, "") and name not in there]


def record_rule(properties: list[Property], subject: Result, evaluation: Evaluation, findings: Sequence[Finding]) -> None:
    """Add everything that an item of ``rules/`` found to its properties.

    ``findings`` are those of ``evaluation`` as they weigh in the result's division.
    """
    rule = evaluation.rule
    properties += [
        (RULE, rule.id),
        (RULE_NAME, rule.name),
        (RESULT, subject.relpath),
        (DIVISION, subject.division.value),
        (VERDICT, _item_verdict(findings, evaluation.lacking, subject.division)),
        (FINDINGS, encode([finding_object(f) for f in findings])),
    ]
    if evaluation.lacking:
        properties.append((LACKING, encode([dataclasses.asdict(lacking) for lacking in evaluation.lacking])))
    order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
    heaviest = sorted(findings, key=lambda f: order.index(f.severity))
    if heaviest:
        add_first_finding(properties, heaviest[0])


def _item_verdict(findings: Iterable[Finding], lacking: Sequence[NoEvidence], division: Division) -> str:
    """What one rule does to the verdict, in a word."""
    found = list(findings)
    if any(f.severity is Severity.ERROR for f in found):
        return "INVALID"
    if lacking:
        return "NOT VERIFIED"
    if division is Division.WHATIF and any(f.category is Category.INVALID for f in found):
        return "would be INVALID"
    if any(f.category is Category.OPEN for f in found):
        return "OPEN at best"
    return "warning" if any(f.severity is Severity.WARNING for f in found) else "ok"


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an item said, read back from its properties; texts are empty where it said nothing."""

    rule: str = ""
    rule_name: str = ""
    verdict: str = ""
    division: str = ""
    result: str = ""
    measured: str = ""
    required: str = ""
    severity: str = ""
    found: str = ""
    findings: tuple[Finding, ...] = ()
    lacking: tuple[NoEvidence, ...] = ()
    judgement: Mapping[str, Any] | None = None
    reasons: tuple[str, ...] = ()
    run: Mapping[str, Any] | None = None


def facts(properties: Iterable[Sequence[object]]) -> Facts | None:
    """The facts among an item's properties, or None where it is none of our items."""
    ours = {str(name): value for name, value in (tuple(pair)[:2] for pair in properties) if str(name).startswith(_PREFIX)}
    if not ours:
        return None
    texts = {field: str(ours.get(_PREFIX + field, "")) for field in _TEXTS}
    return Facts(
        **texts,
        findings=tuple(finding_from(written) for written in _json(ours.get(FINDINGS), [])),
        lacking=tuple(NoEvidence(**written) for written in _json(ours.get(LACKING), [])),
        judgement=_json(ours.get(JUDGEMENT), None),
        reasons=tuple(_json(ours.get(REASONS), [])),
        run=_json(ours.get(RUN), None),
    )


_TEXTS: Final = ("rule", "rule_name", "verdict", "division", "result", "measured", "required", "severity", "found")


def _json(value: object, default: Any) -> Any:
    return default if value is None else decode(str(value))
