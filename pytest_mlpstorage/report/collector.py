"""Collects on the controller what the items said, and makes of it one verdict a result and one row a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from pytest_mlpstorage.report.compare import Comparison
from pytest_mlpstorage.report.headline_text import Limit, Spread
from pytest_mlpstorage.report.held_against import undoubted
from pytest_mlpstorage.report.reasons import reasons
from pytest_mlpstorage.report.records import Facts, facts, finding_from
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.resumed import resumed_lines
from pytest_mlpstorage.report.rule_rows import RuleRow, rows_of_result_judged, sorted_rows
from pytest_mlpstorage.report.runs import RunRow, merge, row_of_item, rows_of_result
from pytest_mlpstorage.report.subjects import facts_of
from pytest_mlpstorage.report.verdicts import submission_object, verdict_object
from pytest_mlpstorage.results.pictures import Picture
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.results.tree import Tree
from pytest_mlpstorage.rules.judging import STRICT, Profile, Said, edition_of
from pytest_mlpstorage.rules.verdicts import PROFILE_RULE, judge_tree
from pytest_mlpstorage.verdict import Judgement, Severity

__all__ = ["Item", "JudgedResult", "SuiteReport", "Verdicts"]

FindResult = Callable[[str], "Result | None"]
"""Gives the result at a path relative to the results directory, or None where there is none that can be read."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One of our items as it ended; ``text`` is all of why it failed or was skipped, ``message`` its first line."""

    nodeid: str
    outcome: str
    facts: Facts
    message: str = ""
    text: str = ""


@dataclasses.dataclass(frozen=True)
class JudgedResult:
    """A result, or a submission, with its verdict: ``written`` is its object in the file of verdicts, ``headline`` for people.

    ``reasons`` say why it is no better: findings, or what was not verified; ``pictures`` are what there is to show. ``rules`` are what each
    rule said of it; of a submission by the path of each subject in it. ``facts`` are None where the result could not be read again.
    """

    written: Mapping[str, Any]
    headline: str
    reasons: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    facts: ResultFacts | None = None
    rules: Mapping[str, tuple[RuleRow, ...]] = dataclasses.field(default_factory=dict)

    @property
    def path(self) -> str:
        """Path relative to the results directory."""
        return str(self.written["path"])

    @property
    def told(self) -> Mapping[str, Any]:
        """``written`` for people: with the headlines that were read of the result besides, such as rates that only our program knows."""
        return self.written if self.facts is None else {**self.written, "metrics": {**self.written["metrics"], **self.facts.figures}}

    @property
    def limits(self) -> Mapping[str, Limit]:
        """What its headlines are held against, by their official names; nothing of a result that could not be read again."""
        return self.facts.limits if self.facts is not None else {}

    @property
    def spreads(self) -> Mapping[str, Spread]:
        """How far the runs behind its headlines lie apart, by the same names."""
        return self.facts.spreads if self.facts is not None else {}


@dataclasses.dataclass(frozen=True)
class Verdicts:
    """All that a session judged, each sorted by path; ``package`` are the lines on the top of the tree, which count for no result."""

    results: tuple[JudgedResult, ...] = ()
    submissions: tuple[JudgedResult, ...] = ()
    package: tuple[str, ...] = ()
    runs: tuple[RunRow, ...] = ()
    resumed: tuple[str, ...] = ()
    compared: tuple[Comparison, ...] = ()
    package_rules: tuple[RuleRow, ...] = ()


