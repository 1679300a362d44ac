"""The load of a pass with the real threads: order of operations, rates, drain, tiers, and what happens when storage fails."""

from __future__ import annotations

import collections
import itertools
import threading
import time

import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError, FileSystemError
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.buffers import Arena
from pytest_mlpstorage.kvcache.events import NEVER, REQUEST_EVENT_DTYPE, EventLog, Kind, Reason, Tier, read_events
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.io_gpu import ModelledGPU
from pytest_mlpstorage.kvcache.io_memory import MemoryTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.models import model
from pytest_mlpstorage.kvcache.official_view import OfficialPass, official_view
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.population import TEMPLATES, User, population, scaled_contexts
from pytest_mlpstorage.kvcache.rate_limit import RateLimitedTarget
from pytest_mlpstorage.kvcache.requests import decode_reads
from pytest_mlpstorage.kvcache.runner import FloodRunner, Pace
from pytest_mlpstorage.kvcache.schedule import FloodOptions, compile_flood
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.kvcache.tiers import Asker, Load, Tiers
from pytest_mlpstorage.kvcache.work import PREFIX_WORDS

S, MIB = 10**9, 1024**2
CHUNK = 128 * 1024
TINY = model("tiny-1b")


class Bench:
    """A pass of a schedule on a target; ``run`` gives what the logs say."""

    def __init__(self, folder, schedule, *, workers, rate=None, target=None, limits=(0, 0, 2**40), most_writes=0, its_model=TINY, **pace):
        self.folder, self.schedule, self.workers, self.model = folder, schedule, workers, its_model
        self.stop, self.account = Stop(), WindowAccount(schedule.duration_ns)
        self.arena, self.content = Arena(workers, CHUNK), Content(CHUNK, verify="full")
        (folder / "cache").mkdir(exist_ok=True)
        if target is not None:
            self.storage = target
        elif rate is not None:
            self.storage = RateLimitedTarget(rate=rate, chunk=CHUNK, sink=self.account, stop=self.stop)
        else:
            self.storage = ObjectTarget(ObjectLayout(folder / "cache"), self.arena, self.content, sink=self.account, stop=self.stop)
        self.policy = TierPolicy(limits)
        memory = MemoryTarget(limits[1], self.arena, self.content) if limits[1] else None
        self.events_log, self.requests_log = EventLog(folder / "events"), EventLog(folder / "requests", REQUEST_EVENT_DTYPE)
        self.tiers = Tiers(
            self.policy, self.storage, self.events_log, memory=memory, gpu=ModelledGPU() if limits[0] else None, stop=self.stop,
            window_ns=schedule.duration_ns, most_writes=most_writes,
        )  # fmt: skip
        self.beats = []
        self.runner = FloodRunner(
            schedule, its_model, self.tiers, self.requests_log, Pace(workers, **pace), stop=self.stop,
            heartbeat=lambda *beat: self.beats.append(beat),
        )  # fmt: skip

    def run(self):
        self.account.start_ns = time.perf_counter_ns() + S // 20
        try:
            self.outcome = self.runner.run(self.account.start_ns)
        finally:
            self.events_log.close()
            self.requests_log.close()
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("mlps-")]
        self.events = read_events(self.folder / "events")
        self.requests = read_events(self.folder / "requests", REQUEST_EVENT_DTYPE)
        return self.outcome

    def view(self):
        facts = OfficialPass(self.schedule.duration_ns, self.workers, self.model.bytes_per_token, 42)
        return official_view(self.events, self.requests, facts)


def flood(users, seconds, *, its_model=TINY, divisor=16, seed=42, **options):
    people = population(seed, users, scaled_contexts(TEMPLATES, divisor))
    return compile_flood(its_model, people, effective_seed=seed, duration_seconds=seconds, options=FloodOptions(**options))


def names(events):
    return [(Kind(event["kind"]).name, Reason(event["reason"]).name, int(event["entry"])) for event in events]


