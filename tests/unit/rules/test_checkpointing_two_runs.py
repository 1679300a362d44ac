"""Rules on checkpointing over two runs of which one is broken: the other, whatever it is, does not hide it."""

import pytest
from checkpointing_tree import SPLIT, CheckpointingTree

from pytest_mlpstorage.rules import edition_of, rules_for


def leaf_of(tree, run=0):
    return f"{tree.relpath}/{tree.runs[run].name}"


def ask(tree, rule_id):
    subject = tree.read()
    return next(rule for rule in rules_for(subject) if rule.id == rule_id).evaluate(subject, edition_of(subject))


@pytest.fixture
def combined(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree")


@pytest.fixture
def split(tmp_path):
    return CheckpointingTree.write(tmp_path / "tree", invocations=SPLIT)


BROKEN = {
    "4.3.1": lambda t: t.metric(run=1, checkpoint_size_GB=1),
    "4.3.2": lambda t: t.parameter("checkpoint.fsync", False, run=1),
    "4.3.3": lambda t: t.args(run=1, model="gpt"),
    "4.3.4": lambda t: t.metadata(run=1, accelerator=None),
    "4.3.5": lambda t: (t.args(run=1, checkpoint_subset=True), t.summary(run=1, num_accelerators=9)),
    "4.3.6": lambda t: t.metric(run=1, load_checkpoint_io_mean_GB_per_second=None),
    "4.4.1": lambda t: t.args(run=1, results_dir=None),
    "4.4.2": lambda t: t.remove("fs_separation.json", run=1),
    "4.6.1": lambda t: t.args(run=1, num_processes=4),
    "4.6.2": lambda t: t.summary(run=1, num_hosts=2),
    "4.6.3": lambda t: t.parameter("model.num_layers", 1, run=1),
    "RC-CKP-1": lambda t: t.metadata(run=1, benchmark_type="training"),
    "RC-CKP-4": lambda t: t.args(run=1, num_processes=0),
    "GATE-CKP-10": lambda t: t.metric(run=1, empty=[]),
    "MLPS-METRIC-2": lambda t: t.metric(run=1, checkpoint_size_GB=1),
}


@pytest.mark.parametrize("rule_id", sorted(BROKEN))
def test_a_run_that_cannot_be_read_does_not_hide_what_another_did(split, rule_id):
    split.remove("summary.json")
    split.remove_metadata()
    BROKEN[rule_id](split)
    evaluation = ask(split, rule_id)
    assert [finding.file.startswith(leaf_of(split, 1)) for finding in evaluation.findings] == [True] * len(evaluation.findings)
    assert evaluation.findings
    assert [lack.file for lack in evaluation.lacking if lack.file == leaf_of(split)]


@pytest.mark.parametrize("rule_id", sorted(BROKEN))
def test_nor_does_one_that_is_as_it_should_be(split, rule_id):
    assert ask(split, rule_id).findings == ()
    BROKEN[rule_id](split)
    assert {finding.file.startswith(leaf_of(split, 1)) for finding in ask(split, rule_id).findings} == {True}


def test_nor_does_one_without_parameters(split):
    split.metadata(run=0, parameters={})
    BROKEN["4.6.3"](split)
    assert len(ask(split, "4.6.3").findings) == 1


@pytest.mark.parametrize("rule_id", ["4.3.5", "4.6.1", "4.6.3", "RC-CKP-4"])
def test_a_run_of_an_unknown_model_does_not_hide_what_another_did(split, rule_id):
    split.args(run=0, model="gpt")
    BROKEN[rule_id](split)
    assert ask(split, rule_id).findings


@pytest.mark.parametrize(
    ("rule_id", "change"),
    [
        ("4.6.4", lambda t: t.args(run=1, num_processes=3)),
        ("RC-CKP-5", lambda t: t.args(run=1, checkpoint_subset=True)),
    ],
    ids=["4.6.4", "RC-CKP-5"],
)
def test_nor_does_it_in_the_open_division(tmp_path, rule_id, change):
    tree = CheckpointingTree.write(tmp_path / "tree", division="open", model="llama3-70b", processes=16, invocations=SPLIT)
    tree.args(run=0, model="gpt")
    change(tree)
    assert [finding.file.startswith(leaf_of(tree, 1)) for finding in ask(tree, rule_id).findings] == [True]


def test_a_run_without_an_accelerator_does_not_hide_what_another_was_asked(split):
    split.metadata(run=0, accelerator=None)
    split.args(run=1, num_processes=0)
    assert [finding.file.startswith(leaf_of(split, 1)) for finding in ask(split, "RC-CKP-4").findings] == [True]


def test_every_run_that_cannot_be_read_is_named(split):
    split.remove_metadata(run=0)
    split.remove_metadata(run=1)
    assert [lack.file for lack in ask(split, "SUB-CKP-1").lacking] == [leaf_of(split, 0), leaf_of(split, 1)]


def test_of_many_lists_of_another_length_some_are_named(combined):
    combined.metric(**{f"list{number}": [1] for number in range(25)})
    assert len(ask(combined, "GATE-CKP-10").findings) == 20