class SuiteReport:
    """What a session's items said, whatever worker ran them and in whatever order they came.

    ``tree`` holds the places that items of ``rules/`` speak of; the files of a result are not read again.
    """

    def __init__(self, tree: Tree | None = None, profile: Profile = STRICT) -> None:
        self.profile = profile
        self._tree = tree
        self._items: dict[str, Item] = {}
        self._closed: Verdicts | None = None

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
        text = _text(report)
        self._items[report.nodeid] = Item(report.nodeid, report.outcome, said, text.partition("\n")[0], text)
        self._closed = None

    @property
    def items(self) -> tuple[Item, ...]:
        """Our items, sorted by node id."""
        return tuple(self._items[nodeid] for nodeid in sorted(self._items))

    @property
    def failed(self) -> tuple[Item, ...]:
        """Our items that failed."""
        return tuple(item for item in self.items if item.outcome == "failed")

    @property
    def nothing_judged(self) -> bool:
        """Whether items of ``rules/`` ran and not one rule had the evidence to pass or to fail."""
        of_rules = [item for item in self._items.values() if item.facts.of_rules]
        return bool(of_rules) and not any(item.facts.evaluated and item.outcome != "skipped" for item in of_rules)

    def close(self, find_result: FindResult) -> Verdicts:
        """Every judged result and submission, and every run, sorted by leaf. Asked again it answers the same.

        ``find_result`` reads a result that an item of ``benchmarks/`` judged, for runs that it only found.
        """
        if self._closed is None:
            items = self.items
            found = [(result, find_result(result.path)) for result in self._by_benchmarks(items)]
            by_benchmarks = [_completed(judged, result) for judged, result in found]
            rows = [row for _, result in found if result is not None for row in rows_of_result(result, edition_of(result))]
            rows += [RunRow(**row) for item in items if item.facts.subject is not None for row in item.facts.subject["runs"]]
            moved = {staged: leaf for item in items for staged, leaf in item.facts.moved.items()}
            runs = merge(rows, [row_of_item(_where_it_is(item.facts.run, moved)) for item in items if item.facts.run is not None])
            by_rules = self._by_rules(items, done={result.path for result in by_benchmarks})
            judged_results = sorted((*by_benchmarks, *by_rules.results), key=lambda result: result.path)
            self._closed = dataclasses.replace(
                by_rules,
                results=tuple(judged_results),
                runs=tuple(runs),
                resumed=resumed_lines(self._resumed()),
                compared=self._compared(items),
            )
        return self._closed

    def _resumed(self) -> list[Mapping[str, Any]]:
        """What second starts did, in the order in which the items ran."""
        return [item.facts.resumed for item in self._items.values() if item.facts.resumed is not None]

    @staticmethod
    def _compared(items: Sequence[Item]) -> tuple[Comparison, ...]:
        """Each result that was compared, once, by path."""
        found = {str(written["path"]): written for item in items if (written := item.facts.compared) is not None}
        return tuple(Comparison.from_json(found[path]) for path in sorted(found))

    def _by_benchmarks(self, items: Sequence[Item]) -> list[JudgedResult]:
        """Results that an item of ``benchmarks/`` has judged itself."""
        found = {}
        for item in items:
            written = item.facts.judgement
            if written is not None:
                verdict = str(written["verdict"])
                findings = [finding_from(finding) for finding in written["findings"]]
                found[str(written["path"])] = JudgedResult(
                    written, item.facts.verdict or verdict, reasons(verdict, item.facts.reasons, findings), item.facts.pictures
                )
        return list(found.values())

    def _by_rules(self, items: Sequence[Item], done: Collection[str]) -> Verdicts:
        """What the items of ``rules/`` found, each with one rule; a result that a benchmark judged is not judged twice."""
        said: dict[str, dict[str, Said]] = {}
        rules: dict[str, list[RuleRow]] = {}
        subjects: dict[str, Mapping[str, Any]] = {}
        pictures: dict[str, tuple[Picture, ...]] = {}
        for item in items:
            if item.facts.of_rules:
                of_subject = said.setdefault(item.facts.result, {})
                if item.facts.evaluated:
                    of_subject[item.facts.rule] = Said(item.facts.findings, item.facts.lacking)
                if item.facts.rule_name:
                    rules.setdefault(item.facts.result, []).append(RuleRow.of_item(item.facts, item.message))
            if item.facts.subject is not None:
                subjects[item.facts.result] = item.facts.subject
                pictures[item.facts.result] = item.facts.pictures
        if self._tree is None or not said:
            return Verdicts()
        judged = judge_tree(self._tree, self.profile, lambda place: said.get(place.relpath, {}))
        rows = {path: tuple(sorted_rows(of_subject)) for path, of_subject in rules.items()}
        results, submissions = [], []
        for place in self._tree.places:
            if place.is_result and place.relpath in said and place.relpath not in done:
                judgement = judged.results[place.relpath]
                written = verdict_object(place, judgement, **self._of_subject(subjects.get(place.relpath)))
                result = self._judged(written, judgement, {place.relpath: rows.get(place.relpath, ())})
                facts_told = subjects.get(place.relpath, {}).get("facts")
                told = undoubted(ResultFacts.from_json(facts_told), rows.get(place.relpath, ())) if facts_told is not None else None
                results.append(dataclasses.replace(result, pictures=pictures.get(place.relpath, ()), facts=told))
            elif place.kind == "submission":
                judgement = judged.submissions[place.relpath]
                inside = [(p, judged.results[p.relpath]) for p in self._tree.inside(place) if p.is_result]
                written = submission_object(place, judgement, inside, self.profile)
                around = [place.relpath, *(p.relpath for p in self._tree.inside(place) if not p.is_result)]
                submissions.append(self._judged(written, judgement, {path: rows[path] for path in around if path in rows}))
        package = tuple(f"{f.severity.value}: {f.line()}" for f in judged.package if f.severity is not Severity.INFO)
        return Verdicts(tuple(results), tuple(submissions), package, package_rules=rows.get(".", ()))

    @staticmethod
    def _of_subject(handed_over: Mapping[str, Any] | None) -> dict[str, Any]:
        return {key: handed_over[key] for key in ("accelerator", "metrics")} if handed_over is not None else {}

    def _judged(self, written: Mapping[str, Any], judgement: Judgement, rules: Mapping[str, tuple[RuleRow, ...]]) -> JudgedResult:
        # What others' rules found is told once, where they stand.
        why = reasons(judgement.verdict.value, judgement.reasons, judgement.own)
        relaxed = any(finding.rule == PROFILE_RULE for finding in judgement.findings)
        headline = judgement.headline() + (f" (profile {self.profile})" if relaxed else "")
        return JudgedResult(written, headline, why, rules=rules)


def _where_it_is(run: Mapping[str, Any], moved: Mapping[str, str]) -> Mapping[str, Any]:
    return {**run, "leaf": moved[run["leaf"]]} if run.get("leaf") in moved else run


def _completed(judged: JudgedResult, result: Result | None) -> JudgedResult:
    """A result that an item of ``benchmarks/`` judged, with what is read of it in the tree; as it is where it cannot be read there."""
    if result is None:
        return judged
    rows = rows_of_result_judged(result)
    return dataclasses.replace(judged, facts=undoubted(facts_of(result, edition_of(result)), rows), rules={judged.path: rows})


def _text(report: pytest.TestReport) -> str:
    """Why an item failed or was skipped."""
    if report.passed:
        return ""
    text: str | Sequence[Any] = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return str(text).strip()
