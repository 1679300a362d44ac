"""Fewer rows for the table of a large tree: rules that passed, or that only a person can decide, share one by section and subject.

A browser takes a second for a thousand rows. What failed, warned, was not verified, or makes a result OPEN at best keeps its own row.
Each row for several says which they are (``data-n``, ``data-m`` of its verdict), so that the filters of the page count tests and not rows.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any, Final

from pytest_mlpstorage.report.collector import Item
from pytest_mlpstorage.report.packed_rows import extras_of
from pytest_mlpstorage.report.records import NOT_ASKED
from pytest_mlpstorage.report.rule_rows import SECTIONS, RuleRow, section_of
from pytest_mlpstorage.report.text import escaped, plain
from pytest_mlpstorage.verdict import figures

__all__ = ["MOST_ROWS", "folded", "rules_html", "told"]

MOST_ROWS: Final = 1500
"""More tests than these are folded."""

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "passed": ("passed", "passed"),
    "not asked": ("passed", "not asked"),
    "noted": ("passed", "passed with a note"),
    "human": ("skipped", "for a person to decide"),
}
"""What came of the rules that share a row → what pytest says of them, and words for people."""

_DURATION: Final = re.compile(r">(?:(\d+) ms|(\d+):(\d\d):(\d\d))<")
_Tests = Mapping[str, list[dict[str, Any]]]
_TAG: Final = re.compile(r"<span hidden>.*?</span>|<[^>]*>")
_TEST: Final = "test_rule"
"""What each item of ``rules/`` is called in its module; the script of the page names the tests of a row again by it."""

_MEASURED: Final = ("measured", "required")
_TOLD: Final = ("result", "testId", "verdict", "rule", "duration")
"""Columns that the script of the page knows of each test of a row, or, as the duration, does not look at."""

_HARMLESS: Final = ("ok", NOT_ASKED, "human review")
"""Verdicts that cost nothing; what has another one must be seen."""


@dataclasses.dataclass(frozen=True)
class _Group:
    """What items that share a row have in common."""

    module: str
    section: str
    outcome: str
    verdict: str
    subject: str
    columns: tuple[str, ...]


def folded(tests: _Tests, items: Iterable[Item]) -> dict[str, list[dict[str, Any]]]:
    """pytest-html's ``tests`` as they are, or folded where they are too many; each row for several says for how many."""
    if sum(map(len, tests.values())) <= MOST_ROWS:
        return dict(tests)
    known = {item.nodeid: item for item in items}
    numbers = {rule: number for number, rule in enumerate(_rules(known.values()))}
    groups: dict[_Group, list[tuple[Item, dict[str, Any]]]] = {}
    left: dict[str, list[dict[str, Any]]] = {}
    for nodeid, rows in tests.items():
        item = known.get(nodeid)
        group = _group(item, rows) if item is not None else None
        if item is None or group is None:
            left[nodeid] = rows
        else:
            groups.setdefault(group, []).append((item, rows[0]))
    for group, members in groups.items():
        if len(members) == 1:
            left[members[0][0].nodeid] = [members[0][1]]
        else:
            row = _row(group, members, numbers)
            left.setdefault(row["testId"], []).append(row)
    return left


def rules_html(items: Iterable[Item]) -> str:
    """The ids and names of all rules, once, in the order of the numbers that shared rows have of them; for the script of the page."""
    # Within a script a browser looks for nothing but its end.
    table = json.dumps(_rules(items)).replace("<", r"\u003c")
    return f'<script type="application/json" id="mlps-rules">{table}</script>'


def _rules(items: Iterable[Item]) -> list[tuple[str, str]]:
    return sorted({(item.facts.rule, item.facts.rule_name) for item in items if item.facts.rule_name})


def told(tests: int, rows: int) -> str:
    """What was folded, for the page; empty where nothing was."""
    if rows == tests:
        return ""
    return (
        f"More than {MOST_ROWS:,} tests: in the table of tests, rules that passed, or that only a person can decide, "
        f"share one row for each section of the rule book and each subject ({tests:,} tests in {rows:,} rows). "
        "All others stand alone; filters count each test, not rows; a file of --junitxml has each."
    )


