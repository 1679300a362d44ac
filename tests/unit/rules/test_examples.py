"""Every rule seen green and red, on trees that the package's own writer wrote.

A module of ``examples/`` says how its tree is written (``write(root, **written_as)``, which gives an object whose ``read()`` gives
the subject) and holds ``PASSING`` and ``FAILING`` by rule id; ``WRITTEN_AS`` holds arguments of ``write`` by rule id. ``SUBJECT`` is
the kind of subject.
"""

import dataclasses
import importlib.util
from pathlib import Path

import pytest

from pytest_mlpstorage.rules import all_rules, edition_of, rules_for

MODULES = []
for path in sorted((Path(__file__).parent / "examples").glob("*.py")):
    spec = importlib.util.spec_from_file_location(f"rule_examples_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    MODULES.append(module)


def cases(kind):
    found = []
    for module in MODULES:
        for rule_id, examples in sorted(getattr(module, kind).items()):
            name = module.__name__.removeprefix("rule_examples_")
            found += [pytest.param(module, rule_id, example, id=f"{name}-{rule_id}-{n}") for n, example in enumerate(examples)]
    return found


def evaluate(module, rule_id, tmp_path, bend):
    tree = module.write(tmp_path / "tree", **getattr(module, "WRITTEN_AS", {}).get(rule_id, {}))
    bend(tree)
    subject = tree.read()
    assert isinstance(subject, module.SUBJECT)
    rule = next(rule for rule in rules_for(subject) if rule.id == rule_id)
    return rule.evaluate(subject, edition_of(subject))


@pytest.mark.parametrize(("module", "rule_id", "bend"), cases("PASSING"))
def test_a_valid_tree_passes(module, rule_id, bend, tmp_path):
    evaluation = evaluate(module, rule_id, tmp_path, bend)
    assert [f.line() for f in evaluation.findings if f.severity.value != "info" or rule_id in ("MLPS-ENGINE-1", "MLPS-DESC-1")] == []
    assert evaluation.lacking == ()
    assert all(evaluation.met), f"{rule_id} passes, and does not tell what it measured and what is required: {evaluation.met}"


@pytest.mark.parametrize(("module", "rule_id", "example"), cases("FAILING"))
def test_a_tree_broken_in_one_place_fails(module, rule_id, example, tmp_path):
    bend, words = example
    evaluation = evaluate(module, rule_id, tmp_path, bend)
    assert any(words in finding.line() for finding in evaluation.findings), [f.line() for f in evaluation.findings]
    assert {finding.rule for finding in evaluation.findings} == {rule_id}


@pytest.mark.parametrize("kind", ["PASSING", "FAILING"])
def test_every_rule_has_been_seen_green_and_red(kind):
    registered = {(rule.id, rule.subject) for rule in all_rules()}
    shown = {(rule_id, module.SUBJECT) for module in MODULES for rule_id in getattr(module, kind)}
    unseen = sorted(rule.id for rule in all_rules() if not any(r == rule.id and issubclass(s, rule.subject) for r, s in shown))
    unknown = sorted(r for r, s in shown if not any(r == rid and issubclass(s, subject) for rid, subject in registered))
    assert (unseen, unknown) == ([], [])


@pytest.mark.parametrize(
    "module", [m for m in MODULES if hasattr(m.SUBJECT, "runs")], ids=lambda m: m.__name__.removeprefix("rule_examples_")
)
def test_no_rule_raises_for_a_result_without_a_run(module, tmp_path):
    subject = dataclasses.replace(module.write(tmp_path / "tree").read(), runs=())
    asked = [rule.evaluate(subject, edition_of(subject)).rule.id for rule in rules_for(subject)]
    assert asked == [rule.id for rule in rules_for(subject)]
    assert asked
