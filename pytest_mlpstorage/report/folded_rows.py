"""Fewer rows for the table of a large tree: rules that passed, or that only a person can decide, share one by section and subject.

A browser takes a second for a thousand rows. What failed, warned, or was not verified keeps its own row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pytest_mlpstorage.report.collector import Item
from pytest_mlpstorage.report.rule_rows import SECTIONS, RuleRow, section_of
from pytest_mlpstorage.report.text import escaped

__all__ = ["MOST_ROWS", "folded", "told"]

MOST_ROWS: Final = 1500
"""More tests than these are folded."""

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "passed": ("passed", "passed"),
    "noted": ("passed", "passed with a note"),
    "human": ("skipped", "for a person to decide"),
}
"""What came of the rules that share a row → what pytest says of them, and words for people."""

_DURATION: Final = re.compile(r">(?:(\d+) ms|(\d+):(\d\d):(\d\d))<")
_Tests = Mapping[str, list[dict[str, Any]]]
_Group = tuple[str, str, str, str]


def folded(tests: _Tests, items: Iterable[Item]) -> dict[str, list[dict[str, Any]]]:
    """pytest-html's ``tests`` as they are, or folded where they are too many; each row for several says for how many."""
    if sum(map(len, tests.values())) <= MOST_ROWS:
        return dict(tests)
    known = {item.nodeid: item for item in items}
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
            left[" ".join(group)] = [_row(group, members)]
    return left


def told(tests: int, rows: int) -> str:
    """What was folded, for the page; empty where nothing was."""
    if rows == tests:
        return ""
    return (
        f"More than {MOST_ROWS:,} tests: in the table of tests, rules that passed, or that only a person can decide, "
        f"share one row for each section of the rule book and each subject ({tests:,} tests in {rows:,} rows). "
        "All others stand alone; a file of --junitxml has each."
    )


def _group(item: Item, rows: list[dict[str, Any]]) -> _Group | None:
    """Which row an item shares; None for one that has something of its own to tell."""
    said = item.facts
    if len(rows) != 1 or not said.rule_name or rows[0]["extras"] or _milliseconds(_cell(rows[0], "duration")) is None:
        return None
    came_of_it = RuleRow.of_item(said).outcome
    if came_of_it not in _WORDS or item.outcome != _WORDS[came_of_it][0]:
        return None
    return item.nodeid.partition("::")[0], section_of(said.rule), came_of_it, said.result


def _row(group: _Group, members: list[tuple[Item, dict[str, Any]]]) -> dict[str, Any]:
    """One row for several: how many they are, the ids of their rules, and all that they said."""
    module, section, came_of_it, result = group
    count, ids = len(members), ", ".join(item.facts.rule for item, _ in members)
    took = sum(_milliseconds(_cell(row, "duration")) or 0 for _, row in members)
    name = f"{module}: {count} rules {_WORDS[came_of_it][1]}, section {SECTIONS[section]} [{count}-{result}]"
    cells = {
        "testId": f'<td class="col-testId">{escaped(name)}</td>',
        "rule": f'<td class="col-rule">{escaped(ids, longest=4_000)}</td>',
        "duration": f'<td class="col-duration">{_told_duration(took)}</td>',
    }
    first = members[0][1]
    # What was measured is of each rule alone.
    cells |= {name: f'<td class="col-{name}"></td>' for name in ("measured", "required")}
    row: dict[str, Any] = {"extras": [], "result": first["result"], "verdict": first["verdict"]}
    row["resultsTableRow"] = [_counted(cells.get(_column(cell), cell), count) for cell in first["resultsTableRow"]]
    row["log"] = "\n".join(f"{escaped(item.facts.rule)} {escaped(item.facts.rule_name)}{_said(item)}" for item, _ in members)
    return row | {name: cell.partition(">")[2].removesuffix("</td>") for name, cell in cells.items()}


def _said(item: Item) -> str:
    """What a person must look at, or every note of a rule."""
    lines = [finding.line() for finding in item.facts.findings] or [RuleRow.of_item(item.facts, item.message).message]
    return "".join(f"\n  {escaped(line)}" for line in lines if line)


def _counted(cell: str, count: int) -> str:
    return cell.replace("<td ", f'<td data-n="{count}" ', 1) if _column(cell) == "verdict" else cell


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
