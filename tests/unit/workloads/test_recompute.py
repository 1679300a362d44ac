"""AU and throughput from raw step times; formulas of training.md §6 and rules 3.3.2, 3.3.8."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.results.recompute import BlockTimes, EpochValues, compare, epoch_values, recompute_block

BLOCK = BlockTimes(wall_seconds=10.0, compute_seconds=(1.0, 1.0, 1.0, 1.0, 1.0), step_seconds=(5.0, 1.2, 1.3, 1.2, 1.3))


def test_au_is_the_compute_of_all_steps_but_the_first_over_the_rest_of_the_wall_time():
    assert recompute_block(BLOCK, 7, first_step_counts=True).au_percent == pytest.approx(100 * 4 / (10 - 5))


def test_registry_dlio_counts_the_first_step_in_the_throughput():
    assert recompute_block(BLOCK, 7, first_step_counts=True).samples_per_second == pytest.approx(5 * 7 / 10)


def test_the_fork_counts_the_window_only():
    assert recompute_block(BLOCK, 7, first_step_counts=False).samples_per_second == pytest.approx(4 * 7 / 5)


def test_a_block_of_one_step_has_an_au_of_zero():
    assert recompute_block(BlockTimes(2.0, (1.0,), (1.5,)), 7, first_step_counts=True) == EpochValues(0.0, 3.5, 2.0)


def test_the_job_has_the_mean_au_and_the_sum_of_the_throughputs():
    ranks = [{1: EpochValues(90.0, 30.0)}, {1: EpochValues(94.0, 34.0)}]
    assert epoch_values(ranks, 1) == EpochValues(92.0, 64.0)


def test_a_reported_value_that_the_sum_over_ranks_does_not_give_is_found():
    (found,) = compare({1: EpochValues(92.0, 70.0)}, {1: EpochValues(92.0, 64.0)}, from_clocks=False)
    assert (found.field, found.reported, found.recomputed) == ("throughput", 70.0, 64.0)


@pytest.mark.parametrize("au", [math.nan, 92.001])
def test_nan_and_a_small_difference_are_found_where_no_clock_is_involved(au):
    assert [d.field for d in compare({1: EpochValues(au, 64.0)}, {1: EpochValues(92.0, 64.0)}, from_clocks=False)] == ["au"]


def test_a_clock_that_was_read_later_is_allowed_for_in_short_blocks():
    mine = recompute_block(BlockTimes(1.0, (0.2,) * 5, (0.2,) * 5), 7, first_step_counts=True)
    late = EpochValues(mine.au_percent - 0.3, mine.samples_per_second * 0.997)
    assert compare({1: late}, {1: mine}, from_clocks=True) == []
    long = EpochValues(mine.au_percent, mine.samples_per_second, wall_seconds=600.0)
    assert [d.field for d in compare({1: late}, {1: long}, from_clocks=True)] == ["au", "throughput"]


def test_a_missing_epoch_is_found():
    assert len(compare({}, {1: EpochValues(90.0, 1.0)}, from_clocks=False)) == 1


@given(st.lists(st.floats(0.01, 2.0), min_size=2, max_size=30), st.floats(0.0, 1.0))
def test_au_lies_between_0_and_100_when_compute_is_part_of_each_step(steps, share):
    block = BlockTimes(sum(steps), [s * share for s in steps], steps)
    assert -1e-9 <= recompute_block(block, 1, first_step_counts=True).au_percent <= 100 + 1e-6
