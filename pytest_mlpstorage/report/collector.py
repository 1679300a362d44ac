"""Collects on the controller what the items said, and makes of it one verdict a result and one row a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from pytest_mlpstorage.report.reasons import reasons
from pytest_mlpstorage.report.records import Facts, facts, finding_from
from pytest_mlpstorage.report.runs import RunRow, merge, row_of_item, rows_of_result
from pytest_mlpstorage.report.verdicts import verdict_object
from pytest_mlpstorage.results.places import RESULT_KINDS, Kind, SubjectPlace
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.rules.judging import Said, judge_said
from pytest_mlpstorage.verdict import Division

__all__ = ["Item", "JudgedResult", "SuiteReport"]

FindResult = Callable[[str], "Result | None"]
"""Gives the result at a path relative to the results directory, or None where there is none that can be read."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One of our items as it ended."""

    nodeid: str
    outcome: str
    facts: Facts
    message: str = ""


@dataclasses.dataclass(frozen=True)
class JudgedResult:
    """A result with its verdict: ``written`` is its object of verdicts.json, ``headline`` the verdict for people.

    ``reasons`` say why it is no better: findings, or what was not verified.
    """

    written: Mapping[str, Any]
    headline: str
    reasons: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Path of the result relative to the results directory."""
        return str(self.written["path"])


class SuiteReport:
    """What a session's items said, whatever worker ran them and in whatever order they came."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self._closed: tuple[tuple[JudgedResult, ...], tuple[RunRow, ...]] | None = None

    def add(self, report: pytest.TestReport) -> None:
        """Take the report of one phase of one item; setup and teardown count only where they failed or skipped."""
        if report.when != "call" and report.outcome == "passed":
            return
        said = facts(report.user_properties)
        if said is None:
            return
        known = self._items.get(report.nodeid)
        if known is not None and known.outcome == "failed":
            return
        self._items[report.nodeid] = Item(report.nodeid, report.outcome, said, _message(report))
        self._closed = None

    @property
    def items(self) -> tuple[Item, ...]:
        """Our items, sorted by node id."""
        return tuple(self._items[nodeid] for nodeid in sorted(self._items))

    @property
    def failed(self) -> tuple[Item, ...]:
        """Our items that failed."""
        return tuple(item for item in self.items if item.outcome == "failed")

    def close(self, find_result: FindResult) -> tuple[tuple[JudgedResult, ...], tuple[RunRow, ...]]:
        """Every judged result, sorted by path, and every run, sorted by leaf. Asked again it answers the same."""
        if self._closed is None:
            results: dict[str, Result | None] = {}

            def find(path: str) -> Result | None:
                if path not in results:
                    results[path] = find_result(path)
                return results[path]

            judged = sorted((*self._by_benchmarks(), *self._by_rules(find)), key=lambda result: result.path)
            from_tree = [row for result in judged if (found := find(result.path)) is not None for row in rows_of_result(found)]
            from_items = [row_of_item(item.facts.run) for item in self.items if item.facts.run is not None]
            self._closed = tuple(judged), tuple(merge(from_tree, from_items))
        return self._closed

    def _by_benchmarks(self) -> list[JudgedResult]:
        """Results that an item of ``benchmarks/`` has judged itself."""
        found = {}
        for item in self.items:
            written = item.facts.judgement
            if written is not None:
                verdict = str(written["verdict"])
                findings = [finding_from(finding) for finding in written["findings"]]
                found[str(written["path"])] = JudgedResult(
                    written, item.facts.verdict or verdict, reasons(verdict, item.facts.reasons, findings)
                )
        return list(found.values())

    def _by_rules(self, find: FindResult) -> list[JudgedResult]:
        """Results of which the items of ``rules/`` each evaluated one rule; those judged by a benchmark are not judged twice."""
        said: dict[str, dict[str, Said]] = {}
        for item in self.items:
            if item.facts.rule_name and item.facts.result:
                said.setdefault(item.facts.result, {})[item.facts.rule] = Said(item.facts.findings, item.facts.lacking)
        done = {result.path for result in self._by_benchmarks()}
        return [self._judged(path, of_rules, find) for path, of_rules in said.items() if path not in done]

    def _judged(self, path: str, said: Mapping[str, Said], find: FindResult) -> JudgedResult:
        result = find(path) or _by_place(path)
        judgement = judge_said(result.benchmark, result.division, result.edition, said)
        why = reasons(judgement.verdict.value, judgement.reasons, judgement.findings)
        return JudgedResult(verdict_object(result, judgement), judgement.headline(), why)


def _by_place(path: str) -> SubjectPlace:
    """A result that can no longer be read, from what its path says: division/submitter/results/system/benchmark/model."""
    division, submitter, _, system, benchmark, *model = [*path.split("/"), *[""] * 6][: max(6, path.count("/") + 1)]
    kind: Kind = next((kind for kind in RESULT_KINDS if kind == benchmark), "training")
    names = {"submitter": submitter, "system": system, "model": "_".join(model)}
    return SubjectPlace(kind, path, Division(division), "unknown", **names)


def _message(report: pytest.TestReport) -> str:
    """The first line of why an item failed or was skipped."""
    text: str | Sequence[Any] = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    lines = str(text).strip().splitlines()
    return lines[0] if lines else ""
