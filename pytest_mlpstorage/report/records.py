"""How an item hands its facts to the reports: names and values of ``user_properties``, which reach every kind of report.

Values are text or JSON, so that JUnit shows them as they are and they cross from xdist's workers unchanged.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.error_codes import codes_in
from pytest_mlpstorage.verdict import Category, Division, Finding, NoEvidence, Severity, is_remark

if TYPE_CHECKING:
    from pytest_mlpstorage.results.pictures import Picture
    from pytest_mlpstorage.results.places import SubjectPlace
    from pytest_mlpstorage.rules.catalogue import Entry
    from pytest_mlpstorage.rules.registry import Evaluation

__all__ = [
    "COMPARED",
    "DIVISION",
    "ERROR",
    "FINDINGS",
    "FOUND",
    "JUDGEMENT",
    "LACKING",
    "MEASURED",
    "MOVED",
    "NOT_ASKED",
    "PICTURES",
    "PLANNED",
    "REASONS",
    "REQUIRED",
    "RESULT",
    "RESUMED",
    "RULE",
    "RULE_NAME",
    "RUN",
    "SEVERITY",
    "SUBJECT",
    "VERDICT",
    "Facts",
    "Property",
    "add_codes",
    "add_first_finding",
    "decode",
    "encode",
    "facts",
    "finding_from",
    "finding_object",
    "record_review",
    "record_rule",
    "record_unjudged",
]

RULE: Final = "mlps_rule"
RULE_NAME: Final = "mlps_rule_name"
VERDICT: Final = "mlps_verdict"
DIVISION: Final = "mlps_division"
RESULT: Final = "mlps_result"
MEASURED: Final = "mlps_measured"
REQUIRED: Final = "mlps_required"
SEVERITY: Final = "mlps_severity"
ERROR: Final = "mlps_error"
"""Codes of the error that ended an item, its own first, then those of what it passes on."""

FINDINGS: Final = "mlps_findings"
LACKING: Final = "mlps_lacking"
JUDGEMENT: Final = "mlps_judgement"
REASONS: Final = "mlps_reasons"
RUN: Final = "mlps_run"
FOUND: Final = "mlps_found"
RESUMED: Final = "mlps_resumed"
"""What a second start did with a step: its ``case``, ``step``, ``found`` (or done), ``why``, and what was moved ``aside``."""
SUBJECT: Final = "mlps_subject"
"""What one item of each result hands over: accelerator, metrics and runs, so that nobody reads the result again for them."""

PICTURES: Final = "mlps_pictures"
COMPARED: Final = "mlps_compared"
"""A result beside an earlier one, see :mod:`pytest_mlpstorage.report.compare`."""
MOVED: Final = "mlps_moved"
"""Where in the tree the leaves of a result are that stood outside of it while the other items ran."""
PLANNED: Final = "mlps_planned"
"""What a dry run foresees of a step, for the totals of the session."""

NOT_ASKED: Final = "not asked"
"""Verdict of an item whose rule found nothing to look at."""

_PREFIX: Final = "mlps_"
_REVIEW: Final = "human review"
_UNJUDGED: Final = "not judged"

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


def add_codes(properties: list[Property], message: str) -> None:
    """Add the codes that the message of a failure names to an item's properties."""
    if codes := codes_in(message):
        properties.append((ERROR, " ".join(codes)))


def record_rule(properties: list[Property], place: SubjectPlace, evaluation: Evaluation, findings: Sequence[Finding]) -> None:
    """Add everything that an item of ``rules/`` found to its properties.

    ``findings`` are those of ``evaluation`` as they weigh in the subject's division.
    """
    rule = evaluation.rule
    properties += [
        (RULE, rule.id),
        (RULE_NAME, rule.name),
        (RESULT, place.relpath),
        (DIVISION, place.division.value),
        (VERDICT, _item_verdict(findings, evaluation.lacking, place.division, asked=evaluation.asked)),
    ]
    if is_remark(findings) and not evaluation.lacking and all(finding.required is None for finding in findings):
        properties += [(name, text) for name, text in zip((MEASURED, REQUIRED), evaluation.met, strict=True) if text]
    if findings:
        properties.append((FINDINGS, encode([finding_object(f) for f in findings])))
        order = (Severity.ERROR, Severity.WARNING, Severity.INFO)
        add_first_finding(properties, min(findings, key=lambda f: order.index(f.severity)))
    if evaluation.lacking:
        properties.append((LACKING, encode([dataclasses.asdict(lacking) for lacking in evaluation.lacking])))


