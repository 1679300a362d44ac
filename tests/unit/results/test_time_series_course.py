"""Many rows in few steps: means by time, hosts beside each other, and bounds on what a hostile file can cost."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.results.time_series import Row
from pytest_mlpstorage.results.time_series_course import MOST_HOSTS, QUANTITIES, course

COLUMNS = ("cpu_busy_percent", "disk_sda_read_bytes_per_second", "disk_sdb_read_bytes_per_second", "disk_sda_reads_per_second")
MIB = 1024**2


def row(end, *values, host="h1", seconds=1.0):
    return Row(1_000_000.0 + end, host, seconds, (*values, *([None] * (len(COLUMNS) - len(values)))))


def test_each_row_is_a_step_where_they_are_few():
    made = course(COLUMNS, [row(1, 10.0), row(2, 20.0), row(3, 60.0)], 1.0)
    assert (made.steps("busy", "h1"), made.mean("busy", "h1"), made.seconds, made.step) == ([10.0, 20.0, 60.0], 30.0, 3.0, 1.0)


def test_disks_of_a_host_are_added_and_what_is_not_there_is_not_known():
    made = course(COLUMNS, [row(1, None, 2.0 * MIB, 3.0 * MIB, 7.0)], 1.0)
    assert (made.steps("read", "h1"), made.steps("reads", "h1")) == ([5.0], [7.0])
    assert (made.steps("busy", "h1"), made.steps("sent", "h1"), made.mean("busy", "h1")) == ([None], [None], None)


def test_a_row_of_two_steps_counts_in_both_by_its_part():
    made = course(COLUMNS, [row(1, 10.0), row(2.5, 30.0, seconds=1.5), row(3, 50.0, seconds=0.5)], 1.0)
    assert made.steps("busy", "h1") == [10.0, 30.0, 40.0]


def test_a_time_of_which_no_row_tells_is_not_known():
    made = course(COLUMNS, [row(1, 10.0), row(4, 20.0)], 1.0)
    assert made.steps("busy", "h1") == [10.0, None, None, 20.0]


def test_a_long_run_has_no_more_steps_and_the_same_means():
    made = course(COLUMNS, (row(second, float(second % 2 * 100)) for second in range(1, 10_001)), 1.0)
    steps = made.steps("busy", "h1")
    assert (made.step, made.count, len(steps), made.rows) == (128.0, 79, 79, 10_000)
    assert all(value == pytest.approx(50.0) for value in steps)
    assert made.mean("busy", "h1") == pytest.approx(50.0)


def test_what_stood_out_for_a_second_is_not_lost_in_a_long_step():
    made = course(COLUMNS, (row(second, 99.0 if second == 5000 else 10.0) for second in range(1, 10_001)), 1.0)
    lows, highs = made.bounds("busy", "h1")
    assert set(lows) == {10.0}
    assert [index for index, value in enumerate(highs) if value == 99.0] == [39]
    assert len(highs) == made.count


def test_bounds_of_hosts_together_hold_whatever_their_sum_was():
    rows = [row(1, 10.0), row(2, 30.0), row(1, 5.0, host="h2"), row(2, 1.0, host="h2")]
    made = course(COLUMNS, rows, 2.0)
    assert made.bounds_together("busy") == ([11.0], [35.0])
    assert made.bounds_together("busy", of="mean") == ([5.5], [17.5])
    assert made.bounds_together("busy", of="max") == ([10.0], [30.0])
    assert made.bounds_together("sent") == ([None], [None])


def test_when_a_host_began_is_told_by_its_own_clock():
    made = course(COLUMNS, [row(1, 10.0), row(7201, 30.0, host="h2")], 1.0)
    assert (made.begin("h1"), made.begin("h2")) == (1_000_000.0, 1_007_200.0)
    assert made.begin("another") == made.begin() == 1_000_000.0


def test_clocks_that_disagree_shift_no_host():
    made = course(COLUMNS, [row(1, 10.0), row(7201, 30.0, host="h2"), row(2, 20.0), row(7202, 40.0, host="h2")], 1.0)
    assert made.hosts == ("h1", "h2")
    assert made.seconds == 2.0
    assert (made.together("busy", of="mean"), made.together("busy", of="max"), made.together("busy")) == (
        [20.0, 30.0],
        [30.0, 40.0],
        [40.0, 60.0],
    )


def test_a_host_that_was_cut_off_is_left_out_of_what_comes_after():
    made = course(COLUMNS, [row(1, 10.0), row(1, 30.0, host="h2"), row(2, 20.0)], 1.0)
    assert made.together("busy", of="mean") == [20.0, 20.0]
    assert made.together("sent") == [None, None]


@pytest.mark.parametrize("absurd", [row(1e300, 1.0), row(-5.0, 1.0), row(3.0, 1.0, seconds=0.0), row(2e9, 1.0)])
def test_a_row_of_an_absurd_time_is_left_out_and_counted(absurd):
    made = course(COLUMNS, [row(1, 10.0), absurd], 1.0)
    assert (made.rows, made.left_out, made.seconds) == (1, 1, 1.0)


def test_a_row_that_claims_all_time_costs_no_more_than_another():
    made = course(COLUMNS, [row(1, 10.0), row(9e8, 1.0, seconds=1e300)], 1.0)
    assert made.rows == 2
    assert made.count <= 128


def test_hosts_without_number_cost_no_memory_without_bound():
    made = course(COLUMNS, (row(1, 1.0, host=str(number)) for number in range(MOST_HOSTS + 5)), 1.0)
    assert (len(made.hosts), made.left_out) == (MOST_HOSTS, 5)


@pytest.mark.parametrize("interval", [0.0, -1.0, 1e-300, 1e300])
def test_an_absurd_interval_is_no_obstacle(interval):
    assert course(COLUMNS, [row(1, 10.0), row(2, 20.0)], interval).mean("busy", "h1") == pytest.approx(15.0)


def test_a_series_without_rows_has_no_hosts():
    made = course(COLUMNS, [], 1.0)
    assert (made.hosts, made.rows, made.together("busy")) == ((), 0, [])


def test_every_quantity_is_of_columns_that_a_sampler_writes():
    from pytest_mlpstorage.launch.counters import columns_of

    columns = columns_of(["sda"], ["eth0"])
    for begin, end, _ in QUANTITIES.values():
        assert [name for name in columns if (name.startswith(begin) and name.endswith(end)) if end or name == begin], begin
