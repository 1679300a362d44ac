"""From what the rules said to verdicts: of a result, of a submission, of a whole tree."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from pytest_mlpstorage.results.places import Kind, SubjectPlace
from pytest_mlpstorage.results.tree import Tree
from pytest_mlpstorage.rules.catalogue import Entry, counting
from pytest_mlpstorage.rules.judging import STRICT, Profile, Said, edition_of, judging_edition, record_of, said_of, weighed
from pytest_mlpstorage.rules.registry import REGISTRY, rule_order
from pytest_mlpstorage.verdict import Category, Division, Finding, Judgement, NoEvidence, Severity, Verdict, judge

__all__ = ["PROFILE_RULE", "Speaker", "TreeJudgement", "judge_place", "judge_result", "judge_submission", "judge_tree"]

Speaker: TypeAlias = Callable[[SubjectPlace], Mapping[str, Said]]
"""Gives what the rules said of the subject at a place, by rule id; a rule that was not asked is absent."""

PROFILE_RULE: Final = "MLPS-PROFILE-1"
"""Under what a verdict names the profile that relaxed the rules."""

_WORDS: Final[Mapping[Kind, str]] = {"package": "the package", "submission": "the submission", "system": "the system description"}
_WORST_FIRST: Final = (Verdict.INVALID, Verdict.NOT_VERIFIED, Verdict.OPEN, Verdict.CLOSED)


@dataclasses.dataclass(frozen=True)
class _Part:
    """One subject that a verdict rests on; ``absent`` says why there is none."""

    place: SubjectPlace
    said: Mapping[str, Said] = dataclasses.field(default_factory=dict)
    absent: str = ""

    @property
    def findings(self) -> list[Finding]:
        return [finding for said in self.said.values() for finding in said.findings]


@dataclasses.dataclass(frozen=True)
class TreeJudgement:
    """The verdicts of a tree by path, and what the rules found at its top, which counts for no single result."""

    results: Mapping[str, Judgement]
    submissions: Mapping[str, Judgement]
    package: tuple[Finding, ...] = ()


def judge_place(tree: Tree, place: SubjectPlace, profile: Profile = STRICT) -> Judgement:
    """Read a result and what it stands in, ask all rules, and give the verdict."""
    return judge_result(tree, place, lambda asked: said_of(tree.load(asked), profile), profile)


def judge_tree(tree: Tree, profile: Profile = STRICT, say: Speaker | None = None) -> TreeJudgement:
    """Judge every result and every submission; each subject is read and asked once, or ``say`` tells what was said of it."""
    once = functools.cache(say or (lambda asked: said_of(tree.load(asked), profile)))
    results = {place.relpath: judge_result(tree, place, once, profile) for place in tree.result_places}
    submissions = {
        place.relpath: judge_submission(tree, place, once, [(p, results[p.relpath]) for p in tree.inside(place) if p.is_result], profile)
        for place in tree.places
        if place.kind == "submission"
    }
    packages = [place for place in tree.places if place.kind == "package"]
    package = [f for place in packages for f in _sorted(_Part(place, once(place)).findings, place)]
    return TreeJudgement(results, submissions, tuple(package))


def judge_result(tree: Tree, place: SubjectPlace, say: Speaker, profile: Profile = STRICT) -> Judgement:
    """Reduce what the rules said of a result, of its system's description and of its submission to its verdict.

    An error in the submission makes it INVALID, and with it its results. NOT VERIFIED counts the executable error rules of the
    edition on all three: one that was not asked (deselected, or not built yet) or that lacked evidence was not verified.
    """
    own, *around = _parts_of_result(tree, place, say)
    verified, total, unverified = _verified([own, *around], place)
    if not counting(judging_edition(place.edition), place.kind, place.division):
        # A family or edition whose book is not written down here must not pass for want of rules.
        total += 1
        unverified = [*unverified, f"the rules on {place.benchmark} results of edition {place.edition} are not built yet"]
    findings = [*own.findings, *(f for part in around for f in part.findings), *_profile_note(place, profile)]
    judged = judge(place.division, _sorted(findings, place), rules_verified=verified, rules_total=total, unverified=unverified)
    mine = judge(place.division, _sorted(own.findings, place), rules_verified=verified, rules_total=total)
    reasons = judged.reasons
    if judged.verdict is Verdict.INVALID:
        reasons = (*(f.line() for f in mine.findings if f.costs_the_verdict), *_broken(around))
    return dataclasses.replace(judged, reasons=reasons, own=mine.findings)


def judge_submission(
    tree: Tree, place: SubjectPlace, say: Speaker, results: Sequence[tuple[SubjectPlace, Judgement]], profile: Profile = STRICT
) -> Judgement:
    """Reduce what was said of a submission and of its systems, and the verdicts of its results, to its verdict: the worst of them.

    Where the tree holds one submission only, it is the package, and the rules on the package count for it. A submission
    without results is NOT VERIFIED: nothing in it was measured.
    """
    places = [place, *(p for p in tree.inside(place) if p.kind == "system")]
    packages = [p for p in tree.places if p.kind == "package"]
    if sum(p.kind == "submission" for p in tree.places) == 1:
        places = [*packages, *places]
    parts = [_Part(p, say(p)) for p in places]
    verified, total, unverified = _verified(parts, place)
    findings = [*(f for part in parts for f in part.findings), *_profile_note(place, profile)]
    own = judge(place.division, _sorted(findings, place), rules_verified=verified, rules_total=total, unverified=unverified)
    if own.verdict is Verdict.WHATIF:
        return own
    if not results:
        nothing = (*unverified, "it holds no result")
        return own if own.verdict is Verdict.INVALID else dataclasses.replace(own, verdict=Verdict.NOT_VERIFIED, reasons=nothing)
    verdicts = [own.verdict, *(judgement.verdict for _, judgement in results)]
    worst = next(verdict for verdict in _WORST_FIRST if verdict in verdicts)
    expected = Verdict.OPEN if place.division is Division.OPEN else Verdict.CLOSED
    below = [f"{result.relpath}: {j.headline()}" for result, j in results if j.verdict is worst and worst is not expected]
    return dataclasses.replace(own, verdict=worst, reasons=(*(own.reasons if own.verdict is worst else ()), *below))


def _parts_of_result(tree: Tree, place: SubjectPlace, say: Speaker) -> Iterator[_Part]:
    yield _Part(place, say(place))
    submission = tree.submission_place(place)
    if submission is None:  # output of a tool that was never made a submission
        return
    system = tree.description_place(place)
    if system is not None:
        yield _Part(system, say(system))
    else:
        wanted = dataclasses.replace(place, kind="system", relpath=f"{submission.relpath}/systems/{place.system}.yaml", model="")
        yield _Part(wanted, absent=f"there is no description of the system {place.system}")
    yield _Part(submission, say(submission))


def _verified(parts: Iterable[_Part], place: SubjectPlace) -> tuple[int, int, list[str]]:
    """How many rules had their evidence, how many there are, and why the others had none."""
    verified = total = 0
    lines: list[str] = []
    for part in parts:
        needed = counting(judging_edition(part.place.edition), part.place.kind, place.division)
        total += len(needed)
        if part.absent and needed:
            lines.append(f"{part.absent}, so {len(needed)} rules had nothing to read")
            continue
        without = [reason for entry in needed if (reason := _why_not(entry, part)) is not None]
        verified += len(needed) - len(without)
        lines += without
    return verified, total, lines


def _why_not(entry: Entry, part: _Part) -> str | None:
    said = part.said.get(entry.id)
    if said is None:
        built = entry.id in _built(part.place.kind)
        return f"{entry.id} {entry.name}: {'not evaluated in this session' if built else 'not built yet'}"
    missing = said.missing
    return f"{entry.id} {entry.name}: no evidence: {_lack(missing)}" if missing else None


def _lack(missing: Sequence[NoEvidence]) -> str:
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"{missing[0].reason}{f' in {missing[0].file}' if missing[0].file else ''}{more}"


@functools.cache
def _built(kind: Kind) -> frozenset[str]:
    return frozenset(rule.id for rule in REGISTRY.all_rules() if issubclass(record_of(kind), rule.subject))


def _broken(parts: Iterable[_Part]) -> Iterator[str]:
    """One line for each subject around a result that makes it INVALID."""
    for part in parts:
        rules = sorted({f.rule for f in part.findings if f.costs_the_verdict}, key=rule_order)
        if rules:
            yield f"{_WORDS[part.place.kind]} {part.place.relpath} is INVALID by {', '.join(rules)}"


def _profile_note(place: SubjectPlace, profile: Profile) -> Iterator[Finding]:
    """Say in the verdict itself that it is not one by the rules as they stand."""
    if edition_of(place, profile).profile is not None:
        yield Finding(
            f"judged under the relaxations of the profile {profile}, not by the rules as they stand",
            severity=Severity.INFO,
            category=Category.CLOSED,
            rule=PROFILE_RULE,
        )


def _sorted(findings: Iterable[Finding], place: SubjectPlace) -> list[Finding]:
    """Order findings the same whatever worker said them first: heaviest first, then by rule, file and field."""
    weight = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
    # As they weigh in the division: items of rules/ hand them over so, and benchmarks as the rules said them.
    as_weighed = weighed(findings, place.division)
    return sorted(as_weighed, key=lambda f: (weight[f.severity], rule_order(f.rule), f.file, f.field, f.message, str(f.measured)))