def _group(item: Item, rows: list[dict[str, Any]]) -> _Group | None:
    """Which row an item shares; None for one that has something of its own to tell."""
    said, (module, _, test) = item.facts, item.nodeid.partition("::")
    if len(rows) != 1 or not said.rule_name or extras_of(rows[0]) or _milliseconds(_cell(rows[0], "duration")) is None:
        return None
    came_of_it, named = RuleRow.of_item(said).outcome, f"{_TEST}[{said.rule}-{said.rule_name}-"
    if came_of_it not in _WORDS or item.outcome != _WORDS[came_of_it][0] or said.verdict not in _HARMLESS or not test.startswith(named):
        return None
    subject = test.removeprefix(named).removesuffix("]")
    return _Group(module, section_of(said.rule), came_of_it, said.verdict, subject, tuple(map(_column, rows[0]["resultsTableRow"])))


def _row(group: _Group, members: list[tuple[Item, dict[str, Any]]], numbers: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """One row for several: how many they are, the ids of their rules, and all that they said."""
    count, ids = len(members), ", ".join(item.facts.rule for item, _ in members)
    took = sum(_milliseconds(_cell(row, "duration")) or 0 for _, row in members)
    name = f"{group.module}: {count} rules {_WORDS[group.outcome][1]}, section {SECTIONS[group.section]} [{count}-{group.subject}]"
    columns = {
        "testId": f'<td class="col-testId">{escaped(name)}</td>',
        "rule": f'<td class="col-rule">{escaped(ids, longest=4_000)}</td>',
        "duration": f'<td class="col-duration">{_told_duration(took)}</td>',
    }
    first = members[0][1]
    which = "|".join(f"{numbers[item.facts.rule, item.facts.rule_name]}{_alone(item, row)}" for item, row in members)
    cells = []
    for place, (column, cell) in enumerate(zip(group.columns, first["resultsTableRow"], strict=True)):
        shared = columns.get(column, cell)
        if column == "verdict":
            shared = shared.replace("<td ", f'<td data-n="{count}" data-m="{which}" ', 1)
        elif column not in columns and (column in _MEASURED or any(row["resultsTableRow"][place] != cell for _, row in members)):
            shared = f'<td class="col-{column}"></td>'  # it is of each rule alone
        cells.append(shared)
    told = "\n".join(f"{escaped(item.facts.rule)} {escaped(item.facts.rule_name)}{_said(item)}" for item, _ in members)
    row = {"extras": [], "result": first["result"], "verdict": first["verdict"], "resultsTableRow": cells, "log": told}
    return row | {name: cell.partition(">")[2].removesuffix("</td>") for name, cell in columns.items()}


def _alone(item: Item, row: Mapping[str, Any]) -> str:
    """What the filters would find in a row besides its item, rule and verdict: its phase, what was measured, columns of other plug-ins."""
    phase = unescape(row["testId"]).removeprefix(plain(item.nodeid))
    texts = (phase, *(unescape(_TAG.sub("", cell)).strip() for cell in row["resultsTableRow"] if _column(cell) not in _TOLD))
    return "".join(f" {escaped(text.replace('|', ' '))}" for text in texts if text)


def _said(item: Item) -> str:
    """What a person must look at, every note of a rule, or what it measured and what is required."""
    row = RuleRow.of_item(item.facts, item.message)
    amounts = "; ".join(figures(row.measured or None, row.required or None))
    findings = item.facts.findings
    # What a note says of itself stands in its line already.
    beside = [amounts] if all(finding.required is None for finding in findings) else []
    lines = [*(finding.line() for finding in findings), *beside] if findings else [row.message, amounts]
    return "".join(f"\n  {escaped(line)}" for line in lines if line)


def _column(cell: str) -> str:
    found = re.search(r"col-(\w+)", cell)
    return found[1] if found is not None else ""


def _cell(row: Mapping[str, Any], name: str) -> str:
    return next((cell for cell in row["resultsTableRow"] if _column(cell) == name), "")


def _milliseconds(cell: str) -> int | None:
    """What pytest-html wrote of a duration; None where somebody else wrote it in another way."""
    found = _DURATION.search(cell)
    if found is None:
        return None
    if found[1] is not None:
        return int(found[1])
    hours, minutes, seconds = map(int, found.groups()[1:])
    return 1000 * (3600 * hours + 60 * minutes + seconds)


def _told_duration(milliseconds: int) -> str:
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
