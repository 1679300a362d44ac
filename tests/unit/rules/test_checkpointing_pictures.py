"""What checkpointing runs show: rate and duration of each write and read with the spread of the ranks, and both over time."""

import json
import statistics
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.rules.checkpointing_pictures import checkpointing_activities, checkpointing_pictures
from pytest_mlpstorage.rules.pictures import pictures_of

sys.path.append(str(Path(__file__).parent))
from checkpointing_tree import SPLIT, CheckpointingTree, checkpoint_times
from training_tree import TrainingTree

BOOK = edition("3.0")


@pytest.fixture
def tree(tmp_path):
    return CheckpointingTree.write(tmp_path)


def shown(tree):
    (picture,) = checkpointing_pictures(tree.read(), BOOK)
    return picture


def durations(tree, name, run=0):
    """Seconds of each rank of one checkpoint, from the files."""
    found = []
    for rank in range(8):
        epoch = json.loads((tree.runs[run] / f"{rank}_per_epoch_stats.json").read_text())["1"]
        found.append(float(epoch[name]["duration"]))
    return found


def test_each_write_and_read_is_a_value_of_the_first_rank_and_a_bar_over_all(tree):
    rate, lasted = shown(tree).charts
    assert [(group.name, len(group.values), group.about) for group in rate.groups] == [("write", 10, "write"), ("read", 10, "read")]
    seconds = durations(tree, "save_ckpt3")
    assert lasted.groups[0].values[2] == seconds[0]
    assert (lasted.groups[0].lows[2], lasted.groups[0].highs[2]) == (min(seconds), max(seconds))
    size = json.loads((tree.runs[0] / "summary.json").read_text())["metric"]["checkpoint_size_GB"]
    assert rate.groups[0].values[2] == pytest.approx(size / seconds[0])
    assert rate.groups[0].lows[2] == pytest.approx(size / max(seconds))
    assert rate.groups[0].mean == json.loads((tree.runs[0] / "summary.json").read_text())["metric"]["save_checkpoint_io_mean_GB_per_second"]
    assert "slowest rank to the quickest" in rate.note


def test_the_rate_in_words_is_that_of_the_slowest_rank(tree):
    size = json.loads((tree.runs[0] / "summary.json").read_text())["metric"]["checkpoint_size_GB"]
    slowest = [max(durations(tree, f"save_ckpt{number}")) for number in range(1, 11)]
    assert f"10 × write at {10 * size / sum(slowest):.3g} GiB/s" in shown(tree).says[0]
    assert "the slowest of 8 ranks" in shown(tree).says[0]
    assert statistics.fmean(slowest) > statistics.fmean(checkpoint_times(10, 6.5))


def test_two_runs_that_write_and_read_apart_are_two_groups(tmp_path):
    tree = CheckpointingTree.write(tmp_path, invocations=SPLIT)
    rate, _ = shown(tree).charts
    assert [group.name for group in rate.groups] == ["run 1 write", "run 2 read"]
    assert [sentence.partition(":")[0] for sentence in shown(tree).says] == ["Run 1", "Run 2"]
    assert [one.title.partition(" (")[0] for one in checkpointing_activities(tree.read(), BOOK)] == ["Run 1 over time", "Run 2 over time"]


def test_over_time_all_bytes_are_there_and_each_checkpoint_is_marked(tree):
    (activity,) = checkpointing_activities(tree.read(), BOOK)
    (panel,) = activity.panels
    size = json.loads((tree.runs[0] / "summary.json").read_text())["metric"]["checkpoint_size_GB"]
    for line, word in zip(panel.lines, ("write", "read"), strict=True):
        assert line.name == word
        assert sum(line.known) * panel.step == pytest.approx(10 * size)
    assert len(activity.spans) == 20
    assert [span.begin for span in activity.spans] == sorted(span.begin for span in activity.spans)
    write, read = panel.lines
    assert write.values[-1] is None
    assert read.values[0] is None


