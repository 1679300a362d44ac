"""What profile ``serving`` may choose of the cache policy: first in, first out, and that what was read goes up."""

from __future__ import annotations

from pytest_mlpstorage.kvcache.policy import Move, TierPolicy


def test_first_in_first_out_does_not_care_what_was_read_since():
    moves = {}
    for order in ("lru", "fifo"):
        policy = TierPolicy([0, 0, 300], order=order)
        for entry in (1, 2, 3):
            policy.place(entry, 100)
        policy.touch(1)
        moves[order] = policy.place(4, 100)[0]
    assert moves == {"lru": Move("delete", 2, 100, 2, None), "fifo": Move("delete", 1, 100, 2, None)}


def test_what_sinks_by_first_in_first_out_is_the_newest_where_it_sinks_to():
    policy = TierPolicy([0, 1000, 200], order="fifo")
    for entry in range(10):
        policy.place(entry, 100)
    # 0 and 1 went down in this order; 2 follows, and 0 goes.
    assert policy.place(10, 100) == [
        Move("delete", 0, 100, 2, None),
        Move("demote", 2, 100, 1, 2),
        Move("write", 10, 100, None, 1),
    ]


def test_a_promotion_takes_the_entry_out_first_makes_room_and_puts_it_in():
    policy = TierPolicy([0, 1000, 5000])
    for entry in range(9):
        policy.place(entry, 100)
    assert policy.lookup(0) == 2
    assert policy.promote(0) == [
        Move("promote", 0, 100, 2, None),
        Move("demote", 1, 100, 1, 2),
        Move("promote", 0, 100, None, 1),
    ]
    assert (policy.lookup(0), policy.lookup(1), policy.promotions) == (1, 2, 1)
    assert (policy.usage(1), policy.usage(2)) == (800, 100)


def test_what_is_in_the_fastest_tier_or_held_by_none_or_too_large_for_any_is_not_promoted():
    policy = TierPolicy([0, 100, 5000])
    policy.place(1, 50)
    policy.place(2, 96)
    assert [policy.promote(entry) for entry in (1, 2, 3)] == [[], [], []]
    assert (policy.lookup(1), policy.lookup(2), policy.promotions) == (1, 2, 0)


def test_a_promotion_to_the_fastest_of_three_sinks_what_is_in_its_way():
    policy = TierPolicy([200, 200, 5000])
    for entry in range(5):
        policy.place(entry, 80)
    before = [policy.usage(tier) for tier in range(3)]
    moves = policy.promote(0)
    assert (moves[0], moves[-1]) == (Move("promote", 0, 80, 2, None), Move("promote", 0, 80, None, 0))
    assert policy.lookup(0) == 0
    assert sum(before) == sum(policy.usage(tier) for tier in range(3))
