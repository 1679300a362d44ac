"""Clocks compared in a tree, by ranks that are threads with clocks of their own."""

from __future__ import annotations

import threading
import time

import pytest
from ranks_as_threads import Letters

from pytest_mlpstorage.cluster.clocks import Accuracy, Offset, best_of, clock_offsets, kernel_of_clock

SECOND = 10**9


def compare(ahead_ns, kernels=None):
    letters = Letters(len(ahead_ns))
    kernels = kernels or [f"kernel {number}" for number in range(letters.size)]
    found = {}

    def one(rank):
        post = letters.of(rank)
        found[rank] = clock_offsets(post, kernels, post.gather, lambda: time.perf_counter_ns() + ahead_ns[rank])

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(letters.size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(told == found[0] for told in found.values()), "every rank knows the same"
    return found[0], letters


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_every_clock_is_known_against_the_first_to_within_what_is_said(size):
    ahead = [(-1) ** rank * rank * 3600 * SECOND for rank in range(size)]
    found, _ = compare(ahead)
    assert found[0] == Offset()
    assert all(abs(told.offset_ns - (real - ahead[0])) <= told.error_ns for told, real in zip(found, ahead, strict=True))


def test_what_is_not_known_of_a_clock_adds_up_on_the_way_to_it():
    found, _ = compare([0] * 4)
    assert found[3].error_ns > found[2].error_ns > 0, "rank 2 has asked rank 3"


def test_no_rank_talks_to_all_others():
    _, letters = compare([0] * 16)
    partners = {rank: {there for here, there in letters.sent if here == rank} for rank in range(16)}
    assert max(map(len, partners.values())) == 4, "as many as the number of ranks has doublings"
    assert partners[0] == {1, 2, 4, 8}


def test_ranks_of_one_kernel_have_its_clock_and_only_one_of_them_is_asked():
    ahead = [0, 0, 5 * SECOND, 5 * SECOND, 0]
    found, letters = compare(ahead, ["a", "a", "b", "b", "a"])
    assert {rank for pair in letters.sent for rank in pair} == {0, 2}
    assert found[0] == found[1] == found[4] == Offset()
    assert found[2] == found[3]
    assert abs(found[2].offset_ns - 5 * SECOND) <= found[2].error_ns


def test_a_kernel_that_nobody_knows_is_one_of_its_own():
    found, letters = compare([0, SECOND, 2 * SECOND], ["", "", ""])
    assert {rank for pair in letters.sent for rank in pair} == {0, 1, 2}
    assert [round(told.offset_ns / SECOND) for told in found] == [0, 1, 2]


@pytest.mark.parametrize(
    ("errors", "asked"),
    [([9, 9, 9, 9, 9], 3), ([99, 99, 99, 9, 9], 4), ([99] * 9, 5)],
    ids=["known at once", "known at the fourth", "never known"],
)
def test_it_is_asked_until_enough_is_known_but_not_for_ever(errors, asked):
    told = iter([Offset(number, error) for number, error in enumerate(errors)])
    taken = []

    def ask():
        taken.append(next(told))
        return taken[-1]

    best = best_of(ask, Accuracy(rounds=3, most_rounds=5, known_ns=10))
    assert (len(taken), best) == (asked, min(taken, key=lambda one: one.error_ns))


def test_a_kernel_is_known_by_its_start_and_its_view_of_time(tmp_path):
    assert kernel_of_clock() == kernel_of_clock() != ""
    assert kernel_of_clock(tmp_path) == ""
