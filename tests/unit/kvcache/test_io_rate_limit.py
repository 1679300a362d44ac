"""A target of a known rate: kept to, by one thread or many, by reads and writes in sum."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache.io import READ, WRITE, Stop
from pytest_mlpstorage.kvcache.rate_limit import RateLimitedTarget
from pytest_mlpstorage.units import MIB

CHUNK = MIB // 4
RATE = 100 * MIB


class Clock:
    """Time that passes where somebody sleeps, and nowhere else; who sleeps goes on ``late_ns`` too late, as on a busy machine."""

    def __init__(self, late_ns):
        self._late_ns = late_ns
        self._lock = threading.Lock()
        self._now = 10**9
        self._asked = threading.local()

    def perf_counter_ns(self):
        with self._lock:
            self._asked.now = self._now
            return self._now

    def perf_counter(self):
        return self.perf_counter_ns() / 1e9

    def sleep(self, seconds):
        with self._lock:
            # Threads sleep at the same time, each from when it looked at the clock.
            self._now = max(self._now, self._asked.now + round(seconds * 1e9) + self._late_ns)


@pytest.fixture(params=[0, 1_000_000], ids=["in time", "1 ms late"])
def clock(request, monkeypatch):
    made = Clock(request.param)
    monkeypatch.setattr("pytest_mlpstorage.kvcache.rate_limit.time", made)
    return made


def measured(threads, clock=time):
    """Bytes a second from the first submission to the last completion."""
    done = []

    def sink(kind, bytes, t_submit_ns, t_complete_ns, durable_ns):
        done.append((kind, int(bytes.sum()), int(t_submit_ns[0]), int(t_complete_ns[-1])))

    store = RateLimitedTarget(rate=RATE, chunk=CHUNK, sink=sink)
    until = clock.perf_counter() + 1.5

    def work(number):
        store.write_object(number, 3 * CHUNK, pass_no=0)
        while clock.perf_counter() < until:
            store.read_object(number, 3 * CHUNK, pass_no=0)

    with ThreadPoolExecutor(threads) as pool:
        for job in [pool.submit(work, number) for number in range(threads)]:
            job.result()
    seconds = (max(end for *_, end in done) - min(start for _, _, start, _ in done)) / 1e9
    assert {kind for kind, *_ in done} == {READ, WRITE}
    return sum(size for _, size, _, _ in done) / seconds


@pytest.mark.parametrize("threads", [1, 16])
def test_reads_and_writes_in_sum_have_the_rate(threads, clock):
    assert 0.98 < measured(threads, clock) / RATE < 1.02


@pytest.mark.parametrize("threads", [1, 16])
def test_in_real_time_they_never_have_more_than_the_rate(threads):
    # How much less it is, is for the processors to say that this machine has to spare.
    assert 0 < measured(threads) / RATE < 1.02


def test_after_a_pause_no_more_than_a_chunk_is_for_nothing(clock):
    store, due = RateLimitedTarget(rate=RATE, chunk=CHUNK), 9 * CHUNK / RATE * 1e9
    store.write_object(1, CHUNK, pass_no=0)
    clock.perf_counter()
    clock.sleep(0.1)
    times = store.read_object(1, CHUNK, pass_no=0), store.write_object(2, 9 * CHUNK, pass_no=0)
    assert (times[1].chunks, times[1].bytes, times[1].moved_bytes) == (9, 9 * CHUNK, 9 * CHUNK)
    assert 0.95 * due < times[1].t_complete_ns - times[0].t_submit_ns < 1.05 * due


def test_who_waits_really_sleeps_and_goes_on_when_it_is_time():
    store = RateLimitedTarget(rate=RATE, chunk=CHUNK)
    store.write_object(1, CHUNK, pass_no=0)
    idle = time.thread_time()
    times = store.write_object(2, 40 * CHUNK, pass_no=0)
    assert time.thread_time() - idle < 0.05
    assert times.t_complete_ns - times.t_submit_ns > 0.95 * 39 * CHUNK / RATE * 1e9


def test_an_entry_that_is_not_there_is_an_error():
    store = RateLimitedTarget(rate=RATE, chunk=CHUNK)
    store.write_object(1, 100, pass_no=0)
    for wrong in (lambda: store.read_object(2, 100, pass_no=0), lambda: store.read_object(1, 101, pass_no=0), lambda: store.delete(2)):
        with pytest.raises(FileSystemError, match="No such entry"):
            wrong()
    store.delete(1)
    with pytest.raises(FileSystemError, match="cannot delete"):
        store.delete(1)
    store.write_object(1, 100, pass_no=0)
    store.close()
    with pytest.raises(FileSystemError, match="cannot read"):
        store.read_object(1, 100, pass_no=0)


def test_what_is_stopped_is_abandoned_and_not_kept():
    stop = Stop()
    store = RateLimitedTarget(rate=RATE, chunk=CHUNK, stop=stop)
    stop.now = True
    times = store.write_object(1, 3 * CHUNK, pass_no=0)
    assert (times.abandoned, times.bytes, times.chunks) == (True, 0, 0)
    with pytest.raises(FileSystemError):
        store.read_object(1, 3 * CHUNK, pass_no=0)
