"""What a second start keeps of a series of runs, and why it does the rest: the state of the leaves in, a plan out."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.workloads.resume import Failure, Limit, Standing, plan_series

STEPS = ("warmup", "1", "2", "3", "4", "5")
NOON = dt.datetime(2026, 11, 26, 12)
RUN = 600.0
LIMIT = Limit.of_edition(edition("3.0").training.run_gap, "2.1.18")


def at(seconds):
    return NOON + dt.timedelta(seconds=seconds)


def leaf(seconds, *, step="", invalid="", ran=RUN):
    named = at(seconds)
    return Standing(f"closed/acme/run/{named:%Y%m%d_%H%M%S}", named, named, at(seconds + ran), step, invalid)


def leaves(number, *, every=RUN + 10, **bad):
    """Runs one after another; ``bad`` is a word by the number of a run: leaf_2="its summary cannot be read"."""
    return [leaf(i * every, step=STEPS[i % 6], invalid=bad.get(f"leaf_{i}", "")) for i in range(number)]


def plan(standing, now, **more):
    return plan_series(STEPS, standing, **{"limits": [LIMIT], "binding": True, "now": at(now), "warmups": 1, **more})


def test_an_empty_tree_has_everything_to_do_and_needs_no_reason():
    found = plan([], 0)
    assert (found.kept, found.aside, found.why, found.todo) == ((), (), "", STEPS)
    assert not found.complete


def test_a_complete_series_is_kept_whatever_the_clock_says():
    standing = leaves(6)
    found = plan(standing, 10**7)
    assert found.complete
    assert (found.kept, found.aside, found.todo) == (tuple(standing), (), ())


def test_three_of_six_go_on_where_the_next_starts_in_time():
    standing = leaves(3)
    found = plan(standing, 2 * (RUN + 10) + 2 * RUN - 1)
    assert found.kept == tuple(standing)
    assert (found.aside, found.todo, found.why, found.note) == ((), ("3", "4", "5"), "", "")


@pytest.mark.parametrize("late", [0, 1, 7200])
def test_a_gap_of_twice_a_run_from_start_to_start_begins_a_new_series_and_says_so(late):
    standing = leaves(3)
    found = plan(standing, 2 * (RUN + 10) + 2 * RUN + late)
    assert (found.kept, found.todo) == ((), STEPS)
    assert [one.leaf for one in found.aside] == standing
    assert "would break 2.1.18" in found.why
    assert "less than 20 min 00 s" in found.why
    assert all("would break 2.1.18" in one.reason for one in found.aside)


def test_a_limit_that_may_be_reached_is_kept_at_the_limit():
    equal = Limit("2.1.18", "start_to_start", 2.0, "shortest", equal_passes=True)
    assert plan(leaves(3), 2 * (RUN + 10) + 2 * RUN, limits=[equal]).todo == ("3", "4", "5")
    assert plan(leaves(3), 2 * (RUN + 10) + 2 * RUN + 1, limits=[equal]).todo == STEPS


def test_the_shortest_run_sets_the_limit():
    close = [leaf(0), leaf(150, ran=100.0)]
    assert plan(close, 150 + 199).todo == STEPS[2:]
    assert plan(close, 150 + 200).todo == STEPS
    far = [*leaves(2), leaf(2 * (RUN + 10), ran=100.0)]
    assert plan(far, 2 * (RUN + 10) + 199).kept == (far[2],), "the runs before it are too far from it now"


def test_the_idle_time_of_earlier_editions_is_judged_by_the_mean():
    idle = Limit.of_edition(edition("1.0").training.run_gap, "V1-11")
    standing = [leaf(0, ran=600.0), leaf(700, ran=400.0)]
    assert plan(standing, 1100 + 500, limits=[idle]).todo == STEPS[2:]
    found = plan(standing, 1100 + 501, limits=[idle])
    assert found.todo == STEPS
    assert "from the end of one to the start of the next" in found.why


def test_checkpoints_are_read_within_a_fixed_time_and_within_the_longer_of_two():
    limits = [Limit("2.1.24", "idle", 1.0, "longest of the two"), Limit("4.7.1", "idle", seconds=30.0, equal_passes=True)]
    steps = ("write", "read")
    written = [leaf(0, step="write", ran=20.0)]
    for idle, todo, rule in ((19, ("read",), ""), (20, steps, "2.1.24"), (31, steps, "2.1.24")):
        found = plan_series(steps, written, limits=limits, now=at(20 + idle), binding=True)
        assert found.todo == todo
        assert rule in found.why
    long = [leaf(0, step="write", ran=500.0)]
    assert plan_series(steps, long, limits=limits, now=at(530), binding=True).todo == ("read",)
    assert "4.7.1" in plan_series(steps, long, limits=limits, now=at(531), binding=True).why


def test_nothing_is_claimed_in_whatif_so_a_gap_is_told_and_breaks_nothing():
    found = plan(leaves(3), 10**6, binding=False)
    assert found.todo == ("3", "4", "5")
    assert "would break 2.1.18" in found.note
    assert "in whatif the series goes on" in found.note
    assert found.aside == ()


def test_a_damaged_run_at_the_end_ends_its_series():
    found = plan(leaves(3, leaf_2="its summary cannot be read"), 3 * (RUN + 10))
    assert found.todo == STEPS
    assert "its summary cannot be read" in found.why
    assert [one.reason == "its summary cannot be read" for one in found.aside] == [False, False, True]


def test_whole_runs_after_a_damaged_one_are_kept_as_the_beginning_of_the_series():
    standing = leaves(6, leaf_1="the utilization is below the minimum (3.3.2)")
    found = plan(standing, 6 * (RUN + 10))
    assert found.kept == tuple(standing[2:])
    assert found.todo == ("4", "5")
    assert [one.leaf for one in found.aside] == standing[:2]
    assert found.aside[1].reason == "the utilization is below the minimum (3.3.2)"
    assert standing[1].name in found.aside[0].reason
    assert "3.3.2" in found.why


def test_a_complete_series_with_a_damaged_run_is_done_again_as_a_whole_where_too_much_time_has_passed():
    found = plan(leaves(6, leaf_4="its summary cannot be read"), 10**6)
    assert found.todo == STEPS
    assert len(found.aside) == 6
    assert "its summary cannot be read" in found.why


def test_six_consecutive_runs_of_a_longer_tree_are_a_series_and_what_is_not_of_it_is_set_aside():
    early, series = leaves(2), [leaf(10**5 + i * (RUN + 10)) for i in range(6)]
    found = plan([*early, *series], 10**7)
    assert found.complete
    assert found.kept == tuple(series)
    assert [one.leaf for one in found.aside] == early


def test_a_series_that_is_broken_in_the_middle_is_no_series_in_closed_and_one_in_whatif():
    standing = [*leaves(3), *(leaf(10**5 + i * (RUN + 10)) for i in range(3))]
    closed = plan(standing, 10**5 + 3 * (RUN + 10))
    assert closed.kept == tuple(standing[3:])
    assert closed.todo == ("3", "4", "5")
    assert all("breaks 2.1.18" in one.reason for one in closed.aside)
    assert plan(standing, 10**7, binding=False).complete


def test_a_damaged_run_in_whatif_is_done_again_alone():
    standing = leaves(6, leaf_3="its summary cannot be read")
    found = plan(standing, 10**6, binding=False)
    assert found.kept == tuple(s for s in standing if not s.invalid)
    assert found.todo == ("5",)
    assert [one.leaf for one in found.aside] == [standing[3]]
    assert "its summary cannot be read" in found.why


def test_in_whatif_measured_runs_without_their_warm_up_are_no_series():
    found = plan(leaves(6, leaf_0="its summary cannot be read"), 10**6, binding=False)
    assert found.todo == STEPS
    assert "no warm-up" in found.why
    assert plan(leaves(6, leaf_0="its summary cannot be read"), 10**6, binding=False, warmups=0).todo == ("5",)


def test_a_run_that_failed_by_itself_may_not_lie_between_two_of_a_series():
    failed = [Failure(at(3 * (RUN + 10)), "rank 1 was ended by SIGSEGV")]
    found = plan(leaves(3), 3 * (RUN + 10) + 60, failures=failed)
    assert found.todo == STEPS
    assert "SIGSEGV" in found.why
    assert plan(leaves(3), 3 * (RUN + 10) + 60, failures=failed, binding=False).todo == ("3", "4", "5")
    assert plan(leaves(3), 3 * (RUN + 10) + 60, failures=[Failure(at(-60), "earlier")]).todo == ("3", "4", "5")


def test_another_data_set_ends_a_series_that_is_not_complete():
    found = plan(leaves(3), 3 * (RUN + 10), broken="the data set was generated anew")
    assert (found.todo, found.why) == (STEPS, "the data set was generated anew")
    assert plan(leaves(3), 10**6, broken="the data set was generated anew", binding=False).todo == STEPS
    assert plan(leaves(6), 10**6, broken="the data set was generated anew").complete


def test_all_is_done_again_where_it_was_asked_for():
    found = plan(leaves(6), 10**6, forced="--mlps-rerun=run")
    assert found.todo == STEPS
    assert [one.reason for one in found.aside] == ["--mlps-rerun=run"] * 6
    assert found.why == "--mlps-rerun=run"
    assert plan([], 0, forced="--mlps-rerun=run").why == ""


def test_a_run_without_times_can_be_followed_by_none():
    nameless = Standing("closed/acme/run/20261399_999999", None)
    found = plan([nameless], 0)
    assert found.todo == STEPS
    assert "does not say when it ran" in found.why


@given(
    starts=st.lists(st.integers(0, 20_000), max_size=9, unique=True),
    bad=st.sets(st.integers(0, 8)),
    wait=st.integers(0, 3000),
    binding=st.booleans(),
    failed=st.lists(st.integers(0, 20_000), max_size=2),
)
def test_whatever_stands_is_kept_or_set_aside_and_what_is_kept_is_consecutive(starts, bad, wait, binding, failed):
    standing = [leaf(s, invalid="damaged" if i in bad else "") for i, s in enumerate(sorted(starts))]
    now = max(starts, default=0) + wait
    found = plan(standing, now, binding=binding, failures=[Failure(at(f), "x") for f in failed])
    assert sorted([s.relpath for s in found.kept] + [one.leaf.relpath for one in found.aside]) == [s.relpath for s in standing]
    assert not any(s.invalid for s in found.kept)
    assert all(one.reason for one in found.aside)
    assert len(found.kept) + len(found.todo) == max(len(STEPS), len(found.kept))
    if found.todo and standing:
        assert found.kept or found.why
    if binding:
        for one, two in zip(found.kept, found.kept[1:], strict=False):
            assert (two.named - one.named).total_seconds() < 2 * RUN
        if found.kept and found.todo:
            assert (at(now) - found.kept[-1].named).total_seconds() < 2 * RUN
