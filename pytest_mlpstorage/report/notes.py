"""What an item says of findings that do not fail it, in as few lines as tell a reader what they are about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.verdict import Finding, Severity

__all__ = ["note_lines"]

_OF_A_RULE: Final = 2
"""Most remarks of one rule that are told without ``-v``: a shortened plan differs from its edition in dozens of values."""


def note_lines(who: str, findings: Sequence[Finding], lines: Mapping[Finding, str], *, every: bool) -> Iterator[str]:
    """A line each of the ``findings`` that are no error, of which ``lines`` are the words.

    Warnings are all told. Of what is only information the first few of a rule are told, none that says the same of another place, and how
    many more there are; ``every`` tells all of it.
    """
    told: dict[str, set[tuple[object, ...]]] = {}
    left_out: dict[str, int] = {}
    last: dict[str, str] = {}
    shown: list[tuple[str, str]] = []
    for finding in findings:
        if finding.severity is Severity.ERROR:
            continue
        line = f"{who}: {finding.severity.value}: {lines[finding]}"
        if not every and finding.severity is Severity.INFO:
            same = (finding.message, str(finding.measured), str(finding.required))
            known = told.setdefault(finding.rule, set())
            again = same in known
            known.add(same)
            if again or len(known) > _OF_A_RULE:
                left_out[finding.rule] = left_out.get(finding.rule, 0) + 1
                continue
            last[finding.rule] = line
        shown.append((finding.rule, line))
    for rule, line in shown:
        yield line
        if rule in left_out and line == last[rule]:
            yield f"{who}: info: [{rule}] … and {left_out[rule]} more of this rule (-v)"