def test_a_request_does_its_operations_in_the_order_of_the_book(tmp_path):
    one = User(0, "chatbot", "interactive", 64, 100, 0.25)
    schedule = compile_flood(TINY, [one], effective_seed=1, duration_seconds=2, options=FloodOptions(continue_probability=1))
    bench = Bench(tmp_path, schedule, workers=1)
    outcome = bench.run()
    assert outcome.served == len(bench.requests) >= 5
    expected = []
    for row in schedule.requests[: outcome.served]:
        prompt = int(row["flags"]) & 3
        if prompt:
            expected.append(("MISS", "PREFIX", 0xFFFF_FFF0 + prompt))
        expected += [("READ", "TURN", int(row["entry"]) - back) for back in range(int(row["turn"]) - 1, 0, -1)]
        expected += [("WRITE", "PREFILL", int(row["entry"])), ("READ", "PROBE", int(row["entry"]))]
        expected += [("READ", "DECODE", int(row["entry"]))] * decode_reads(int(row["generate"]))
    assert names(bench.events) == expected
    assert schedule.requests["turn"][outcome.served - 1] >= 3


def test_what_a_request_counted_agrees_with_its_operations(tmp_path):
    bench = Bench(tmp_path, flood(4, 1.5), workers=4, limits=(0, 24 * MIB, 2**40))
    bench.run()
    time_of = {int(row["request"]): 0 for row in bench.requests}
    hits, misses, turns = (collections.Counter() for _ in range(3))
    for event in bench.events:
        number = int(event["request"])
        if event["kind"] in (Kind.READ, Kind.WRITE) and event["t_complete"] != NEVER:  # the end of the pass may cut one short
            time_of[number] += int(event["host_ns"] + event["device_ns"])
        hits[number] += event["kind"] == Kind.READ
        misses[number] += event["kind"] == Kind.MISS
        turns[number] += event["kind"] == Kind.READ and event["reason"] == Reason.TURN
    for row in bench.requests:
        number = int(row["request"])
        assert (row["hits"], row["misses"], row["turn_hits"]) == (hits[number], misses[number], turns[number])
        assert row["storage_ns"] == row["prefill_ns"] + row["decode_ns"] == time_of[number]
        planned = bench.schedule.requests[number]
        assert (row["user"], row["qos"], row["t_intended"]) == (planned["user"], planned["qos"], planned["t_arrival_ns"])
        assert row["generated_tokens"] == planned["generate"]
        assert row["prefix_tokens"] == PREFIX_WORDS[planned["flags"] & 3]
        assert row["t_intended"] <= row["t_dequeue"] <= row["t_done"]


def test_the_account_and_the_log_count_the_same_bytes_and_all_files_are_what_the_policy_says(tmp_path):
    bench = Bench(tmp_path, flood(8, 2), workers=8, limits=(0, 0, 48 * MIB), most_writes=3)
    outcome = bench.run()
    moved = bench.events[bench.events["t_complete"] > NEVER]
    for kind, counted in ((Kind.READ, bench.account.read_bytes), (Kind.WRITE, bench.account.written_bytes)):
        assert int(moved["bytes"][moved["kind"] == kind].sum()) == counted > 0
    assert outcome.load.verified_bytes > bench.account.read_bytes
    files = sum(1 for _ in (tmp_path / "cache").iterdir())
    assert (files, bench.policy.deletions > 0) == (bench.policy.entries(Tier.STORAGE), True)
    assert int((bench.events["kind"] == Kind.DELETE).sum()) == bench.policy.deletions


def test_entries_that_leave_memory_are_copied_out_and_read_back_from_storage(tmp_path):
    bench = Bench(tmp_path, flood(8, 2), workers=8, limits=(0, 24 * MIB, 48 * MIB), most_writes=4)
    bench.run()
    kinds = collections.Counter((Kind(event["kind"]).name, Tier(event["tier"]).name) for event in bench.events)
    assert kinds["EVICT_READ", "CPU"] == kinds["EVICT_WRITE", "STORAGE"] == bench.policy.demotions > 0
    assert kinds["WRITE", "CPU"] > 0
    assert kinds["READ", "CPU"] > 0
    assert kinds["DELETE", "STORAGE"] == bench.policy.deletions > 0
    assert bench.view()["summary"]["cache_stats"]["cpu_entries"] == bench.policy.entries(Tier.CPU)


