"""What an item of ``rules/`` does: ask one rule about one subject, and say what it found."""

from __future__ import annotations

import dataclasses
import gc
import sys
from typing import TYPE_CHECKING, Final, cast

import pytest

from pytest_mlpstorage.report.compare_limits import limit_findings
from pytest_mlpstorage.report.compare_told import record_comparison
from pytest_mlpstorage.report.records import DIVISION, RESULT, add_first_finding, record_review, record_rule, record_unjudged
from pytest_mlpstorage.report.subjects import record_subject
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.results.files import NO_TEXT
from pytest_mlpstorage.rules import edition_of, failing, weighed

if TYPE_CHECKING:
    from pytest_mlpstorage.report.compare_with import Comparer
    from pytest_mlpstorage.results.places import SubjectPlace
    from pytest_mlpstorage.results.records import Result
    from pytest_mlpstorage.results.tree import Tree
    from pytest_mlpstorage.rules import Profile, Rule
    from pytest_mlpstorage.rules.catalogue import Entry

__all__ = ["Check", "Compared", "Judging", "Review", "Unjudged", "bind", "spare_collector"]

_USUAL_THRESHOLDS: Final = gc.get_threshold()
_HIGH_THRESHOLDS: Final = (50_000, 20, 20)


@dataclasses.dataclass
class Judging:
    """What the checks of one process share. ``page``: one is written, and shows pictures. ``told``: results that were handed over."""

    tree: Tree
    profile: Profile
    strict: bool
    page: bool = False
    told: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(eq=False)
class Check:
    """One rule on one subject; called, it fails for an error, and skips where it lacks its evidence.

    ``properties`` are the user properties of its item. A fixture that knows the item would do as well, and each costs as much
    as pytest's own work on an item: a round has nine thousand.
    """

    rule: Rule
    place: SubjectPlace
    judging: Judging
    properties: list[tuple[str, object]] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Ask, record, and fail or skip."""
        edition = edition_of(self.place, self.judging.profile)
        subject = self.judging.tree.load(self.place)
        if self.place.is_result and self.place.relpath not in self.judging.told:
            self.judging.told.add(self.place.relpath)
            record_subject(self.properties, subject, edition, page=self.judging.page)
        evaluation = self.rule.evaluate(subject, edition)
        findings = weighed(evaluation.findings, self.place.division)
        record_rule(self.properties, self.place, evaluation, findings)
        bad = failing(findings, strict=self.judging.strict)
        for finding in findings:
            if finding not in bad:  # those are told by the failure
                sys.stdout.write(f"{finding.severity.value}: {plain(finding.line())}\n")
        if bad:
            pytest.fail("\n".join(plain(finding.line()) for finding in bad), pytrace=False)
        if evaluation.lacking:
            reasons = dict.fromkeys(f"{lacking.reason} in {lacking.file}" for lacking in evaluation.lacking)
            pytest.skip("not verified, no evidence: " + plain("; ".join(reasons)))


@dataclasses.dataclass(eq=False)
class Review:
    """One rule that only a person can decide, on one subject; its item is marked as skipped, with what to look at."""

    rule: Entry
    place: SubjectPlace

    def __call__(self) -> None:
        """Skip, where somebody has taken the mark away."""
        pytest.skip(self.rule.review)


@dataclasses.dataclass(eq=False)
class Unjudged:
    """A result that no rule is about, or with a ``reason`` something in the tree that is no result; called, it skips and says so.

    What a name that is no text keeps from being judged fails: with a skip a submission would pass that nobody has looked at.
    """

    place: SubjectPlace | None
    reason: str = ""
    properties: list[tuple[str, object]] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Record what it is, and skip or fail."""
        record_unjudged(self.properties, self.place)
        if self.place is None:
            if NO_TEXT in self.reason:
                pytest.fail(f"not judged: it {plain(self.reason)}", pytrace=False)
            pytest.skip(f"no result: {plain(self.reason)}")
        pytest.skip(f"not verified: this version has no rules for {self.place.benchmark} of edition {plain(self.place.edition)}")


@dataclasses.dataclass(eq=False)
class Compared:
    """One result beside an earlier one; called, it fails for a limit that the difference breaks, and skips where there is none earlier."""

    place: SubjectPlace
    judging: Judging
    comparer: Comparer
    properties: list[tuple[str, object]] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Compare, record, and fail or skip."""
        comparison = self.comparer.of(cast("Result", self.judging.tree.load(self.place)))
        self.properties += [(RESULT, self.place.relpath), (DIVISION, self.place.division.value)]
        record_comparison(self.properties, comparison)
        broken = list(limit_findings(comparison))
        if broken:
            add_first_finding(self.properties, broken[0])
            pytest.fail("\n".join(plain(finding.line()) for finding in broken), pytrace=False)
        if comparison.missing:
            pytest.skip(f"not compared: {plain(comparison.missing)}")


def bind(item: pytest.Item) -> bool:
    """Give the check of an item the list that its findings travel in; False for an item of somebody else, which is left alone."""
    callspec = getattr(item, "callspec", None)
    check = callspec.params.get("check") if callspec is not None else None
    if isinstance(check, (Check, Compared, Unjudged)):
        check.properties = item.user_properties
        return True
    if isinstance(check, Review):
        record_review(item.user_properties, check.place, check.rule)
        return True
    return False


def spare_collector(*, done: bool = False) -> None:
    """Keep Python's garbage collector from going over thousands of items again and again, until ``done``.

    It did so for a tenth of the time of judging a round. What items leave behind is small, and references free it.
    """
    if done:
        gc.set_threshold(*_USUAL_THRESHOLDS)
        gc.unfreeze()
    else:
        gc.freeze()
        gc.set_threshold(*_HIGH_THRESHOLDS)
