"""The single values behind each headline: of runs, of checkpoints of one run, of trials; of all families and editions."""

import json

import pytest
from checkpointing_tree import CheckpointingTree
from kv_cache_tree import KVCacheTree
from round_v1_tree import RoundV1Tree
from round_v2_tree import RoundTree
from training_tree import TrainingTree
from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.rules.headlines import HEADLINES, headline_of, short_names
from pytest_mlpstorage.rules.judging import edition_of
from pytest_mlpstorage.rules.repeats import Figure, figures_of

AU = "train_mean_of_au_percentage"
WRITE = "Checkpointing - Write B/W (GiB/s)"


def figures(result):
    return figures_of(result, edition_of(result))


def test_each_short_name_is_of_one_kind_of_result_and_can_be_typed():
    kinds = {}
    for headline in HEADLINES:
        kinds.setdefault(headline.short, set()).add(headline.kind)
    assert all(len(found) == 1 for found in kinds.values())
    assert short_names() == tuple(kinds)
    assert all(name.replace("_", "").isalnum() for name in short_names())


@pytest.mark.parametrize(
    ("name", "short", "part"),
    [
        (AU, "train_au", ""),
        (f"{AU} on h100", "train_au", "h100"),
        ("Read B/W (MiB/s) on h100", "train_read_bandwidth", "h100"),
        ("train_throughput_mean_MB_per_second", "train_read_bandwidth", ""),
        ("KVCache llama3.1-8b Storage + Mem - Read B/W (GiB/s)", "kv_read_bandwidth", "llama3.1-8b Storage + Mem"),
        ("option 2 write_gib_per_second", "kv_window_write_bandwidth", "option 2"),
    ],
)
def test_an_official_name_is_told_by_its_short_one_and_its_part(name, short, part):
    headline, of = headline_of(name)
    assert (headline.short, of) == (short, part)


@pytest.mark.parametrize("name", ["VDB - Vector Count", "lowest recall", "Read B/W (GiB/s) x", ""])
def test_what_is_no_headline_is_none(name):
    assert headline_of(name) is None


def test_a_value_alone_is_its_own_least_and_greatest():
    assert (Figure(3.0).low, Figure(3.0).high) == (3.0, 3.0)
    assert (Figure(3.0, (2.0, 4.0)).low, Figure(3.0, (2.0, 4.0)).high) == (2.0, 4.0)


def test_the_five_measured_runs_of_a_training_stand_behind_its_figures_and_not_the_warm_up(tree):
    for run in range(6):
        tree.edit_metric(run=run, train_au_percentage=[90.0 + run] * 5, train_io_mean_MB_per_second=1024.0 * (10 + run))
    found = figures(tree.read())
    assert found[AU] == Figure(93.0, (91.0, 92.0, 93.0, 94.0, 95.0))
    assert found["Read B/W (GiB/s)"].values == (11.0, 12.0, 13.0, 14.0, 15.0)
    assert len(found["train_mean_of_throughput_samples_per_second"].values) == 5


