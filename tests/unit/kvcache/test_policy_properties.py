"""Tiers under random steps: counters that always add up, limits that hold, a plain LRU at the end, and evictions that cost the same."""

from __future__ import annotations

import random
import time
from collections import OrderedDict

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlpstorage.kvcache.policy import TierPolicy


def replay(shadow, moves):
    """Apply moves to a plain model of the tiers that knows no limits, checking that each can be done."""
    for move in moves:
        if move.kind == "write":
            assert all(move.entry not in tier for tier in shadow)
        else:
            assert shadow[move.from_tier].pop(move.entry) == move.bytes
        if move.to_tier is not None:
            shadow[move.to_tier][move.entry] = move.bytes


def steps(policy, seed, count, sizes):
    """Random steps; after each the counters are those of the entries held."""
    draw = random.Random(seed)
    shadow = [{} for _ in policy.limits]
    usage = [0] * len(shadow)
    for _ in range(count):
        entry, action = draw.randrange(400), draw.random()
        if action < 0.55:
            moves = policy.place(entry, draw.choice(sizes))
            for move in moves:
                for tier, sign in ((move.from_tier, -1), (move.to_tier, 1)):
                    if tier is not None:
                        usage[tier] += sign * move.bytes
            replay(shadow, moves)
        elif action < 0.95:
            policy.touch(entry)
        else:
            dropped = policy.drop(entry)
            if dropped:
                usage[dropped.from_tier] -= dropped.bytes
                replay(shadow, [dropped])
        assert [policy.usage(tier) for tier in range(len(shadow))] == usage
    for tier, held in enumerate(shadow):
        assert policy.usage(tier) == sum(held.values())
        assert policy.entries(tier) == len(held)
        assert all(policy.lookup(entry) == tier for entry in held)
    return shadow


def test_a_hundred_thousand_random_steps_keep_every_counter_true():
    steps(TierPolicy((3000, 5000, 40_000)), 7, 100_000, (10, 37, 200, 900, 2_700, 2_900, 4_800, 30_000))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 5000), min_size=0, max_size=3),
    st.integers(1, 5000),
    st.lists(st.integers(1, 6000), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_any_tiers_keep_their_counters_and_their_limits(upper, last, sizes, seed):
    policy = TierPolicy((*upper, last))
    steps(policy, seed, 300, sizes)
    for tier, limit in enumerate(upper):
        # 80 %, or one entry of at most 95 % on top of less than 5 %.
        assert policy.usage(tier) <= limit


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=200))
def test_the_last_tier_alone_is_a_plain_lru(steps_taken):
    policy, plain = TierPolicy((1000,)), OrderedDict()
    for entry, reads in steps_taken:
        if reads:
            policy.touch(entry)
            if entry in plain:
                plain.move_to_end(entry)
        elif entry not in plain:
            policy.place(entry, 100)
            while len(plain) >= 10:
                plain.popitem(last=False)
            plain[entry] = 100
    assert {entry for entry in range(31) if policy.lookup(entry) == 0} == set(plain)


def test_an_eviction_costs_the_same_however_many_entries_there_are():
    """A sort, or a look at every entry, would make it 20,000 times 100,000 steps: minutes."""
    policy = TierPolicy((1000, 100_000))
    for entry in range(100_800):
        policy.place(entry, 1)
    started = time.process_time()
    for entry in range(20_000):
        assert [move.kind for move in policy.place(200_000 + entry, 1)] == ["delete", "demote", "write"]
    assert time.process_time() - started < 5