def test_what_is_read_stays_and_what_was_used_longest_ago_leaves(tmp_path):
    bench = Bench(tmp_path, flood(1, 1), workers=1, limits=(0, 0, 3 * MIB), rate=2000 * MIB)
    asker = Asker(Load())
    for entry in range(3):
        bench.tiers.write(asker, entry, MIB, Reason.PREFILL)
    bench.tiers.read(asker, bench.tiers.find(0), Reason.DECODE)
    bench.tiers.write(asker, 3, MIB, Reason.PREFILL)
    held = [entry for entry in range(4) if (found := bench.tiers.find(entry)) is not None and bench.tiers.leave(found) is None]
    assert held == [0, 2, 3]
    bench.tiers.write(asker, 0, MIB, Reason.PREFILL)
    assert (asker.hits, asker.load.read, asker.load.written) == (1, MIB, 4 * MIB)


def test_three_tiers_hand_entries_down(tmp_path):
    bench = Bench(tmp_path, flood(8, 2), workers=8, limits=(12 * MIB, 24 * MIB, 64 * MIB))
    bench.run()
    kinds = collections.Counter((Kind(event["kind"]).name, Tier(event["tier"]).name) for event in bench.events)
    assert kinds["EVICT_READ", "GPU"] > 0
    assert kinds["EVICT_WRITE", "CPU"] > 0
    assert kinds["EVICT_WRITE", "STORAGE"] > 0


def test_never_more_writes_at_once_than_allowed(tmp_path):
    class Counting(RateLimitedTarget):
        now = most = 0

        def write_object(self, entry, bytes, *, pass_no, fill=None):
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                return super().write_object(entry, bytes, pass_no=pass_no)
            finally:
                self.now -= 1

    target = Counting(rate=400 * MIB, chunk=CHUNK)
    Bench(tmp_path, flood(16, 1), workers=16, target=target, most_writes=2).run()
    assert target.most == 2


def test_reads_of_one_entry_never_overlap(tmp_path):
    bench = Bench(tmp_path, flood(6, 1.5, continue_probability=0.9), workers=6, rate=200 * MIB)
    bench.run()
    by_entry = collections.defaultdict(list)
    for event in bench.events[bench.events["kind"] != Kind.MISS]:
        by_entry[int(event["entry"])].append((int(event["t_start"]), int(event["t_complete"])))
    for spans in by_entry.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans) if end != NEVER)


