"""Checkpoints of a summary and of a rank's times, as real and as damaged files have them."""

import math

import pytest

from pytest_mlpstorage.results.checkpoint_metric import CheckpointMetric, PhaseMetric, checkpoints_of_rank
from pytest_mlpstorage.results.summary import EpochStats, Summary

METRIC = {
    "checkpoint_size_GB": 104.7,
    "save_checkpoint_io_mean_GB_per_second": 15.9,
    "save_checkpoint_duration_mean_seconds": "6.6",
    "load_checkpoint_io_mean_GB_per_second": 17,
    "load_checkpoint_duration_mean_seconds": 8.2,
}


def of(metric):
    return CheckpointMetric.of(Summary.from_json({"metric": metric}))


def ckpt(start=0, end=1, **more):
    return {"start": f"2026-07-21T00:00:0{start}.000000", "end": f"2026-07-21T00:00:0{end}.000000", **more}


def test_a_summary_gives_size_rates_and_durations_of_both_phases():
    metric = of(METRIC)
    assert metric == CheckpointMetric(104.7, PhaseMetric("save", 15.9, 6.6), PhaseMetric("load", 17.0, 8.2))
    assert metric.phase("save") is metric.save
    assert metric.phase("load") is metric.load


def test_each_figure_names_its_field():
    metric = of(METRIC)
    assert {f.rate_field.removeprefix("metric.") for f in (metric.save, metric.load)} <= set(METRIC)
    assert {f.duration_field.removeprefix("metric.") for f in (metric.save, metric.load)} <= set(METRIC)


@pytest.mark.parametrize("value", [None, "", "fast", math.nan, math.inf, True, [6.6], {"a": 1}])
def test_a_figure_that_is_no_number_is_absent_and_never_zero(value):
    damaged = of({**METRIC, "save_checkpoint_io_mean_GB_per_second": value, "checkpoint_size_GB": value})
    assert (damaged.save.gib_per_second, damaged.size_gib, damaged.load.gib_per_second) == (None, None, 17.0)


@pytest.mark.parametrize("metric", [None, [], "x", 3])
def test_a_summary_whose_metric_is_no_object_has_no_figures(metric):
    assert of(metric) == CheckpointMetric()


def test_the_checkpoints_of_a_rank_are_in_the_order_in_which_they_were_made():
    raw = {"1": {f"save_ckpt{n}": ckpt(throughput=n) for n in (10, 2, 1)}, "2": {"save_ckpt1": ckpt(throughput=99)}}
    found = checkpoints_of_rank(EpochStats.from_json(raw), "save")
    assert [(c.epoch, c.number, c.field, c.gib_per_second) for c in found] == [
        (1, 1, "1.save_ckpt1", 1.0), (1, 2, "1.save_ckpt2", 2.0), (1, 10, "1.save_ckpt10", 10.0), (2, 1, "2.save_ckpt1", 99.0),
    ]  # fmt: skip


def test_writes_and_reads_are_told_apart_and_times_are_spans():
    stats = EpochStats.from_json({"1": {"save_ckpt1": ckpt(0, 2, duration=2.0), "load_ckpt1": ckpt(3, 7)}})
    (saved,), (loaded,) = checkpoints_of_rank(stats, "save"), checkpoints_of_rank(stats, "load")
    assert (saved.phase, saved.span.duration_seconds, saved.span.wall_seconds, saved.gib_per_second) == ("save", 2.0, 2.0, None)
    assert (loaded.phase, loaded.span.duration_seconds, loaded.span.wall_seconds) == ("load", None, 4.0)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"1": []},
        {"1": {"save_ckpt": ckpt(), "ckpt1": ckpt(), "save_ckpt1x": ckpt(), "xsave_ckpt1": ckpt(), "save_ckpt12345678": ckpt()}},
        {"1": {"save_ckpt1": [1]}},
        {"one": {"save_ckpt1": ckpt()}},
        {"123456789": {"save_ckpt1": ckpt()}},
    ],
)
def test_what_is_no_checkpoint_is_passed_over(raw):
    assert checkpoints_of_rank(EpochStats.from_json(raw), "save") == ()


def test_an_epoch_whose_number_is_written_with_zeros_is_read_once():
    stats = EpochStats.from_json({"01": {"save_ckpt1": ckpt(throughput="7.5")}})
    assert [(c.epoch, c.gib_per_second) for c in checkpoints_of_rank(stats, "save")] == [(1, 7.5)]
