"""Tiers: every edge of the book's limits, demotion in its order, least recently used first, and counters."""

from __future__ import annotations

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.policy import EvictionLimits, Move, TierPolicy

CPU, STORAGE = 0, 1


def two(cpu=1000, storage=100_000, **options):
    return TierPolicy((cpu, storage), **options)


def write(entry, size, tier):
    return Move("write", entry, size, None, tier)


def demote(entry, size, source=CPU, target=STORAGE):
    return Move("demote", entry, size, source, target)


def delete(entry, size, source=STORAGE):
    return Move("delete", entry, size, source, None)


def test_a_write_goes_to_the_first_tier_that_has_room():
    policy = two()
    assert policy.place(1, 100) == [write(1, 100, CPU)]
    assert policy.lookup(1) == CPU
    assert policy.held_bytes(1) == 100
    assert policy.lookup(2) is None
    assert policy.held_bytes(2) is None


def test_a_present_entry_is_not_written_again():
    policy = two()
    policy.place(1, 100)
    assert policy.place(1, 500) == []
    assert policy.usage(CPU) == 100


@pytest.mark.parametrize(("size", "tier"), [(949, CPU), (950, CPU), (951, STORAGE)])
def test_an_entry_over_95_percent_of_a_tier_is_refused_there(size, tier):
    assert two().place(1, size) == [write(1, size, tier)]


@pytest.mark.parametrize(("size", "moves"), [(300, [write(2, 300, CPU)]), (301, [demote(1, 500), write(2, 301, CPU)])])
def test_a_tier_is_filled_to_80_percent_and_not_a_byte_more(size, moves):
    policy = two()
    policy.place(1, 500)
    assert policy.place(2, size) == moves


@pytest.mark.parametrize(("held", "tier"), [(49, CPU), (50, STORAGE)])
def test_a_tier_less_than_5_percent_full_accepts_unchecked(held, tier):
    """At 5 % the same entry is one that would not fit under 80 % and is over half of that, in a tier under 20 %."""
    policy = two()
    policy.place(1, held)
    assert policy.place(2, 800) == [write(2, 800, tier)]


@pytest.mark.parametrize(
    ("held", "size", "moves"),
    [
        (199, 601, [write(2, 601, CPU)]),  # 800 is 80 %
        (199, 602, [write(2, 602, STORAGE)]),  # under 20 %, over 400: evicting would not help
        (200, 602, [demote(1, 200), write(2, 602, CPU)]),  # 20 % is not under 20 %
    ],
)
def test_a_tier_under_20_percent_refuses_an_entry_over_half_its_target(held, size, moves):
    policy = two()
    policy.place(1, held)
    assert policy.place(2, size) == moves


def test_an_entry_of_half_the_target_is_not_large():
    """With a target of 20 % the half of it is 10 %: 100 bytes are not over it, 101 are."""
    limits = EvictionLimits(target_usage_ratio=0.2)
    for size, tier in ((100, CPU), (101, STORAGE)):
        policy = two(eviction=limits)
        policy.place(1, 150)
        assert policy.place(2, size)[-1] == write(2, size, tier)


def test_the_oldest_are_demoted_first_and_only_as_many_as_needed():
    policy = two()
    for entry in (1, 2, 3, 4):
        policy.place(entry, 200)
    policy.touch(1)
    assert policy.place(5, 300) == [demote(2, 200), demote(3, 200), write(5, 300, CPU)]
    assert [policy.lookup(entry) for entry in (1, 2, 3, 4, 5)] == [CPU, STORAGE, STORAGE, CPU, CPU]


def test_looking_for_an_entry_does_not_make_it_younger():
    policy = two()
    for entry in (1, 2):
        policy.place(entry, 400)
    policy.lookup(1)
    policy.held_bytes(1)
    assert policy.place(3, 100)[0] == demote(1, 400)


def test_reading_an_entry_does_not_promote_it():
    policy = two()
    policy.place(1, 960)
    policy.touch(1)
    policy.touch(77)
    assert policy.lookup(1) == STORAGE
    assert policy.usage(CPU) == 0


def test_an_entry_that_sank_is_as_old_below_as_it_was_above():
    policy = two(storage=2000)
    policy.place(1, 500)
    policy.place(2, 960)  # too large for the CPU tier
    assert policy.place(3, 400) == [demote(1, 500), write(3, 400, CPU)]
    # 1 came to the storage after 2, but was used before it.
    assert policy.place(4, 960) == [delete(1, 500), write(4, 960, STORAGE)]


def test_what_is_read_after_it_sank_is_young():
    policy = two(storage=2000)
    policy.place(1, 500)
    policy.place(2, 960)
    policy.place(3, 400)
    policy.touch(1)
    assert policy.place(4, 960)[0] == delete(2, 960)
    assert policy.lookup(1) == STORAGE


def test_entries_sink_in_any_order_of_age_and_leave_in_the_right_one():
    policy = TierPolicy((100, 200, 1000))
    policy.place(1, 80)  # the oldest, in tier 0
    policy.place(2, 160)  # tier 1
    policy.place(3, 150)  # sinks 2 into the last tier, which 1 has not reached yet
    assert policy.lookup(2) == 2
    assert policy.place(4, 80) == [demote(3, 150, 1, 2), demote(1, 80, 0, 1), write(4, 80, 0)]
    assert policy.place(5, 150)[0] == demote(1, 80, 1, 2)
    policy.place(6, 960 - 150)  # 390 are held
    assert [policy.lookup(entry) for entry in (1, 2, 3)] == [None, None, 2]


