"""How items are made: case × phase in ``benchmarks/``, rule × subject in ``rules/``."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from pytest_mlpstorage.comparing import comparer_of
from pytest_mlpstorage.labels import label
from pytest_mlpstorage.options import suite_dirs
from pytest_mlpstorage.session import BUILT_IN
from pytest_mlpstorage.stash import PROFILE, SESSION, TREE, TREE_ROOT
from pytest_mlpstorage.workloads.base import Case

if TYPE_CHECKING:
    from pytest_mlpstorage.results.places import Kind, SubjectPlace
    from pytest_mlpstorage.results.tree import Tree
    from pytest_mlpstorage.rules import Rule
    from pytest_mlpstorage.rules.catalogue import Entry
    from pytest_mlpstorage.verdict import Division

__all__ = ["has_no_case", "order", "parametrize", "selected_cases"]


@functools.cache
def _inside(path: Path, suite: str) -> bool:
    """Whether a module is one of a suite of ours, by whatever links it is reached: their folders are named without any."""
    real = Path(os.path.realpath(path))
    return any(folder in real.parents for folder in suite_dirs(suite))


def has_no_case(collector: pytest.Module | pytest.Class, obj: object) -> bool:
    """Whether ``obj`` is a class or function of our suites for which this configuration or tree has no case."""
    if inspect.isfunction(obj) and obj.__name__ in ("test_rule", "test_unjudged") and _inside(collector.path, "rules"):
        tree = _tree(collector.config)
        if obj.__name__ == "test_unjudged":
            return tree is None or next(_unjudged(tree), None) is None
        kind = getattr(collector.obj, "KIND", None)
        return tree is None or not any(place.kind == kind and _asked(place) for place in tree.places)
    if not inspect.isclass(obj) or not (hasattr(obj, "family") or _of_hosts(obj)) or not _inside(collector.path, "benchmarks"):
        return False
    session = collector.config.stash.get(SESSION, None)
    return session is None or not (_of_hosts(obj) or session.cases(getattr(obj, "family", None)))


def _of_hosts(cls: object) -> bool:
    """Whether a class has items of hosts and not of cases."""
    return bool(getattr(cls, "of_hosts", False))


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give an item of either suite its parameters; leaves every other test alone."""
    if "mlps" in metafunc.fixturenames and "case" in metafunc.fixturenames:
        _cases(metafunc)
    elif "mlps" in metafunc.fixturenames and _of_hosts(metafunc.cls):
        session = metafunc.config.stash.get(SESSION, None)
        metafunc.parametrize("host", session.hosts.names if session is not None else ())
    elif "check" in metafunc.fixturenames and _inside(Path(str(metafunc.module.__file__)), "rules"):
        _checks(metafunc)


def order(items: list[pytest.Item]) -> None:
    """Put the phases of one case together, in place: pytest collects phase by phase, storage is measured case by case.

    Only items of one class move, and only among the places of that class; those of hosts come before all cases. Items of ``rules/``
    stay; their checks learn which item each is.
    """
    places: dict[object, list[int]] = {}
    for index, item in enumerate(items):
        if _is_check(item):
            from pytest_mlpstorage.checks import bind  # only here: it opens the rule book, which benchmarks/ does not need

            bind(item)
            continue
        if isinstance(item, pytest.Function) and item.cls is not None and _case_of(item) is not None:
            places.setdefault((item.path, item.cls), []).append(index)
    for indices in places.values():
        group = [items[i] for i in indices]
        first: dict[str, int] = {}
        for position, item in enumerate(group):
            first.setdefault(str(_case_of(item)), position)
        group.sort(key=lambda item: first[str(_case_of(item))])
        for index, item in zip(indices, group, strict=True):
            items[index] = item
    _hosts_first(items)


def _hosts_first(items: list[pytest.Item]) -> None:
    """Hosts are looked at before anything runs on them."""
    hosts = [item for item in items if _of_hosts(getattr(item, "cls", None)) and "mlps" in getattr(item, "fixturenames", ())]
    first = next((index for index, item in enumerate(items) if item in hosts or _case_of(item) is not None), 0)
    if hosts:
        items[first:] = [*hosts, *(item for item in items[first:] if item not in hosts)]


def selected_cases(items: Iterable[pytest.Item]) -> Iterator[Case]:
    """The cases whose items were selected."""
    for item in items:
        if _case_of(item) is not None:
            yield cast(Case, cast(pytest.Function, item).callspec.params["case"])


