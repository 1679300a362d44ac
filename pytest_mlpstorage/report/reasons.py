"""Why a verdict is what it is, in few lines: what decided it, what was not looked at, what a reader should know besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_mlpstorage.rules.registry import rule_order
from pytest_mlpstorage.verdict import Category, Finding, Severity, Verdict

__all__ = ["reasons", "split"]

_WOULD_BE_INVALID = "would be INVALID: "
"""What a line begins with that tells a whatif result how it would fare as a submission."""

_OPEN_AT_BEST = "OPEN at best: "

_GROUPED = ("not built yet", "not evaluated in this session")
"""Endings of reasons that come in dozens; they become one line with the rules' ids."""


def reasons(verdict: str, decided_by: Sequence[str], findings: Iterable[Finding]) -> tuple[str, ...]:
    """Lines under a verdict: ``decided_by`` (rules of one kind of reason in one line), then findings that did not decide it."""
    lines = _group(decided_by)
    for finding in findings:
        line = finding.line()
        if line in decided_by:
            continue
        if verdict == Verdict.WHATIF.value and finding.category is Category.INVALID:
            lines.append(_WOULD_BE_INVALID + line)
        elif finding.severity is Severity.ERROR:
            lines.append(line)
        elif finding.category is Category.OPEN:
            lines.append(_OPEN_AT_BEST + line)
        elif finding.severity is Severity.WARNING:
            lines.append(f"warning: {line}")
    return tuple(dict.fromkeys(lines))


def _group(decided_by: Sequence[str]) -> list[str]:
    # "3.2.1 trainingDatagenMinimumSize: not built yet"; a reason in words, without a rule's id, stays as it is.
    of_rules = [line for line in decided_by if line.endswith(_GROUPED) and ": " in line]
    lines = [line for line in decided_by if line not in of_rules]
    for ending in _GROUPED:
        ids = [line.rpartition(": ")[0].rpartition(" ")[0] for line in of_rules if line.endswith(ending)]
        if ids:
            lines.append(f"{ending}: {', '.join(ids)}")
    return lines


def split(written: Mapping[str, Any], lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines to show at once and those to show on demand, of a result as verdicts.json has it.

    A whatif result breaks rules by intent: they are named in one line, and described on demand.
    """
    marks = {_WOULD_BE_INVALID: Category.INVALID, _OPEN_AT_BEST: Category.OPEN} if written.get("verdict") == Verdict.WHATIF.value else {}
    folded = [line for line in lines if line.startswith(tuple(marks))]
    shown = [line for line in lines if line not in folded]
    for mark, category in marks.items():
        if any(line.startswith(mark) for line in folded):
            rules = {str(f["rule"]) for f in written["findings"] if f["category"] == category.value}
            words = "INVALID" if category is Category.INVALID else "OPEN at best"
            shown.append(f"as a submission it would be {words} by {', '.join(sorted(rules, key=rule_order))}")
    return shown, folded