def test_a_run_without_files_of_its_ranks_is_named(tmp_path):
    tree = CheckpointingTree.write(tmp_path, invocations=SPLIT)
    for path in tree.runs[1].glob("*_per_epoch_stats.json"):
        path.unlink()
    assert f"No rank's file of times can be read of {tree.runs[1].name}: nothing of it is drawn." in shown(tree).says
    for path in tree.runs[0].glob("*_per_epoch_stats.json"):
        path.unlink()
    assert checkpointing_pictures(tree.read(), BOOK) == []
    assert pictures_of(tree.read(), BOOK) == []


def test_without_the_size_the_rates_are_those_that_the_ranks_wrote(tree):
    tree.edit_summary(lambda s: s["metric"].pop("checkpoint_size_GB"))
    rate, _ = shown(tree).charts
    epoch = json.loads((tree.runs[0] / "0_per_epoch_stats.json").read_text())["1"]
    assert rate.groups[0].values[0] == pytest.approx(epoch["save_ckpt1"]["throughput"])
    assert checkpointing_activities(tree.read(), BOOK) == []


@pytest.mark.parametrize(
    "wrong", [None, "x", 7, [], {}, [1], {"start": 3}, {"duration": "nan", "start": "x"}, float("nan"), 10**400, -1, True]
)
def test_a_file_that_somebody_changed_is_no_fault(tree, wrong):
    for change in (
        lambda epoch: epoch.update(save_ckpt1=wrong),
        lambda epoch: epoch["load_ckpt2"].update(duration=wrong, start=wrong),
        lambda epoch: epoch["load_ckpt3"].update(end=wrong, throughput=wrong),
    ):
        tree.stats(change, rank=1)
        assert [json.dumps(picture.to_json()) for picture in pictures_of(tree.read(), BOOK)]
    tree.summary(metric=wrong)
    pictures_of(tree.read(), BOOK)
    (tree.runs[0] / "0_per_epoch_stats.json").write_text(json.dumps(wrong))
    pictures_of(tree.read(), BOOK)


@pytest.mark.parametrize("wrong", [0, -1, 1e-10, 1e9, 1e300, 5e-324, "1e-300"])
def test_a_duration_that_no_checkpoint_has_is_not_drawn_and_that_of_the_clock_is(tree, wrong):
    begin, end = "2026-07-13T08:00:00.000000", "2026-07-13T08:00:04.000000"
    tree.stats(lambda epoch: epoch["save_ckpt1"].update(duration=wrong, start=begin, end=end), rank=0)
    rate, lasted = shown(tree).charts
    assert lasted.groups[0].values[0] == 4
    assert all(0 < value < 1e9 for value in (*lasted.groups[0].extremes, *rate.groups[0].extremes))
    tree.stats(lambda epoch: epoch["save_ckpt1"].update(duration=wrong, end="9999-07-13T08:00:00"), rank=0)
    assert max(shown(tree).charts[1].groups[0].extremes) < 1e9


@pytest.mark.parametrize("size", [1e300, 1e-300, 1e15, -1, 0])
def test_a_size_that_no_checkpoint_has_makes_no_rate_without_end(tree, size):
    tree.edit_summary(lambda s: s["metric"].update(checkpoint_size_GB=size))
    tree.stats(lambda epoch: epoch["save_ckpt1"].update(duration=1e-9), rank=0)
    for picture in pictures_of(tree.read(), BOOK):
        json.dumps(picture.to_json(), allow_nan=False)
    assert "inf" not in "".join(shown(tree).says)


def test_the_least_and_the_longest_duration_are_drawn(tree):
    tree.stats(lambda epoch: (epoch["save_ckpt1"].update(duration=1e-9), epoch["save_ckpt2"].update(duration=999999999.0)), rank=0)
    assert shown(tree).charts[1].groups[0].values[:2] == (1e-9, 999999999.0)


def test_other_results_have_no_such_pictures(tmp_path):
    other = TrainingTree.write(tmp_path).read()
    assert (checkpointing_pictures(other, BOOK), checkpointing_activities(other, BOOK)) == ([], [])
