"""What a card says of what ran: runs and checkpoints that finished, those that did not, and how far they lie apart."""

import sys
from pathlib import Path

import pytest
from checkpointing_tree import CheckpointingTree
from round_v1_tree import RoundV1Tree
from round_v2_tree import RoundTree
from training_tree import TrainingTree

from pytest_mlpstorage.report.subjects import facts_of
from pytest_mlpstorage.rules.judging import edition_of

sys.path += [str(Path(__file__).parents[1] / "kvcache"), str(Path(__file__).parents[1] / "rules")]

AU = "train_mean_of_au_percentage"


def told(tree, profile="strict"):
    result = tree.read()
    return facts_of(result, edition_of(result, profile))


def ran(tree):
    return dict(told(tree).ran)


def test_only_checkpoints_of_runs_that_finished_count_and_the_others_are_named(tmp_path):
    tree = RoundTree.checkpointing(tmp_path, counts=((1, 1),) * 5)
    assert (ran(tree)["checkpoints"], ran(tree)["runs"]) == ("5 written, 5 read", "5")
    for run in (0, 1):
        tree.crash(run)
    assert (ran(tree)["checkpoints"], ran(tree)["runs"]) == ("3 written, 3 read", "3 finished, 2 unfinished")
    tree.metadata(lambda m: m["args"].update(command="datasize"), run=0)
    assert ran(tree)["runs"] == "3 finished, 1 unfinished", "what the tool left for another command is no run"
    for run in (1, 2, 3, 4):
        (tree.runs[run] / "summary.json").unlink(missing_ok=True)
    assert "checkpoints" not in ran(tree)
    assert ran(tree)["runs"] == "0 finished, 4 unfinished"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3"])
def test_a_summary_that_says_nothing_is_named_so(tmp_path, content):
    tree = CheckpointingTree.write(tmp_path, invocations=((10, 0), (0, 10)))
    (tree.runs[1] / "summary.json").write_text(content)
    assert (ran(tree)["checkpoints"], ran(tree)["runs"]) == ("10 written", "1 finished, 1 without a readable summary")


def test_checkpoints_are_those_that_the_ranks_timed_where_their_files_tell(tmp_path):
    tree = CheckpointingTree.write(tmp_path)
    tree.stats(lambda epoch: epoch.pop("load_ckpt10"), rank=3)
    tree.stats(lambda epoch: (epoch["save_ckpt1"].pop("end"), epoch["save_ckpt1"].pop("duration")), rank=0)
    assert ran(tree)["checkpoints"] == "9 written, 9 read"
    tree.args(num_checkpoints_write=4, num_checkpoints_read=4)
    assert ran(tree)["checkpoints"] == "9 written, 9 read"
    for path in tree.runs[0].glob("*_per_epoch_stats.json"):
        path.write_text("{}")
    assert ran(tree)["checkpoints"] == "4 written, 4 read", "files that tell of no checkpoint tell nothing"
    for path in tree.runs[0].glob("*_per_epoch_stats.json"):
        path.unlink()
    assert ran(tree)["checkpoints"] == "4 written, 4 read"
    tree.remove_metadata()
    assert "checkpoints" not in ran(tree)


@pytest.mark.parametrize("wrong", [None, "x", 7, [], {}, {"end": []}, {"duration": float("nan")}, {"duration": -1}])
def test_a_checkpoint_that_a_rank_did_not_end_is_none(tmp_path, wrong):
    tree = CheckpointingTree.write(tmp_path)
    tree.stats(lambda epoch: epoch.update(save_ckpt2=wrong), rank=5)
    assert ran(tree)["checkpoints"] == "9 written, 10 read"


def test_training_runs_without_a_summary_are_unfinished(tmp_path):
    tree = TrainingTree.write(tmp_path, runs=3)
    (tree.runs[2] / "summary.json").unlink()
    assert ran(tree)["runs"] == "1 warm-up, 1 measured, 1 unfinished"
    (tree.runs[0] / "summary.json").write_text("{")
    assert ran(tree)["runs"] == "1 measured, 1 unfinished, 1 without a readable summary"
    (tree.runs[1] / "summary.json").unlink()
    assert ran(tree)["runs"] == "0 measured, 2 unfinished, 1 without a readable summary"


def test_runs_of_the_older_editions_are_measured_where_they_finished(tmp_path):
    tree = RoundTree.training(tmp_path / "2.0", runs=6)
    tree.crash(5)
    assert ran(tree)["runs"] == "5 measured, 1 unfinished"
    assert ran(RoundV1Tree.write(tmp_path / "1.0"))["runs"] == "5 measured"


STDEVS = {"save_checkpoint_io_stdev_GB_per_second": 1.06, "load_checkpoint_io_stdev_GB_per_second": 11.86}
SPREAD = "spread by the summary"


def without_ranks(root, invocations=((10, 10),), **stdevs):
    tree = CheckpointingTree.write(root, invocations=invocations)
    for run in tree.runs:
        for path in run.glob("*_per_epoch_stats.json"):
            path.unlink()
    tree.metric(**(stdevs or STDEVS))
    return tree


def test_where_no_rank_left_its_times_the_spread_is_that_of_the_summary(tmp_path):
    tree = without_ranks(tmp_path / "bare")
    assert ran(tree)[SPREAD] == "write ± 1.06 GiB/s, read ± 11.9 GiB/s"
    with_files = CheckpointingTree.write(tmp_path / "whole")
    with_files.metric(**STDEVS)
    assert SPREAD not in ran(with_files), "the figures have their own"


def test_the_summaries_of_several_runs_have_no_common_spread(tmp_path):
    assert SPREAD not in ran(without_ranks(tmp_path / "two", ((10, 10), (10, 10))))
    split = without_ranks(tmp_path / "split", ((10, 0), (0, 10)))
    split.edit_summary(lambda s: s["metric"].pop("load_checkpoint_io_stdev_GB_per_second"), run=0)
    split.edit_summary(lambda s: s["metric"].pop("save_checkpoint_io_stdev_GB_per_second"), run=1)
    assert ran(split)[SPREAD] == "write ± 1.06 GiB/s, read ± 11.9 GiB/s"


@pytest.mark.parametrize("wrong", [0, -1, None, "x", [], {}, True, float("nan"), 10**400, 1e300])
def test_a_stdev_that_says_nothing_is_none(tmp_path, wrong):
    tree = without_ranks(tmp_path, save_checkpoint_io_stdev_GB_per_second=wrong, load_checkpoint_io_stdev_GB_per_second=2.0)
    assert ran(tree)[SPREAD] == "read ± 2 GiB/s"


def test_the_summary_of_edition_2_has_no_spread_of_its_figures(tmp_path):
    tree = RoundTree.checkpointing(tmp_path, counts=((10, 10),))
    tree.metric(**STDEVS)
    assert SPREAD not in ran(tree)
