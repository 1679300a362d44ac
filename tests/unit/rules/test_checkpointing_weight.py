"""Rules on checkpointing by division, under the profile of their round, and on what was only planned."""

import dataclasses

import pytest
from checkpointing_tree import SPLIT, CheckpointingTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.records import CheckpointingResult, Listing
from pytest_mlpstorage.rules import all_rules, edition_of, rules_for

OWN = [r for r in all_rules() if r.subject is CheckpointingResult and "3.0" in r.editions and r.id != "MLPS-ENGINE-1"]


def rule_of(subject, rule_id):
    return next(rule for rule in rules_for(subject) if rule.id == rule_id)


def ask(tree, rule_id, book=None):
    subject = tree.read()
    return rule_of(subject, rule_id).evaluate(subject, book or edition_of(subject))


def lines(tree, rule_id, book=None):
    return [(f.severity.value, f.line()) for f in ask(tree, rule_id, book).findings]


@pytest.fixture
def combined(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree")


@pytest.fixture
def split(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree", invocations=SPLIT)


# -- what weighs less ---------------------------------------------------------------------------------------------------


def relaxed():
    return edition("3.0").relaxed()


def test_in_the_round_a_long_time_between_runs_warned(split):
    split.move(3600, run=1)
    assert {s for rule_id in ("2.1.24", "4.7.1") for s, _ in lines(split, rule_id)} == {"error"}
    assert {s for rule_id in ("2.1.24", "4.7.1") for s, _ in lines(split, rule_id, relaxed())} == {"warning"}


def test_in_the_round_the_structure_was_never_looked_at(combined):
    combined.args(num_checkpoints_read=0)
    assert [s for s, _ in lines(combined, "4.7.1")] == ["error"]
    assert lines(combined, "4.7.1", relaxed()) == []


@pytest.mark.parametrize("accelerators", [4, 3])
def test_in_the_round_few_accelerators_on_a_host_warned(combined, accelerators):
    combined.summary(num_accelerators=accelerators)
    assert [s for s, _ in lines(combined, "4.6.2")] == ["error"]
    assert [s for s, _ in lines(combined, "4.6.2", relaxed())] == ["warning"]


def test_in_the_round_parameters_and_open_ranks_were_never_looked_at(combined, tmp_path):
    combined.parameter("model.num_layers", 1)
    assert [s for s, _ in lines(combined, "4.6.3")] == ["error"]
    assert lines(combined, "4.6.3", relaxed()) == []
    opened = CheckpointingTree.write(tmp_path / "open", division="open")
    opened.args(num_processes=0)
    assert [s for s, _ in lines(opened, "4.6.4")] == ["error"]
    assert lines(opened, "4.6.4", relaxed()) == []


@pytest.mark.parametrize("accelerator", [None, "tpu", "b200"])
def test_in_the_round_every_accelerator_had_80_gb(combined, accelerator):
    combined.metadata(accelerator=accelerator)
    combined.metric(checkpoint_size_GB=640)
    assert lines(combined, "4.3.4", relaxed()) == []
    combined.metric(checkpoint_size_GB=640.5)
    ((severity, line),) = lines(combined, "4.3.4", relaxed())
    assert severity == "error"
    assert "8 accelerators of 80 GB" in line


def test_in_the_round_only_the_other_models_had_a_subset_form(combined, tmp_path):
    combined.args(checkpoint_subset=True)
    ((severity, line),) = lines(combined, "4.3.5", relaxed())
    assert severity == "error"
    assert "required llama3-70b, llama3-405b, llama3-1t" in line
    other = CheckpointingTree.write(
        tmp_path / "other", model="llama3-70b", overrides={"checkpoint.mode": "subset", "model.parallelism.data": 8}
    )
    assert lines(other, "4.3.5", relaxed()) == []
    assert [s for s, _ in lines(other, "4.3.5")] == ["error"]
    other.summary(num_accelerators=16)
    assert [s for s, _ in lines(other, "4.3.5", relaxed())] == ["error"]


def test_in_the_round_a_missing_proof_of_two_filesystems_warned(combined):
    combined.remove("fs_separation.json")
    assert [s for s, _ in lines(combined, "4.4.2", relaxed())] == ["warning"]


def test_a_negative_time_between_runs_warns_and_reads_during_the_writes_fail(split):
    split.move(-15, run=1)
    assert [s for s, _ in lines(split, "4.7.1")] == ["warning"]
    split.move(-15, run=1)
    assert sorted(s for s, _ in lines(split, "4.7.1")) == ["error", "warning"]


def test_the_division_is_the_directory_whatever_the_metadata_believes(combined):
    combined.metadata(verification="OPEN")
    combined.args(num_processes=64)
    assert [s for s, _ in lines(combined, "4.6.1")] == ["error"]


def test_an_open_result_may_be_of_any_structure_and_not_of_any_gap(tmp_path):
    tree = CheckpointingTree.write(tmp_path / "tree", division="open", invocations=((10, 0), (0, 10), (10, 0), (0, 10)))
    assert lines(tree, "4.7.1") == []
    tree.move(60, run=3)
    assert [s for s, _ in lines(tree, "4.7.1")] == ["error"]
    assert {"4.6.1", "4.6.2", "4.6.3", "4.3.5"}.isdisjoint(rule.id for rule in rules_for(tree.read()))


def test_a_whatif_result_is_asked_every_rule(tmp_path):
    tree = CheckpointingTree.write(tmp_path / "tree", division="whatif")
    assert {rule.id for rule in OWN} <= {rule.id for rule in rules_for(tree.read())}
    tree.args(num_checkpoints_read=0)
    assert [s for s, _ in lines(tree, "4.7.1")] == ["error"]


def test_the_size_of_a_subset_checkpoint_follows_from_the_copies_that_it_was_given(tmp_path):
    tree = CheckpointingTree.write(
        tmp_path / "tree", model="llama3-70b", overrides={"checkpoint.mode": "subset", "model.parallelism.data": 8}
    )
    assert lines(tree, "MLPS-METRIC-2") == []
    tree.override("model.parallelism.data", 4)
    assert [severity for severity, _ in lines(tree, "MLPS-METRIC-2")] == ["error"]


# -- what was only planned ------------------------------------------------------------------------------------------------


def planned(tree, **changes):
    """The result as a plan has it: predicted records, no files, no time."""
    result = tree.read()
    metadata = dataclasses.replace(result.runs[0].metadata, invocation_start_time=None, invocation_end_time=None, **changes)
    summary = dataclasses.replace(result.runs[0].summary, start=None, end=None)
    leaf = dataclasses.replace(result.runs[0], metadata=metadata, summary=summary, files=frozenset(), planned=True)
    return dataclasses.replace(result, runs=(leaf,), entries=Listing(), run_listing=Listing(), planned=True)


def test_a_valid_plan_passes_every_rule_that_can_judge_one(combined):
    result = planned(combined)
    rules = [rule for rule in rules_for(result) if rule.preflight and rule in OWN]
    assert len(rules) == 13
    assert [f.line() for rule in rules for f in rule.evaluate(result, edition_of(result)).findings] == []
    assert [lack for rule in rules for lack in rule.evaluate(result, edition_of(result)).lacking] == []


@pytest.mark.parametrize(
    ("rule_id", "change"),
    [
        ("4.6.1", {"args": {"model": "llama3-8b", "num_processes": 4}}),
        ("4.3.2", {"parameters": {"checkpoint": {"fsync": False}}}),
        ("4.4.1", {"args": {}}),
        ("SUB-CKP-1", {"parameters": {"checkpoint": {"num_checkpoints_write": 1, "num_checkpoints_read": 1}}}),
    ],
)
def test_a_plan_that_breaks_a_rule_is_refused_before_it_starts(combined, rule_id, change):
    result = planned(combined, **change)
    assert rule_of(result, rule_id).preflight
    assert rule_of(result, rule_id).evaluate(result, edition_of(result)).findings
