"""What an item of ``rules/`` does: ask one rule about one subject, and say what it found."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_mlpstorage.report.records import record_review, record_rule, record_unjudged
from pytest_mlpstorage.report.subjects import record_subject
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.rules import Rule, edition_of, failing, weighed

if TYPE_CHECKING:
    from pytest_mlpstorage.results.places import SubjectPlace
    from pytest_mlpstorage.results.tree import Tree
    from pytest_mlpstorage.rules import Profile
    from pytest_mlpstorage.rules.catalogue import Entry

__all__ = ["Check", "Judging", "Unjudged", "bind"]


@dataclasses.dataclass
class Judging:
    """What the checks of one process share. ``told``: results whose metrics one of them has handed over."""

    tree: Tree
    profile: Profile
    strict: bool
    told: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(eq=False)
class Check:
    """One rule on one subject; called, it fails for an error, and skips where it lacks its evidence or a person must look.

    ``properties`` are the user properties of its item. A fixture that knows the item would do as well, and each costs as much
    as pytest's own work on an item: a round has nine thousand.
    """

    rule: Rule | Entry
    place: SubjectPlace
    judging: Judging
    properties: list[tuple[str, object]] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Ask, record, and fail or skip."""
        if not isinstance(self.rule, Rule):
            record_review(self.properties, self.place, self.rule)
            pytest.skip(plain(self.rule.review))
        edition = edition_of(self.place, self.judging.profile)
        subject = self.judging.tree.load(self.place)
        if self.place.is_result and self.place.relpath not in self.judging.told:
            self.judging.told.add(self.place.relpath)
            record_subject(self.properties, subject, edition)
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
class Unjudged:
    """A result that no rule is about, or with a ``reason`` something in the tree that is no result; called, it skips and says so."""

    place: SubjectPlace | None
    reason: str = ""
    properties: list[tuple[str, object]] = dataclasses.field(default_factory=list)

    def __call__(self) -> None:
        """Record what it is, and skip."""
        record_unjudged(self.properties, self.place)
        if self.place is None:
            pytest.skip(f"no result: {plain(self.reason)}")
        pytest.skip(f"not verified: this version has no rules for {self.place.benchmark} of edition {plain(self.place.edition)}")


def bind(item: pytest.Item) -> bool:
    """Give the check of an item the list that its findings travel in; False for an item of somebody else, which is left alone."""
    callspec = getattr(item, "callspec", None)
    check = callspec.params.get("check") if callspec is not None else None
    if not isinstance(check, (Check, Unjudged)):
        return False
    check.properties = item.user_properties
    return True