def test_the_last_tier_is_filled_to_the_brim_and_deletes_the_oldest():
    policy = TierPolicy((0, 1000))
    assert policy.place(1, 400) == [write(1, 400, STORAGE)]
    assert policy.place(2, 600) == [write(2, 600, STORAGE)]
    policy.touch(1)
    assert policy.place(3, 1) == [delete(2, 600), write(3, 1, STORAGE)]
    assert policy.place(4, 600) == [delete(1, 400), write(4, 600, STORAGE)]


def test_the_last_tier_never_refuses():
    policy = TierPolicy((1000,))
    policy.place(1, 900)
    assert policy.place(2, 5000) == [Move("delete", 1, 900, 0, None), Move("write", 2, 5000, None, 0)]
    assert policy.usage(0) == 5000


def test_the_last_tier_takes_a_large_entry_without_evicting_while_it_is_under_5_percent():
    policy = TierPolicy((1000,))
    policy.place(1, 49)
    assert policy.place(2, 2000) == [Move("write", 2, 2000, None, 0)]


def test_three_tiers_demote_down_the_row_before_the_new_entry_is_written():
    policy = TierPolicy((1000, 1000, 1000))
    for entry in (1, 2):
        policy.place(entry, 400)  # tier 0 holds 800
    policy.place(3, 400)  # 1 sinks
    policy.place(4, 400)  # 2 sinks
    assert policy.place(5, 400) == [demote(1, 400, 1, 2), demote(3, 400, 0, 1), write(5, 400, 0)]
    assert policy.place(6, 400) == [demote(2, 400, 1, 2), demote(4, 400, 0, 1), write(6, 400, 0)]
    # 1 and 2 fill 800 of the last tier: to sink another 400 it must delete.
    assert policy.place(7, 400) == [delete(1, 400, 2), demote(3, 400, 1, 2), demote(5, 400, 0, 1), write(7, 400, 0)]


def test_a_tier_of_nothing_is_passed_over_in_a_demotion():
    policy = TierPolicy((1000, 0, 10_000))
    policy.place(1, 800)
    assert policy.place(2, 100) == [demote(1, 800, 0, 2), write(2, 100, 0)]


def test_a_tier_that_cannot_take_the_victim_makes_the_tier_above_refuse():
    policy = TierPolicy((1000, 500, 10_000))
    policy.place(1, 800)
    assert policy.place(2, 100) == [write(2, 100, 1)]
    assert policy.lookup(1) == 0


def test_steps_before_a_refusal_stay_done():
    """The official tool has moved them by then, and so must we."""
    policy = TierPolicy((1000, 500, 10_000))
    policy.place(1, 100)
    policy.place(2, 650)
    assert policy.place(3, 400) == [demote(1, 100, 0, 1), demote(1, 100, 1, 2), write(3, 400, 1)]


@pytest.mark.parametrize(("held", "most"), [(1000, 1100), (1, 1000), (4900, 5000), (6000, 5000)])
def test_one_call_evicts_at_most_the_entries_and_a_hundred_between_1000_and_5000(held, most):
    assert EvictionLimits().most_evictions(held) == most


def test_a_call_that_may_evict_no_more_refuses_and_the_last_tier_accepts_over_its_limit():
    limits = EvictionLimits(max_evictions_hard_cap=2, max_evictions_min=2)
    policy = TierPolicy((1000, 1000), eviction=limits)
    for entry in range(8):
        policy.place(entry, 100)
    assert policy.place(8, 700) == [demote(0, 100), demote(1, 100), write(8, 700, STORAGE)]
    assert policy.place(9, 960) == [delete(0, 100), delete(1, 100), write(9, 960, STORAGE)]
    assert policy.usage(STORAGE) == 1660


def test_demotions_go_no_deeper_than_allowed():
    limits = EvictionLimits(max_recursion_depth=1)
    policy = TierPolicy((100, 100, 100, 1000), eviction=limits)
    for entry in range(1, 5):
        policy.place(entry, 80)
    assert [policy.lookup(entry) for entry in (1, 2, 3, 4)] == [3, 0, 1, 2]


def test_ten_levels_are_allowed_and_the_eleventh_is_not():
    policy = TierPolicy((100,) * 13)
    for entry in range(11):
        policy.place(entry, 80)
    assert [policy.lookup(entry) for entry in range(11)] == list(range(10, -1, -1))
    policy.place(11, 80)
    assert (policy.lookup(11), policy.lookup(10), policy.lookup(0)) == (1, 0, 11)


def test_an_entry_can_be_dropped():
    policy = two()
    policy.place(1, 100)
    assert policy.drop(1) == delete(1, 100, CPU)
    assert policy.drop(1) is None
    assert policy.usage(CPU) == 0


def test_counters_say_what_moved():
    policy = two(storage=1000)
    for entry in range(1, 5):
        policy.place(entry, 700)
    assert (policy.entries(CPU), policy.entries(STORAGE)) == (1, 1)
    assert policy.written_bytes == 2800
    assert policy.demoted_bytes == 2100
    assert policy.deleted_bytes == 1400
    assert (policy.writes, policy.demotions, policy.deletions) == (4, 3, 2)


@pytest.mark.parametrize("limits", [(), (-1,), (5, -3), (5, 0)])
def test_tiers_that_hold_nothing_at_the_end_or_less_than_nothing_are_refused(limits):
    with pytest.raises(ConfigurationError, match="tier"):
        TierPolicy(limits)


def test_an_entry_of_no_bytes_is_refused():
    with pytest.raises(ValueError, match="0 bytes"):
        two().place(1, 0)