def record_review(properties: list[Property], place: SubjectPlace, entry: Entry) -> None:
    """Add what an item says that only a person can decide."""
    properties += [
        (RULE, entry.id),
        (RULE_NAME, entry.name),
        (RESULT, place.relpath),
        (DIVISION, place.division.value),
        (VERDICT, _REVIEW),
    ]


def record_unjudged(properties: list[Property], place: SubjectPlace | None) -> None:
    """Add what an item says that stands for a result without rules, or for something that is no result."""
    if place is not None:
        properties += [(RESULT, place.relpath), (DIVISION, place.division.value)]
    properties.append((VERDICT, _UNJUDGED))


def _item_verdict(findings: Iterable[Finding], lacking: Sequence[NoEvidence], division: Division, *, asked: bool) -> str:
    """What one rule does to the verdict, in a word."""
    found = list(findings)
    if any(f.costs_the_verdict for f in found):
        return "INVALID"
    if lacking:
        return "NOT VERIFIED"
    if division is Division.WHATIF and any(f.category is Category.INVALID for f in found):
        return "would be INVALID"
    if any(f.category is Category.OPEN for f in found):
        return "OPEN at best"
    if any(f.severity is Severity.ERROR for f in found):
        return "below an own limit"
    if any(f.severity is Severity.WARNING for f in found):
        return "warning"
    return "ok" if found or asked else NOT_ASKED


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
    error: str = ""
    found: str = ""
    findings: tuple[Finding, ...] = ()
    lacking: tuple[NoEvidence, ...] = ()
    judgement: Mapping[str, Any] | None = None
    reasons: tuple[str, ...] = ()
    run: Mapping[str, Any] | None = None
    resumed: Mapping[str, Any] | None = None
    subject: Mapping[str, Any] | None = None
    pictures: tuple[Picture, ...] = ()
    moved: Mapping[str, str] = dataclasses.field(default_factory=dict)
    compared: Mapping[str, Any] | None = None

    @property
    def of_rules(self) -> bool:
        """Whether it is an item of ``rules/``, which speaks of one subject."""
        return bool(self.rule_name) or self.verdict == _UNJUDGED

    @property
    def evaluated(self) -> bool:
        """Whether a rule was evaluated, and not only named for a person to look at."""
        return bool(self.rule_name) and self.verdict != _REVIEW


def facts(properties: Iterable[Sequence[object]]) -> Facts | None:
    """The facts among an item's properties, or None where it is none of our items."""
    ours = {str(name): value for name, value in (pair[:2] for pair in properties) if str(name).startswith(_PREFIX)}
    if not ours:
        return None
    texts: dict[str, Any] = {field: str(ours[key]) for field, key in _TEXTS.items() if key in ours}
    if len(ours) == len(texts):  # most items have found nothing
        return Facts(**texts)
    return Facts(
        **texts,
        findings=tuple(finding_from(written) for written in _json(ours.get(FINDINGS), [])),
        lacking=tuple(NoEvidence(**written) for written in _json(ours.get(LACKING), [])),
        judgement=_json(ours.get(JUDGEMENT), None),
        reasons=tuple(_json(ours.get(REASONS), [])),
        run=_json(ours.get(RUN), None),
        resumed=_json(ours.get(RESUMED), None),
        subject=_json(ours.get(SUBJECT), None),
        pictures=_pictures(ours.get(PICTURES)),
        moved=_json(ours.get(MOVED), {}),
        compared=_json(ours.get(COMPARED), None),
    )


_TEXTS: Final = {
    field: _PREFIX + field
    for field in ("rule", "rule_name", "verdict", "division", "result", "measured", "required", "severity", "error", "found")
}


def _pictures(value: object) -> tuple[Picture, ...]:
    if value is None:
        return ()
    from pytest_mlpstorage.results.pictures import Picture

    return tuple(Picture.from_json(written) for written in decode(str(value)))


def _json(value: object, default: Any) -> Any:
    return default if value is None else decode(str(value))
