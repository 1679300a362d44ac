"""Turns at entries, and room in the memory tier: in the order of the decisions, and without anybody waiting for ever."""

from __future__ import annotations

import random
import threading
import time

from pytest_mlpstorage.kvcache.turns import MemoryRoom, Turns


def in_thread(do):
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def test_turns_at_one_entry_come_in_the_order_in_which_they_were_taken():
    turns, lock, order = Turns(), threading.Lock(), []
    taken = [turns.take(7) for _ in range(8)]

    def use(number):
        taken[number].wait()
        order.append(number)
        with lock:
            turns.give(taken[number])

    threads = [in_thread(lambda number=number: use(number)) for number in reversed(range(8))]
    for thread in threads:
        thread.join(5)
    assert order == list(range(8))
    assert len(turns) == 0


def test_turns_at_other_entries_do_not_wait_and_one_may_be_given_up_before_it_comes():
    turns = Turns()
    first, second, third, other = turns.take(1), turns.take(1), turns.take(1), turns.take(2)
    other.wait()
    turns.give(second)
    first.wait()
    turns.give(first)
    third.wait()
    turns.give(third)
    turns.give(other)
    assert len(turns) == 0


def test_room_is_given_to_a_later_decision_only_if_enough_is_left_for_all_earlier_ones():
    room, order = MemoryRoom(100), []
    room.expect(1, 60)
    room.expect(2, 30)
    room.expect(3, 30)
    assert room.take(2, 30)
    late = in_thread(lambda: order.append(room.take(3, 30)))
    time.sleep(0.1)
    assert order == []
    assert room.take(1, 60)
    time.sleep(0.1)
    assert order == []
    room.give(30)
    late.join(5)
    assert order == [True]


def test_a_decision_may_take_its_room_in_parts():
    room = MemoryRoom(10)
    room.expect(1, 4)
    room.expect(1, 6)
    assert room.take(1, 6)
    assert room.take(1, 4)
    room.give(10)
    room.expect(2, 10)
    assert room.take(2, 10)


def test_at_the_end_nobody_waits_for_room_any_longer():
    room, found = MemoryRoom(10), []
    room.expect(1, 20)
    thread = in_thread(lambda: found.append(room.take(1, 20)))
    time.sleep(0.05)
    room.end()
    thread.join(5)
    assert found == [False]


def test_many_threads_that_evict_each_other_all_come_to_an_end():
    """A policy of the simplest kind: whatever is oldest leaves, and decisions overlap as they please."""
    size, threads, each = 40, 12, 60
    turns, room, lock, held = Turns(), MemoryRoom(100), threading.Lock(), []
    numbers, most, used = iter(range(1, 10**6)), [0], [0]

    def work(seed):
        draw = random.Random(seed)
        for _ in range(each):
            with lock:
                number = next(numbers)
                victims = [held.pop(0)] if len(held) == 2 else []
                held.append(number)
                steps = [turns.take(entry) for entry in (*victims, number)]
                room.expect(number, size)
            for turn in steps:
                turn.wait()
                if draw.random() < 0.2:
                    time.sleep(0.0005)
                if turn.entry == number:
                    assert room.take(number, size)
                    used[0] += size
                    most[0] = max(most[0], used[0])
                else:
                    used[0] -= size
                    room.give(size)
                with lock:
                    turns.give(turn)

    running = [in_thread(lambda seed=seed: work(seed)) for seed in range(threads)]
    for thread in running:
        thread.join(30)
    assert not any(thread.is_alive() for thread in running)
    assert most[0] <= 100
    assert used[0] == size * len(held)
