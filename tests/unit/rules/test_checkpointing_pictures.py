"""What checkpointing runs show: rate and duration of each write and read with the spread of the ranks, and both over time."""

import datetime as dt
import json
import statistics
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.rules.aggregate_checkpointing import RATE_COLUMNS, aggregate_checkpointing_v2
from pytest_mlpstorage.rules.checkpointing_pictures import checkpointing_activities, checkpointing_pictures
from pytest_mlpstorage.rules.pictures import pictures_of

sys.path.append(str(Path(__file__).parent))
from checkpointing_tree import SPLIT, CheckpointingTree, checkpoint_times
from round_v2_tree import START, RoundTree
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


# -- edition 2.0, whose figures come from the clocks of all ranks --------------------------------------------------------------


OLDER = edition("2.0")
SIZE = OLDER.checkpointing.models["llama3-8b"].derived.total_gib
# Begin and end in seconds of each rank: none of the ranks takes as long as all of them together.
RANKS = ((0.0, 10.0), (1.0, 14.0), (2.0, 9.0))
FIRST_TO_LAST, LONGEST = 14.0, 13.0


def older(root, *, counts=((2, 2),), ranks=RANKS):
    """Runs of edition 2.0 whose ranks left their times; each checkpoint takes a second longer than the one before."""
    tree = RoundTree.checkpointing(root, counts=counts)
    for run, (writes, reads) in zip(tree.runs, counts, strict=True):
        for rank, (begin, end) in enumerate(ranks):
            made = [f"save_ckpt{n}" for n in range(1, writes + 1)] + [f"load_ckpt{n}" for n in range(1, reads + 1)]
            epoch = {}
            for place, name in enumerate(made):
                start, stop = (START + dt.timedelta(seconds=100 * place + s) for s in (begin, end + (place if end > 13 else 0)))
                took = (stop - start).total_seconds()
                epoch[name] = {"start": start.isoformat(), "end": stop.isoformat(), "duration": took, "throughput": SIZE / took}
            (run / f"{rank}_per_epoch_stats.json").write_text(json.dumps({"1": epoch}))
    # The emulator's own mean, which that edition does not take.
    tree.metric(save_checkpoint_io_mean_GB_per_second=SIZE / 10, save_checkpoint_duration_mean_seconds=10.0)
    return tree


def drawn(tree):
    (picture,) = checkpointing_pictures(tree.read(), OLDER)
    return picture


def test_edition_2_draws_the_figures_of_its_headlines(tmp_path):
    tree = older(tmp_path)
    rate, lasted = drawn(tree).charts
    write, read = rate.groups
    assert write.values == pytest.approx((SIZE / FIRST_TO_LAST, SIZE / (FIRST_TO_LAST + 1)))
    assert lasted.groups[0].values == pytest.approx((LONGEST, LONGEST + 1))
    headlines = aggregate_checkpointing_v2(tree.read()).metrics
    for phase, of_rate, of_time in (("save", write, lasted.groups[0]), ("load", read, lasted.groups[1])):
        column, duration = RATE_COLUMNS[phase]
        assert of_rate.mean == pytest.approx(headlines[column])
        assert of_time.mean == pytest.approx(headlines[duration])
    assert (write.lows[0], write.highs[0]) == pytest.approx((SIZE / LONGEST, SIZE / 7))
    assert f"2 × write at {headlines[RATE_COLUMNS['save'][0]]:.3g} GiB/s" in drawn(tree).says[0]


def test_the_words_below_follow_the_edition(tmp_path, tree):
    rate, lasted = drawn(older(tmp_path / "older")).charts
    assert rate.note.startswith(
        "Size of a checkpoint over the time from the first start to the last end over all ranks, as the rule book has it."
    )
    assert lasted.note.startswith("Time of the rank that took longest")
    assert "from the first start to the last end of 3 ranks" in drawn(older(tmp_path / "again")).says[0]
    assert [chart.note.partition(".")[0] for chart in shown(tree).charts] == [
        "Size of a checkpoint over the time of the first rank, as the rule book has it",
        "Time of the first rank",
    ]


def test_edition_2_has_no_figure_of_a_checkpoint_that_a_rank_did_not_time(tmp_path):
    tree = older(tmp_path)
    tree.edit(tree.runs[0] / "1_per_epoch_stats.json", lambda s: s["1"]["save_ckpt2"].pop("end"))
    rate, lasted = drawn(tree).charts
    assert (rate.groups[0].values[1], lasted.groups[0].values[1]) == (None, None)
    assert (rate.groups[0].mean, lasted.groups[0].mean) == (None, None)
    assert "write" not in drawn(tree).says[0]
    assert rate.groups[1].mean is not None
    tree.edit(tree.runs[0] / "2_per_epoch_stats.json", lambda s: s["1"].pop("load_ckpt1"))
    assert drawn(tree).charts[0].groups[1].values[0] is None


def test_edition_2_draws_no_checkpoint_that_ends_before_it_starts(tmp_path):
    tree = older(tmp_path, ranks=((10.0, 9.0),))
    rate, lasted = (chart.groups[0] for chart in drawn(older(tmp_path / "sound")).charts)
    assert None not in (*rate.values, *lasted.values)
    assert checkpointing_pictures(tree.read(), OLDER) == []


def test_a_rank_that_cannot_be_read_leaves_edition_2_without_a_mean(tmp_path):
    tree = older(tmp_path)
    (tree.runs[0] / "1_per_epoch_stats.json").write_text("[]")
    assert {group.mean for chart in drawn(tree).charts for group in chart.groups} == {None}


def test_without_the_size_edition_2_draws_durations_alone(tmp_path):
    tree = older(tmp_path)
    tree.metric(checkpoint_size_GB=None)
    assert [chart.name for chart in drawn(tree).charts] == ["duration"]


def test_what_the_tool_left_for_another_command_is_no_run_of_edition_2(tmp_path):
    tree = older(tmp_path, counts=((1, 1), (1, 1), (1, 1)))
    tree.crash(0)
    tree.metadata(lambda m: m["args"].update(command="datasize"), run=0)
    for path in tree.runs[0].glob("*_per_epoch_stats.json"):
        path.unlink()
    assert [group.name for group in drawn(tree).charts[0].groups] == ["run 1 write", "run 1 read", "run 2 write", "run 2 read"]
    assert not any(tree.runs[0].name in sentence for sentence in drawn(tree).says)
    assert [one.title.partition(" (")[0] for one in checkpointing_activities(tree.read(), OLDER)] == ["Run 1 over time", "Run 2 over time"]


@pytest.mark.parametrize(
    "wrong", [None, "x", 7, [], {}, {"start": "x", "end": 3}, {"start": "0001-01-01T00:00:00", "end": "9999-12-31T00:00:00"}]
)
def test_a_file_of_edition_2_that_somebody_changed_is_no_fault(tmp_path, wrong):
    tree = older(tmp_path)
    tree.edit(tree.runs[0] / "1_per_epoch_stats.json", lambda s: s["1"].update(save_ckpt1=wrong))
    for picture in pictures_of(tree.read(), OLDER):
        json.dumps(picture.to_json(), allow_nan=False)
