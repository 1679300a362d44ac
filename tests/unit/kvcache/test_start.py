"""All ranks begin at one moment, by one clock; those that do not measured nothing together, and one that is late says so."""

from __future__ import annotations

import json
import queue
import threading
import time

import pytest
from kv_jobs import a_job

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache import rank
from pytest_mlpstorage.kvcache.rank import Rank
from pytest_mlpstorage.ranks import world
from pytest_mlpstorage.ranks.world import Alone, Clock, MPIWorld


def test_ranks_whose_windows_hardly_overlap_measured_nothing_together(tmp_path):
    class Apart(Alone):
        def all(self, value):
            return [value, value + 4 * 10**7] if isinstance(value, int) else [value]

        def clocks(self):
            return [Clock("here", 0, 0), Clock("there", 5 * 10**9, 10**7)]

    with pytest.raises(BenchmarkExecutionError, match=r"together for 96\.7% of the window") as failure:
        Rank(a_job(tmp_path), Apart()).run()
    assert failure.value.details == {"late_ms": [0.0, 40.0], "clocks_differ_by_up_to_ms": 10.0}


def test_ranks_begin_at_one_moment_whatever_their_clocks_say(tmp_path, monkeypatch):
    begun = []

    class Ahead(Alone):
        rank, size = 1, 2

        def all(self, value):
            return [10**15, value] if isinstance(value, int) and value > 10**9 else [value] * 2

        def clocks(self):
            return [Clock("there", 0, 0), Clock("here", 7 * 10**6, 1000)]

    class Begun(BenchmarkExecutionError):
        pass

    def run(_runner, start_ns):
        begun.append(start_ns)
        raise Begun("seen")

    monkeypatch.setattr(rank.FloodRunner, "run", run)
    with pytest.raises(Begun):
        Rank(a_job(tmp_path, processes=2), Ahead()).run()
    assert begun == [10**15 + 10**9 + 7 * 10**6], "a second after rank 0 said when, by the own clock"


def test_a_rank_that_was_not_ready_when_the_window_began_says_so(tmp_path, monkeypatch):
    begin = rank.FloodRunner.run
    monkeypatch.setattr(rank.FloodRunner, "run", lambda runner, start_ns: begin(runner, start_ns - 10**9 - 5 * 10**6))
    job = a_job(tmp_path, duration_seconds=3.0)
    Rank(job, Alone()).run()
    evidence = json.loads(job.evidence_file(0).read_text())
    (note,) = [note for note in evidence["notes"] if note["check"] == "start"]
    assert (note["level"], "ms late" in note["message"]) == ("warning", True)
    assert evidence["late_start_ms"] >= 5
    assert evidence["window_overlap"] == 1, "alone it overlaps with nobody"


class Post:
    """Stands for a communicator of two ranks on hosts with clocks of their own, each rank a thread."""

    def __init__(self, rank, boxes, kernels):
        self.rank, self.size, self._boxes, self._kernels = rank, 2, boxes, kernels

    def Ibarrier(self):
        class Request:
            def Test(self):
                return True

        return Request()

    def allgather(self, value):
        self.send(value, 1 - self.rank)
        other = self.recv(1 - self.rank)
        return [value, other] if self.rank == 0 else [other, value]

    def send(self, value, dest):
        self._boxes[self.rank, dest].put(value)

    def recv(self, source):
        return self._boxes[source, self.rank].get(timeout=30)


def clocks_of_two(monkeypatch, kernels, ahead_ns=0):
    boxes = {place: queue.Queue() for place in ((0, 1), (1, 0))}
    told, mine = threading.local(), {}
    true = time.perf_counter_ns
    monkeypatch.setattr(world, "kernel_of_clock", lambda: kernels[told.rank])
    monkeypatch.setattr(world.time, "perf_counter_ns", lambda: true() + (ahead_ns if getattr(told, "rank", 0) else 0))

    def one(number):
        told.rank = number
        mine[number] = MPIWorld(Post(number, boxes, kernels)).clocks()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert mine[0] == mine[1]
    return mine[0]


def test_ranks_of_one_kernel_have_one_clock(monkeypatch):
    assert [(clock.offset_ns, clock.error_ns) for clock in clocks_of_two(monkeypatch, ["a", "a"])] == [(0, 0), (0, 0)]


@pytest.mark.parametrize("kernels", [["a", "b"], ["", ""]], ids=["two hosts", "nobody knows"])
def test_how_far_another_clock_is_ahead_is_measured_to_within_what_is_said(monkeypatch, kernels):
    ahead = 3_600 * 10**9
    first, second = clocks_of_two(monkeypatch, kernels, ahead)
    assert (first.offset_ns, first.error_ns) == (0, 0)
    assert abs(second.offset_ns - ahead) <= second.error_ns
