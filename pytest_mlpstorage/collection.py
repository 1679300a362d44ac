"""How items are made: case × phase in ``benchmarks/``, rule × subject in ``rules/``."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_mlpstorage.options import suite_dirs
from pytest_mlpstorage.session import BUILT_IN
from pytest_mlpstorage.stash import SESSION, TREE, TREE_ROOT

if TYPE_CHECKING:
    from pytest_mlpstorage.results.tree import Tree

__all__ = ["has_no_case", "order", "parametrize"]


def _inside(path: Path, suite: str) -> bool:
    return any(folder in path.parents for folder in suite_dirs(suite))


def has_no_case(collector: pytest.Module | pytest.Class, obj: object) -> bool:
    """Whether ``obj`` is a class or function of our suites for which this configuration or tree has no case."""
    if inspect.isfunction(obj) and obj.__name__ == "test_unjudged" and _inside(collector.path, "rules"):
        from pytest_mlpstorage.rules import rules_for

        tree = _tree(collector.config)
        return tree is None or (all(rules_for(subject) for subject in tree.results) and not _passed_over(tree))
    if not inspect.isclass(obj) or not hasattr(obj, "family") or not _inside(collector.path, "benchmarks"):
        return False
    session = collector.config.stash.get(SESSION, None)
    return session is None or not session.cases(obj.family)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give an item of either suite its parameters; leaves every other test alone."""
    if "mlps" in metafunc.fixturenames and "case" in metafunc.fixturenames:
        _cases(metafunc)
    elif "unjudged" in metafunc.fixturenames and _inside(Path(str(metafunc.module.__file__)), "rules"):
        _unjudged(metafunc)
    elif {"rule", "subject"} <= set(metafunc.fixturenames) and _inside(Path(str(metafunc.module.__file__)), "rules"):
        _rules(metafunc)


def order(items: list[pytest.Item]) -> None:
    """Put the phases of one case together, in place: pytest collects phase by phase, storage is measured case by case.

    Only items of one class move, and only among the places of that class.
    """
    places: dict[object, list[int]] = {}
    for index, item in enumerate(items):
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


def _case_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec is not None and "mlps" in getattr(item, "fixturenames", ()) else None
    return f"{case.family}:{case.id}" if case is not None else None


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
    """The tree that is judged, read once a process."""
    from pytest_mlpstorage.results.tree import read_tree

    root = config.stash.get(TREE_ROOT, None)
    if root is None:
        return None
    if TREE not in config.stash:
        config.stash[TREE] = read_tree(root)
    return config.stash[TREE]


def _passed_over(tree: Tree) -> list[tuple[str, str]]:
    """What the reader left out and a submission has no place for; dot entries and code images are no results."""
    return [(path, reason) for path, reason in tree.ignored if not reason.startswith(("a dot entry", "a pool of code images"))]


def _unjudged(metafunc: pytest.Metafunc) -> None:
    from pytest_mlpstorage.rules import rules_for

    tree = _tree(metafunc.config)
    params = [pytest.param(subject, id=subject.relpath) for subject in (tree.results if tree is not None else ()) if not rules_for(subject)]
    params += [pytest.param(reason, id=path) for path, reason in (_passed_over(tree) if tree is not None else ())]
    metafunc.parametrize("unjudged", params)


def _rules(metafunc: pytest.Metafunc) -> None:
    from pytest_mlpstorage.rules import rules_for

    tree = _tree(metafunc.config)
    pairs = []
    for subject in tree.results if tree is not None else ():
        if subject.benchmark != metafunc.module.BENCHMARK:
            continue
        for rule in rules_for(subject):
            mark = pytest.mark.rule(id=rule.id, name=rule.name, severity=rule.severity.value)
            pairs.append(pytest.param(rule, subject, id=f"{rule.id}-{rule.name}-{subject.relpath}", marks=[mark]))
    metafunc.parametrize(("rule", "subject"), pairs)
