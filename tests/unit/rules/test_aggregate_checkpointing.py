"""Metrics of a checkpointing result (rule 4.3.6, and those of edition 2.0) on trees written by the package's own writer."""

import dataclasses
import json
import math
import shutil

import pytest
from checkpointing_tree import SPLIT, CheckpointingTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.columns import CHECKPOINTING
from pytest_mlpstorage.rules.aggregate_checkpointing import aggregate_checkpointing, aggregate_checkpointing_v2

WRITE, WRITE_SECONDS = "Checkpointing - Write B/W (GiB/s)", "Checkpointing - Write Duration (secs)"
READ, READ_SECONDS = "Checkpointing - Read B/W (GiB/s)", "Checkpointing - Read Duration (secs)"
MODE, INSTANCES = "Checkpointing - Checkpoint Mode", "Checkpointing - DP Instances"
SIZE = 104.70452117919922


def tree_of(tmp_path, **kw):
    return CheckpointingTree.write(tmp_path / "tree", **kw)


def aggregated(tree, name="3.0"):
    return aggregate_checkpointing(tree.read(), edition(name))


def again(tree, number):
    """One more run like the first, in a directory of its own."""
    leaf = tree.result_dir / f"20260722_00000{number}"
    shutil.copytree(tree.runs[0], leaf)
    (leaf / f"checkpointing_{tree.runs[0].name}_metadata.json").rename(leaf / f"checkpointing_{leaf.name}_metadata.json")


# -- edition 3.0 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("invocations", [((10, 10),), SPLIT])
def test_one_run_or_two_give_the_same_figures_under_the_official_names(tmp_path, invocations):
    aggregate = aggregated(tree_of(tmp_path, invocations=invocations))
    times = [6.5 + 0.125 * n for n in range(10)]
    assert aggregate.metrics == {
        WRITE: pytest.approx(sum(SIZE / t for t in times) / 10),
        WRITE_SECONDS: pytest.approx(sum(times) / 10),
        READ: pytest.approx(sum(SIZE / (t + 1.5) for t in times) / 10),
        READ_SECONDS: pytest.approx(sum(times) / 10 + 1.5),
        MODE: "Full",
        INSTANCES: 1,
    }
    assert set(aggregate.metrics) <= set(CHECKPOINTING)
    assert aggregate.leaves == tuple(f"{tree_of(tmp_path, invocations=invocations).relpath}/{run.name}" for run in aggregate_runs(tmp_path))
    assert aggregate.problems == ()


def aggregate_runs(tmp_path):
    return sorted(path for path in next((tmp_path / "tree").glob("closed/*/results/*/checkpointing/*")).iterdir() if path.is_dir())


@pytest.mark.parametrize(
    ("model", "processes", "instances"), [("llama3-8b", 8, 1), ("llama3-70b", 64, 8), ("llama3-405b", 512, 2), ("llama3-1t", 1024, 2)]
)
def test_the_instances_are_the_models(tmp_path, model, processes, instances):
    assert aggregated(tree_of(tmp_path, model=model, processes=processes)).metrics[INSTANCES] == instances


def test_a_model_that_the_edition_does_not_have_has_no_instances(tmp_path):
    result = dataclasses.replace(tree_of(tmp_path).read(), model="llama3-9b")
    metrics = aggregate_checkpointing(result, edition("3.0")).metrics
    assert INSTANCES not in metrics
    assert WRITE in metrics


def test_every_run_of_a_phase_counts_the_same_and_none_is_a_warmup(tmp_path):
    tree = tree_of(tmp_path)
    again(tree, 1)
    again(tree, 2)
    for run, rate in enumerate((1.0, 2.0, 6.0)):
        tree.metric(run=run, save_checkpoint_io_mean_GB_per_second=rate, load_checkpoint_duration_mean_seconds=10 * rate)
    metrics = aggregated(tree).metrics
    assert (metrics[WRITE], metrics[READ_SECONDS]) == (3.0, 30.0)


def test_the_mode_is_subset_where_the_parameters_say_so(tmp_path):
    tree = tree_of(tmp_path)
    tree.parameter("checkpoint.mode", "subset")
    assert aggregated(tree).metrics[MODE] == "Subset"


def test_a_phase_of_which_one_run_lacks_its_figure_has_none_and_the_other_columns_stay(tmp_path):
    tree = tree_of(tmp_path)
    again(tree, 1)
    tree.metric(run=1, save_checkpoint_io_mean_GB_per_second=None)
    aggregate = aggregated(tree)
    assert set(aggregate.metrics) == {WRITE_SECONDS, READ, READ_SECONDS, MODE, INSTANCES}
    (problem,) = aggregate.problems
    assert problem.message == "a figure of a run that wrote checkpoints is missing or no number"
    assert problem.file.endswith("20260722_000001/summary.json")
    assert problem.field == "metric.save_checkpoint_io_mean_GB_per_second"


