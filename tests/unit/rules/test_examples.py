"""Every rule seen green and red, on trees that the package's own writer wrote."""

import importlib.util
from pathlib import Path

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.rules import all_rules, edition_of, rules_for

PASSING, FAILING, WRITTEN_AS = {}, {}, {}
for path in sorted((Path(__file__).parent / "examples").glob("*.py")):
    spec = importlib.util.spec_from_file_location(f"rule_examples_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    PASSING.update(module.PASSING)
    FAILING.update(module.FAILING)
    WRITTEN_AS.update(module.WRITTEN_AS)


def evaluate(rule_id, tmp_path, bend):
    tree = TrainingTree.write(tmp_path / "tree", **WRITTEN_AS.get(rule_id, {}))
    bend(tree)
    result = tree.read()
    rule = next(rule for rule in rules_for(result) if rule.id == rule_id)
    return rule.evaluate(result, edition_of(result))


@pytest.mark.parametrize(("rule_id", "number"), [(r, n) for r in sorted(PASSING) for n in range(len(PASSING[r]))])
def test_a_valid_tree_passes(rule_id, number, tmp_path):
    evaluation = evaluate(rule_id, tmp_path, PASSING[rule_id][number])
    assert [f.line() for f in evaluation.findings if f.severity.value != "info" or rule_id == "MLPS-ENGINE-1"] == []
    assert evaluation.lacking == ()


@pytest.mark.parametrize(("rule_id", "number"), [(r, n) for r in sorted(FAILING) for n in range(len(FAILING[r]))])
def test_a_tree_broken_in_one_place_fails(rule_id, number, tmp_path):
    bend, words = FAILING[rule_id][number]
    evaluation = evaluate(rule_id, tmp_path, bend)
    assert any(words in finding.line() for finding in evaluation.findings), [f.line() for f in evaluation.findings]
    assert {finding.rule for finding in evaluation.findings} == {rule_id}


def test_every_rule_has_been_seen_green_and_red():
    registered = {rule.id for rule in all_rules()}
    assert registered - set(PASSING) == set()
    assert registered - set(FAILING) == set()
    assert (set(PASSING) | set(FAILING)) - registered == set()
