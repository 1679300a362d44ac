"""What was packaged and how it was judged, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.package.select import Selection
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import PROFILES, STRICT, Profile, TreeJudgement, judge_tree
from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import Severity

__all__ = ["PROFILES", "STRICT", "judge_package", "passed", "summary"]

_SHOWN: Final = 20


def judge_package(package: Path, profile: Profile = STRICT) -> TreeJudgement:
    """Ask every rule about a package."""
    return judge_tree(read_tree(package), profile)


def passed(judged: TreeJudgement) -> bool:
    """Whether no rule found an error: what decides the exit code of ``pytest rules/``."""
    every = [*judged.results.values(), *judged.submissions.values()]
    findings = [*judged.package, *(finding for judgement in every for finding in judgement.findings)]
    return not any(finding.severity is Severity.ERROR for finding in findings)


def summary(selection: Selection, size_bytes: int, judged: TreeJudgement, target: Path) -> Iterator[str]:
    """The lines: what was taken, what was left out and why, each verdict with its reasons."""
    yield f"packaged {len(selection.files)} files ({format_bytes(size_bytes)}) into {target}"
    for reason, count in sorted(selection.left_out.items()):
        yield f"  left out: {count} {reason}"
    for path, judgement in (*judged.results.items(), *judged.submissions.items()):
        yield f"{judgement.headline()}  {path}"
        yield from _few([f"    {reason}" for reason in judgement.reasons])
    alone = [finding.line() for finding in judged.package if finding.severity is Severity.ERROR]
    if alone:
        yield "the package as a whole"
        yield from _few([f"    {line}" for line in alone])
    warnings = sorted(
        {finding.line() for found in judged.submissions.values() for finding in found.findings if finding.severity is Severity.WARNING}
    )
    yield from _few([f"warning: {line}" for line in warnings])


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"    … and {more} more: pytest rules/ --results-dir=… shows all"]