def test_the_highest_class_is_served_first_and_the_first_come_of_it(tmp_path):
    bench = Bench(tmp_path, flood(24, 2), workers=1, rate=20 * MIB)
    bench.run()
    order = bench.requests["request"].tolist()
    planned = bench.schedule.requests
    waiting = set(range(len(planned)))
    for place, row in zip(order, bench.requests, strict=True):
        came = [other for other in waiting if planned["t_arrival_ns"][other] <= row["t_dequeue"] - S // 10]
        best = min(((int(planned["qos"][other]), other) for other in came), default=None)
        assert best is None or (int(planned["qos"][place]), place) <= best
        waiting.discard(place)
    assert len(waiting) > len(order)


def test_a_pass_that_storage_cannot_keep_up_with_ends_when_the_official_tool_would_stop_waiting(tmp_path):
    bench = Bench(tmp_path, flood(2, 1, divisor=1), workers=2, rate=1 * MIB)
    outcome = bench.run()
    assert outcome.abandoned == 2
    assert outcome.ended_ns == pytest.approx(1 * S + 2 * 2 * S, abs=S / 2)
    assert (bench.requests["t_done"] == NEVER).all()
    assert (bench.events["t_complete"] == NEVER).any()


def test_a_pass_ends_as_soon_as_nobody_is_at_work(tmp_path):
    # No disk, which others may keep busy: only a target that is done at once.
    bench = Bench(tmp_path, flood(3, 1), workers=3, rate=2**34)
    outcome = bench.run()
    assert outcome.abandoned == 0
    assert outcome.ended_ns < 5 * S, "the official tool would have waited for up to 9 s"


def test_a_request_that_generates_is_abandoned_at_the_end_and_not_waited_for(tmp_path):
    one = User(0, "chatbot", "batch", 16, 2000, 0.3)
    schedule = compile_flood(TINY, [one], effective_seed=1, duration_seconds=0.5)
    bench = Bench(tmp_path, schedule, workers=1, seconds_per_token=0.03)
    outcome = bench.run()
    assert (outcome.abandoned, outcome.served) == (1, 0)
    assert outcome.ended_ns == pytest.approx(2.5 * S, abs=S / 2)


def test_generation_takes_its_time(tmp_path):
    one = User(0, "chatbot", "batch", 16, 100, 0.3)
    schedule = compile_flood(TINY, [one], effective_seed=1, duration_seconds=0.5)
    bench = Bench(tmp_path, schedule, workers=1, seconds_per_token=0.002)
    bench.run()
    row = bench.requests[0]
    assert row["generation_ns"] == pytest.approx(int(row["generated_tokens"]) * 0.002 * S, rel=0.2)


def test_decode_only_reads_what_is_there_before_the_pass_begins(tmp_path):
    bench = Bench(tmp_path, flood(2, 1, mode="decode"), workers=2, rate=2000 * MIB)
    load = bench.runner.preload()
    assert load.written == 20 * TINY.entry_bytes(2048)
    bench.run()
    assert {Kind(kind).name for kind in bench.events["kind"]} <= {"READ", "MISS"}
    assert bench.account.read.bytes > 0


@pytest.mark.parametrize("moment", ["write", "read", "delete"])
def test_the_first_failure_ends_the_pass_at_once(tmp_path, moment):
    class Failing(RateLimitedTarget):
        left = 5

        def _moved(self, kind):
            if kind == moment:
                self.left -= 1
                if not self.left:
                    raise FileSystemError("the disk is on fire")

        def write_object(self, entry, bytes, *, pass_no, fill=None):
            self._moved("write")
            return super().write_object(entry, bytes, pass_no=pass_no)

        def read_object(self, entry, bytes, *, pass_no):
            self._moved("read")
            return super().read_object(entry, bytes, pass_no=pass_no)

        def delete(self, entry):
            self._moved("delete")
            super().delete(entry)

    target = Failing(rate=2000 * MIB, chunk=CHUNK)
    bench = Bench(tmp_path, flood(8, 30), workers=8, target=target, limits=(0, 8 * MIB, 32 * MIB), most_writes=2)
    began = time.monotonic()
    with pytest.raises(FileSystemError, match="on fire"):
        bench.run()
    assert time.monotonic() - began < 10


def test_an_interrupt_of_the_main_thread_ends_all_others(tmp_path):
    bench = Bench(tmp_path, flood(4, 30), workers=4, rate=100 * MIB, limits=(0, 16 * MIB, 64 * MIB))

    def interrupt(*beat):
        raise KeyboardInterrupt

    bench.runner._heartbeat = interrupt
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    assert time.monotonic() - began < 5


def test_a_call_that_does_not_return_is_told(tmp_path, monkeypatch):
    release = threading.Event()

    class Hung(RateLimitedTarget):
        def write_object(self, entry, bytes, *, pass_no, fill=None):
            release.wait(30)
            return super().write_object(entry, bytes, pass_no=pass_no)

    monkeypatch.setattr("pytest_mlpstorage.kvcache.runner._HUNG_SECONDS", 0.2)
    bench = Bench(tmp_path, flood(1, 0.8), workers=1, target=Hung(rate=100 * MIB, chunk=CHUNK))
    with pytest.raises(BenchmarkExecutionError, match="has not returned"):
        bench.runner.run(time.perf_counter_ns())
    release.set()
    bench.storage.close()
    for thread in threading.enumerate():
        if thread.name.startswith("mlps-"):
            thread.join(5)


def test_who_watches_hears_of_it_each_second(tmp_path):
    bench = Bench(tmp_path, flood(2, 2.5), workers=2)
    bench.run()
    assert [round(seconds) for seconds, _ in bench.beats][:2] == [1, 2]