@pytest.mark.parametrize(("value", "what"), [(0, "is not above 0"), (-1.5, "is not above 0"), (math.nan, "no number"), ("x", "no number")])
def test_a_figure_that_is_no_measurement_gives_none(tmp_path, value, what):
    tree = tree_of(tmp_path)
    tree.metric(load_checkpoint_io_mean_GB_per_second=value)
    aggregate = aggregated(tree)
    assert READ not in aggregate.metrics
    assert [what in problem.message for problem in aggregate.problems] == [True]


def test_a_run_that_was_not_asked_to_read_has_no_read_figure_whatever_its_summary_says(tmp_path):
    tree = tree_of(tmp_path, invocations=((10, 0),))
    tree.metric(load_checkpoint_io_mean_GB_per_second=5.0)
    aggregate = aggregated(tree)
    assert set(aggregate.metrics) == {WRITE, WRITE_SECONDS, MODE, INSTANCES}
    assert aggregate.problems == ()


def test_runs_that_do_not_say_what_they_were_asked_count_with_what_they_have(tmp_path):
    tree = tree_of(tmp_path, invocations=SPLIT)
    for part, key in (("args", "num_checkpoints_{}"), ("override_parameters", "checkpoint.num_checkpoints_{}")):
        tree.edit_metadata(lambda m, part=part, key=key: [m[part].pop(key.format(k)) for k in ("write", "read")])
    tree.edit_metadata(lambda m: [m["parameters"]["checkpoint"].pop(f"num_checkpoints_{k}") for k in ("write", "read")])
    assert set(aggregated(tree).metrics) == {WRITE, WRITE_SECONDS, READ, READ_SECONDS, MODE, INSTANCES}
    tree.metric(run=1, load_checkpoint_io_mean_GB_per_second=None)
    assert READ not in aggregated(tree).metrics
    assert aggregated(tree).problems == ()
    tree.remove_metadata(run=0)
    assert WRITE in aggregated(tree).metrics


def test_the_figures_of_a_phase_wait_for_every_summary_of_it(tmp_path):
    tree = tree_of(tmp_path, invocations=SPLIT)
    tree.remove("summary.json", run=1)
    aggregate = aggregated(tree)
    assert set(aggregate.metrics) == {WRITE, WRITE_SECONDS, MODE, INSTANCES}
    assert aggregate.problems == ()


def test_a_result_without_runs_and_an_edition_without_checkpointing_give_nothing(tmp_path):
    tree = tree_of(tmp_path)
    assert aggregated(tree, "1.0").metrics == {}
    assert len(aggregated(tree, "1.0").leaves) == 1
    result = dataclasses.replace(tree.read(), runs=())
    assert aggregate_checkpointing(result, edition("3.0")).metrics == {}


def test_figures_too_large_to_add_give_none(tmp_path):
    tree = tree_of(tmp_path)
    again(tree, 1)
    tree.metric(save_checkpoint_io_mean_GB_per_second=1.7e308)
    assert WRITE not in aggregated(tree).metrics


# -- edition 2.0 --------------------------------------------------------------------------------------------------------


def v2(tree):
    return aggregate_checkpointing_v2(tree.read())


def test_a_checkpoint_of_2_0_takes_from_the_first_start_to_the_last_end(tmp_path):
    # Rank r of 8 starts 0.25 r later and takes 0.5 r longer.
    seconds = [6.5 + 0.125 * n + 7 * 0.75 for n in range(10)]
    metrics = v2(tree_of(tmp_path)).metrics
    assert metrics == {
        WRITE: pytest.approx(sum(SIZE / t for t in seconds) / 10),
        WRITE_SECONDS: pytest.approx(sum(6.5 + 0.125 * n + 3.5 for n in range(10)) / 10),
        READ: pytest.approx(sum(SIZE / (t + 1.5) for t in seconds) / 10),
        READ_SECONDS: pytest.approx(sum(8.0 + 0.125 * n + 3.5 for n in range(10)) / 10),
    }
    assert v2(tree_of(tmp_path)).problems == ()