def test_a_warm_up_that_was_not_configured_is_none(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree", division="whatif", runs=3)
    for run in range(3):
        tree.edit_metric(run=run, train_au_percentage=[90.0 + run] * 5)
        tree.edit_metadata(lambda m, run=run: m["mlps"].update(step=str(run + 1)), run=run)
    assert figures(tree.read())[AU].values == (90.0, 91.0, 92.0)


def test_an_unfinished_series_has_no_headline(tmp_path):
    assert figures(TrainingTree.write(tmp_path / "tree", runs=4).read()) == {}


def test_the_checkpoints_of_one_run_stand_behind_its_figures_as_rank_0_timed_them(tmp_path):
    result = CheckpointingTree.write(tmp_path / "tree").read()
    found = figures(result)
    assert found[WRITE].of == "checkpoints"
    assert len(found[WRITE].values) == 10
    assert found[WRITE].low < found[WRITE].value < found[WRITE].high
    assert found["Checkpointing - Read Duration (secs)"].values[:2] == (8.0, 8.125)


def test_several_runs_that_write_stand_behind_the_figures_themselves(tmp_path):
    tree = CheckpointingTree.write(tmp_path / "tree", invocations=((5, 5), (5, 5)))
    found = figures(tree.read())
    assert found[WRITE].of == "runs"
    assert len(found[WRITE].values) == 2


def test_the_trials_of_each_option_stand_behind_the_rates_of_a_kv_cache(tmp_path):
    found = figures(KVCacheTree.write(tmp_path / "tree").read())
    rate = found["KVCache llama3.1-8b Storage Only - Read B/W (GiB/s)"]
    # The sum over four ranks of 1 + trial / 8 + rank / 64.
    assert rate == Figure(4.59375, (4.09375, 4.59375, 5.09375), "trials")
    assert found["KVCache llama3.1-8b Storage Only - P95 device read latency (ms)"].values == (1003.0, 1100.0, 1005.0)
    assert found["KVCache llama3.1-8b Storage Only - P95 Read Latency (ms)"].values == ()


def test_a_kv_cache_whose_ranks_are_pruned_keeps_its_figures_without_a_spread(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree")
    tree.remove_ranks()
    rate = figures(tree.read())["KVCache llama3.1-8b Storage Only - Read B/W (GiB/s)"]
    assert rate.values == ()


def test_bandwidths_of_the_window_are_headlines_where_our_program_told_them(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree")
    tree.option(2, mlps={"storage_read_bandwidth_window_gibps": 3.5, "storage_write_bandwidth_window_gibps": "much"})
    metadata = [
        {"step": f"option{option}-trial{trial}", "metrics": {"read_gib_per_second": option + trial}}
        for option in (1, 2)
        for trial in (0, 1)
    ]
    tree.edit_metadata(lambda m: m.update(mlps={"passes": [*metadata, None, {"step": 3}, {"step": "option2-trial2", "metrics": 1}]}))
    found = figures(tree.read())
    assert found["option 2 read_gib_per_second"] == Figure(3.5, (2.0, 3.0), "trials")
    assert "option 2 write_gib_per_second" not in found
    assert "option 1 read_gib_per_second" not in found


def test_the_runs_of_a_vector_database_stand_behind_their_mean(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree")
    for run in range(5):
        tree.summary(run=run, throughput_qps=100.0 + run)
    found = figures(tree.read())
    assert found["mean of throughput_qps"] == Figure(102.0, (100.0, 101.0, 102.0, 103.0, 104.0))
    assert set(found) == {"mean of throughput_qps", "mean of p99_latency_ms", "mean of recall"}


def test_the_runs_of_round_2_stand_behind_the_figure_of_their_accelerator(tmp_path):
    tree = RoundTree.training(tmp_path / "tree")
    for run in range(5):
        tree.metric(run=run, train_io_mean_MB_per_second=100.0 + run)
    assert figures(tree.read()) == {"Read B/W (MiB/s)": Figure(102.0, (100.0, 101.0, 102.0, 103.0, 104.0))}


def test_several_accelerators_of_round_2_have_a_figure_each(tmp_path):
    tree = RoundTree.training(tmp_path / "tree", runs=10)
    for run in range(10):
        tree.metric(run=run, train_io_mean_MB_per_second=100.0 + run)
        tree.metadata(lambda m, run=run: m["args"].update(accelerator_type="h100" if run < 5 else "a100"), run=run)
    found = figures(tree.read())
    assert found["Read B/W (MiB/s) on h100"].values == (100.0, 101.0, 102.0, 103.0, 104.0)
    assert found["Read B/W (MiB/s) on a100"].value == 107.0


def test_checkpoints_of_round_2_without_the_clocks_of_their_ranks_have_no_headline(tmp_path):
    assert figures(RoundTree.checkpointing(tmp_path / "tree").read()) == {}


def test_the_runs_of_round_1_stand_behind_their_mean(tmp_path):
    tree = RoundV1Tree.write(tmp_path / "tree")
    for run in range(5):
        tree.metric(run=run, train_throughput_mean_samples_per_second=10.0 + run, train_io_mean_MB_per_second=20.0)
    found = figures(tree.read())
    assert found["train_throughput_mean_samples_per_second"] == Figure(12.0, (10.0, 11.0, 12.0, 13.0, 14.0))
    assert found["train_throughput_mean_MB_per_second"].values == (20.0,) * 5
    assert len(found) == 2


def test_nothing_that_stands_in_a_tree_makes_figures_raise(tree):
    for value in (None, [], {}, "x", float("nan"), 10**400, True):
        for leaf in tree.runs:
            summary = json.loads((leaf / "summary.json").read_text())
            summary["metric"]["train_au_percentage"] = value
            (leaf / "summary.json").write_text(json.dumps(summary))
        assert AU not in figures(tree.read())