def _is_check(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "check" in callspec.params


def _case_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec is not None and "mlps" in getattr(item, "fixturenames", ()) else None
    # Not set where a suite that is not the installed package's has a class without a case: pytest skips such an item.
    return f"{case.family}:{case.id}" if isinstance(case, Case) else None


def _cases(metafunc: pytest.Metafunc) -> None:
    session = metafunc.config.stash.get(SESSION, None)
    family = getattr(metafunc.cls, "family", None)
    cases = session.cases(family) if session is not None else ()
    prefix = "" if family in BUILT_IN else "{0.family}-"
    names = [(prefix + "{0.id}").format(case) for case in cases]
    steps = {"run": ("run",), "step": ()}
    for argument, phases in steps.items():
        if argument in metafunc.fixturenames:
            pairs = [(case, step.name) for case in cases for step in case.steps if not phases or step.phase in phases]
            ids = [
                f"{name}-{step.name}"
                for case, name in zip(cases, names, strict=True)
                for step in case.steps
                if not phases or step.phase in phases
            ]
            metafunc.parametrize(("case", argument), pairs, ids=ids)
            return
    metafunc.parametrize("case", list(cases), ids=names)


def _tree(config: pytest.Config) -> Tree | None:
    """The places of the tree that is judged, found once a process; no file of a result is read for them."""
    from pytest_mlpstorage.results.tree import read_tree

    root = config.stash.get(TREE_ROOT, None)
    if root is None:
        return None
    if TREE not in config.stash:
        config.stash[TREE] = read_tree(root, edition=config.getoption("mlps_edition"))
    return config.stash[TREE]


def _unjudged(tree: Tree) -> Iterator[tuple[str, SubjectPlace | str]]:
    """Results that no rule is about, and what the reader left out and a submission has no place for, with the reason.

    Dot entries and code images are no results.
    """
    for place in tree.result_places:
        if not _asked(place):
            yield place.relpath, place
    reasons: dict[str, str] = {}
    for path, reason in tree.ignored:
        if not reason.startswith(("a dot entry", "a pool of code images")):
            reasons[path] = reason
    for problem in tree.problems:
        reasons[problem.file] = "; ".join(filter(None, (reasons.get(problem.file), problem.message)))
    yield from reasons.items()


def _asked(place: SubjectPlace) -> tuple[Rule | Entry, ...]:
    """The rules on a subject, by id, and among them those that only a person can decide."""
    from pytest_mlpstorage.rules import rules_for

    executable = rules_for(place)
    return _with_people(executable, place.kind, place.edition, place.division) if executable or not place.is_result else ()


@functools.cache
def _with_people(executable: tuple[Rule, ...], kind: Kind, edition: str, division: Division) -> tuple[Rule | Entry, ...]:
    from pytest_mlpstorage.rules.catalogue import for_people
    from pytest_mlpstorage.rules.judging import judging_edition
    from pytest_mlpstorage.rules.registry import rule_order

    everything: list[Rule | Entry] = [*executable, *for_people(judging_edition(edition), kind, division)]
    return tuple(sorted(everything, key=lambda rule: rule_order(rule.id)))


@functools.cache
def _marks(rule: Rule | Entry) -> tuple[pytest.MarkDecorator, ...]:
    from pytest_mlpstorage.rules import Rule

    kind = "executable" if isinstance(rule, Rule) else rule.kind
    mark = pytest.mark.rule(id=rule.id, name=rule.name, severity=rule.severity.value, kind=kind)
    return (mark,) if isinstance(rule, Rule) else (mark, pytest.mark.skip(reason=rule.review))


def _checks(metafunc: pytest.Metafunc) -> None:
    """Each rule on each subject of the module's kind, the rules of one subject together; or what no rule is about."""
    from pytest_mlpstorage.checks import Check, Compared, Judging, Review, Unjudged
    from pytest_mlpstorage.rules import Rule

    tree, kind = _tree(metafunc.config), getattr(metafunc.module, "KIND", None)
    checks, comparer = [], comparer_of(metafunc.config)
    if tree is not None and kind is None:
        for path, what in _unjudged(tree):
            unjudged = Unjudged(None, what) if isinstance(what, str) else Unjudged(what)
            checks.append(pytest.param(unjudged, id=label(path)))
    elif tree is not None:
        page = bool(metafunc.config.getoption("htmlpath", None))
        judging = Judging(tree, metafunc.config.stash[PROFILE], metafunc.config.getoption("mlps_strict"), page)
        for place in tree.places:
            if place.kind == kind:
                # The root is called by what it is: its directory has another name wherever somebody unpacks it.
                where = place.kind if place.relpath == "." else label(place.relpath)
                for rule in _asked(place):
                    check = Check(rule, place, judging) if isinstance(rule, Rule) else Review(rule, place)
                    checks.append(pytest.param(check, id=f"{rule.id}-{rule.name}-{where}", marks=_marks(rule)))
                if comparer is not None and place.is_result:
                    checks.append(pytest.param(Compared(place, judging, comparer), id=f"compare-{where}"))
    metafunc.parametrize("check", checks)