def test_two_runs_of_2_0_give_the_mean_over_the_runs_of_each_phase(tmp_path):
    tree = tree_of(tmp_path, invocations=((10, 10), (0, 10)))
    one = v2(tree_of(tmp_path / "one")).metrics
    assert v2(tree).metrics == {key: pytest.approx(value) for key, value in one.items()}
    assert len(v2(tree).leaves) == 2


def test_edition_2_0_asks_for_the_files_of_rank_0_only(tmp_path):
    tree = tree_of(tmp_path)
    for rank in range(1, 8):
        tree.remove(f"{rank}_per_epoch_stats.json")
    aggregate = v2(tree)
    assert aggregate.metrics[WRITE_SECONDS] == pytest.approx(7.0625)
    assert aggregate.metrics[WRITE] == pytest.approx(sum(SIZE / (6.5 + 0.125 * n) for n in range(10)) / 10)


def test_a_rank_whose_file_is_damaged_leaves_no_figure(tmp_path):
    tree = tree_of(tmp_path)
    (tree.runs[0] / "3_per_epoch_stats.json").write_text("{")
    aggregate = v2(tree)
    assert aggregate.metrics == {}
    assert "the times of a rank cannot be read: is no JSON" in aggregate.problems[0].message
    assert aggregate.problems[0].file.endswith("3_per_epoch_stats.json")


@pytest.mark.parametrize("lacking", ["start", "end", "all"])
def test_a_checkpoint_that_one_rank_did_not_time_leaves_its_phase_without_figures(tmp_path, lacking):
    tree = tree_of(tmp_path)
    tree.stats(lambda e: e.pop("save_ckpt4") if lacking == "all" else e["save_ckpt4"].pop(lacking), rank=5)
    aggregate = v2(tree)
    assert set(aggregate.metrics) == {READ, READ_SECONDS}
    assert [(p.message, p.field) for p in aggregate.problems] == [("not every rank has the start and end of a checkpoint", "1.save_ckpt4")]


def test_a_checkpoint_that_ends_before_it_starts_is_no_measurement(tmp_path):
    tree = tree_of(tmp_path)
    for rank in range(8):
        tree.stats(lambda e: e["load_ckpt1"].update(end=e["load_ckpt1"]["start"]), rank=rank)
        tree.stats(lambda e: e["load_ckpt1"].update(start="2026-07-22T00:00:00"), rank=rank)
    aggregate = v2(tree)
    assert set(aggregate.metrics) == {WRITE, WRITE_SECONDS}
    assert aggregate.problems[0].message == "a checkpoint ends before it starts"


@pytest.mark.parametrize("size", [None, 0, -1, "big"])
def test_without_a_size_there_are_durations_and_no_bandwidth(tmp_path, size):
    tree = tree_of(tmp_path)
    tree.metric(checkpoint_size_GB=size)
    aggregate = v2(tree)
    assert set(aggregate.metrics) == {WRITE_SECONDS, READ_SECONDS}
    assert {p.field for p in aggregate.problems} == {"metric.checkpoint_size_GB"}


def test_a_run_that_left_no_times_of_what_it_was_asked_leaves_no_figure(tmp_path):
    tree = tree_of(tmp_path)
    again(tree, 1)
    for rank in range(8):
        tree.stats(lambda e: [e.pop(f"save_ckpt{n}") for n in range(1, 11)], rank=rank, run=1)
    aggregate = v2(tree)
    assert set(aggregate.metrics) == {READ, READ_SECONDS}
    assert [p.message for p in aggregate.problems] == ["a run that wrote checkpoints left no times of them"]


def test_a_run_of_2_0_without_metadata_made_what_its_summary_has(tmp_path):
    tree = tree_of(tmp_path, invocations=((10, 0),))
    tree.remove_metadata()
    assert set(v2(tree).metrics) == {WRITE, WRITE_SECONDS}
    assert v2(tree).problems == ()
    for rank in range(8):
        tree.remove(f"{rank}_per_epoch_stats.json")
    assert v2(tree).metrics == {}
    assert len(v2(tree).problems) == 1


def test_a_crashed_run_and_a_planned_one_are_no_runs_of_2_0(tmp_path):
    tree = tree_of(tmp_path)
    whole = v2(tree).metrics
    again(tree, 1)
    tree.remove("summary.json", run=1)
    assert v2(tree).metrics == whole
    result = tree.read()
    planned = dataclasses.replace(result, runs=tuple(dataclasses.replace(leaf, planned=True) for leaf in result.runs))
    assert aggregate_checkpointing_v2(planned).metrics == {}


def test_the_metrics_can_be_written_as_json(tmp_path):
    assert json.loads(json.dumps(aggregated(tree_of(tmp_path)).metrics))
