"""The window-true account: chunks by completion, writes once durable, and what is in flight at an edge."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.io import READ, WRITE

MIB = 1024**2
S = 10**9
START = 7_000_123 * S
WINDOW = 10 * S


@pytest.fixture
def account():
    return WindowAccount(WINDOW, start_ns=START)


def move(account, kind, ends, durable=None, size=MIB, took=S // 2):
    """Chunks that end at these times after the start; a durable time of None is that of a write that is not durable."""
    ends = np.array(ends, np.int64) + START
    account(kind, np.full(len(ends), size, np.int64), ends - took, ends, 0 if durable is None else durable + START)


def test_a_read_counts_by_the_chunks_that_were_completed_in_the_window(account):
    move(account, READ, [-1, 0, 5 * S, WINDOW - 1, WINDOW, 20 * S], durable=20 * S)
    assert account.read.bytes == 3 * MIB
    assert account.read_bytes == 6 * MIB
    assert account.read_latency.count == 3
    assert account.write.bytes == account.written_bytes == account.write_not_durable_bytes == 0


def test_a_write_counts_only_if_it_became_durable_in_the_window(account):
    move(account, WRITE, [1 * S, 2 * S], durable=WINDOW - 1)
    move(account, WRITE, [8 * S, 9 * S, 11 * S], durable=WINDOW)
    move(account, WRITE, [9 * S])
    assert account.write.bytes == 2 * MIB
    assert account.write_not_durable_bytes == 3 * MIB
    assert account.written_bytes == 6 * MIB
    assert account.write_latency.count == 5
    assert account.read.bytes == account.read_bytes == account.read_latency.count == 0


def test_bytes_of_a_durable_write_before_the_window_do_not_count(account):
    move(account, WRITE, [-S, S], durable=2 * S)
    move(account, WRITE, [-S], durable=-S)
    assert account.write.bytes == MIB
    assert account.write_not_durable_bytes == 0


def test_a_read_that_was_abandoned_counts_by_the_chunks_that_arrived(account):
    move(account, READ, [S, 2 * S])
    assert account.read.bytes == 2 * MIB


def test_where_nothing_is_made_durable_writes_count_when_they_complete():
    account = WindowAccount(WINDOW, start_ns=START, makes_durable=False)
    move(account, WRITE, [S, 11 * S])
    assert (account.write.bytes, account.write_not_durable_bytes) == (MIB, 0)


def test_an_object_without_a_chunk_counts_nothing(account):
    move(account, READ, [])
    move(account, WRITE, [])
    assert account.read.bytes == account.write.bytes == account.write_not_durable_bytes == 0


def test_chunks_have_the_latency_of_their_own_calls(account):
    move(account, READ, [S, 2 * S], took=S // 10)
    move(account, WRITE, [S], durable=2 * S, took=S // 5)
    assert (account.read_latency.ms()["max"], account.write_latency.ms()["mean"]) == (100, 200)


def test_what_it_is_told_stays_the_callers(account):
    sizes, ends = np.full(2, MIB, np.int64), np.array([START + 1, START + 2])
    for array in (sizes, ends):
        array.flags.writeable = False
    account(READ, sizes, ends, ends, 0)
    assert account.read.bytes == 2 * MIB


def test_threads_that_move_objects_at_once_lose_none(account):
    def work(kind):
        for number in range(50):
            move(account, kind, [number * 10**7 + 1] * 70, durable=S, took=1)

    threads = [threading.Thread(target=work, args=(kind,)) for kind in (READ, WRITE) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert account.read.bytes == account.write.bytes == 3 * 50 * 70 * MIB
    assert account.read_latency.count == account.write_latency.count == 3 * 50 * 70


def test_a_backend_of_a_known_rate_is_measured_at_that_rate(account):
    """A queue of objects on a device of 100 MiB/s: the account says so, whatever is still in flight at the end."""
    for number in range(40):
        move(account, READ, [(32 * number + chunk + 1) * 10**7 for chunk in range(32)])
    assert account.read.gib_per_second * 1024 == pytest.approx(100, rel=0.002)
