"""What was done from then to then, as a rate in each step of an axis."""

import pytest

from pytest_mlpstorage.rules.activity import Course


def test_what_was_done_evenly_is_one_rate_and_all_of_it_is_there():
    made = Course(128.0)
    made.add(0.0, 128.0, 256.0)
    assert made.step == 1.0
    assert made.rates == pytest.approx((2.0,) * 128)
    assert made.total == pytest.approx(256.0)


def test_a_part_of_a_step_counts_by_its_part():
    made = Course(128.0)
    made.add(0.5, 2.0, 3.0)
    assert made.rates[:3] == pytest.approx((1.0, 2.0, 0.0))


def test_what_took_no_time_lies_in_its_step():
    made = Course(128.0)
    made.add(5.5, 5.5, 7.0)
    made.add(128.0, 128.0, 1.0)
    assert (made.rates[5], made.rates[127]) == (7.0, 1.0)


@pytest.mark.parametrize(
    ("begin", "end", "amount"), [(-5.0, -1.0, 1.0), (200.0, 300.0, 1.0), (float("nan"), 1.0, 1.0), (0.0, float("inf"), 1.0)]
)
def test_what_lies_outside_or_nowhere_is_left_out(begin, end, amount):
    made = Course(128.0)
    made.add(begin, end, amount)
    assert made.total == 0.0


def test_what_reaches_beyond_counts_as_far_as_it_lies_inside():
    made = Course(128.0)
    made.add(-10.0, 10.0, 20.0)
    made.add(120.0, 136.0, 16.0)
    assert made.total == pytest.approx(18.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e300, float("inf")])
def test_a_course_of_absurd_length_is_no_obstacle(seconds):
    made = Course(seconds)
    made.add(0.0, 1.0, 1.0)
    assert len(made.rates) == 128


def test_before_and_after_nothing_was_to_be_done():
    made = Course(128.0)
    made.add(10.0, 20.0, 10.0)
    active = made.between(10.0, 20.0)
    assert active[:10] == (None,) * 10
    assert active[10:20] == pytest.approx((1.0,) * 10)
    assert active[20:] == (None,) * 108
