"""Metrics of a result (rule 3.3.8) on trees written by the package's own writer."""

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.rules import edition_of
from pytest_mlpstorage.rules.aggregate import aggregate_training, mean, mean_of_epoch_means, read_bandwidth_gib_per_second


def aggregated(tree):
    result = tree.read()
    return aggregate_training(result, edition_of(result))


def test_the_warmup_does_not_enter_the_figures(tree):
    before = aggregated(tree)
    tree.edit_metric(run=0, train_io_mean_MB_per_second=1.0, train_au_percentage=[1.0], train_throughput_samples_per_second=[1.0])
    after = aggregated(tree)
    assert after.metrics == before.metrics
    assert len(after.leaves) == 5


def test_bandwidth_is_the_mean_of_mebibytes_in_gibibytes(tree):
    for run, rate in enumerate([0, 1024, 2048, 3072, 4096, 5120]):
        tree.edit_metric(run=run, train_io_mean_MB_per_second=rate)
    assert aggregated(tree).metrics["Read B/W (GiB/s)"] == 3.0
    assert read_bandwidth_gib_per_second([512.0, 1536.0]) == 1.0


def test_every_run_counts_the_same_whatever_its_epochs(tree):
    for run in range(1, 6):
        tree.edit_metric(run=run, train_au_percentage=[90.0])
    tree.edit_metric(run=5, train_au_percentage=[95.0, 96.0, 100.0])
    assert aggregated(tree).metrics["train_mean_of_au_percentage"] == pytest.approx((4 * 90 + 97) / 5)
    assert mean_of_epoch_means([[1.0], [2.0, 4.0]]) == 2.0


def test_a_figure_that_one_measured_run_lacks_is_absent_and_never_zero(tree):
    tree.edit_summary(lambda s: s["metric"].pop("train_io_mean_MB_per_second"), run=2)
    metrics = aggregated(tree).metrics
    assert "Read B/W (GiB/s)" not in metrics
    assert "train_mean_of_au_percentage" in metrics


def test_an_empty_list_is_a_problem_and_no_figure(tree):
    tree.edit_metric(run=2, train_au_percentage=[])
    aggregate = aggregated(tree)
    assert "train_mean_of_au_percentage" not in aggregate.metrics
    assert [p.field for p in aggregate.problems] == ["metric.train_au_percentage"]


def test_a_closed_result_of_another_number_of_runs_has_no_figures(tmp_path):
    assert aggregated(TrainingTree.write(tmp_path / "t", runs=5)).metrics == {}


def test_a_whatif_result_of_few_runs_has_figures(tmp_path):
    aggregate = aggregated(TrainingTree.write(tmp_path / "t", division="whatif", runs=3))
    assert len(aggregate.leaves) == 2
    assert aggregate.metrics["train_mean_of_au_percentage"] == pytest.approx(97.2)


def test_a_result_with_a_warmup_only_has_no_figures(tmp_path):
    assert aggregated(TrainingTree.write(tmp_path / "t", division="whatif", runs=1)).metrics == {}


def test_a_whatif_result_without_a_warmup_counts_every_run(tmp_path):
    tree = TrainingTree.write(tmp_path / "t", division="whatif", runs=2)
    tree.edit_metadata(lambda m: m["mlps"].update(step="1"))
    assert len(aggregated(tree).leaves) == 2


def test_a_closed_result_drops_its_earliest_run_whatever_its_metadata_calls_it(tree):
    tree.edit_metadata(lambda m: m["mlps"].update(step="1"))
    assert len(aggregated(tree).leaves) == 5


def test_the_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no values"):
        mean([])
