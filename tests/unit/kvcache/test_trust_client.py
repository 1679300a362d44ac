"""Whether the client set the figures: each limit at its edge, and a busy thread that is seen."""

from __future__ import annotations

import dataclasses
import sys
import threading
import time

import pytest

from pytest_mlpstorage.kvcache import trust_client
from pytest_mlpstorage.kvcache.events import Kind, Tier
from pytest_mlpstorage.kvcache.io import ObjectTimes
from pytest_mlpstorage.kvcache.tiers import Load
from pytest_mlpstorage.kvcache.trust_client import ClientLoad, SwitchInterval, WakeProbe, client_notes, usable_cores

IDLE = ClientLoad(wall_s=10, cpu_s=17.0, cores=2, content_ns=25, device_ns=75, wake_p99_ns=100_000, chunk_p50_ns=1_000_000)


def test_a_client_at_its_limits_is_not_bound():
    assert (IDLE.cpu_share, IDLE.content_share, IDLE.wake_share) == (0.85, 0.25, 0.1)
    assert not IDLE.bound
    assert list(client_notes(IDLE)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpu_s": 17.1}, "86% of its 2 cores"),
        ({"content_ns": 26}, "stamping and checking took 26%"),
        ({"wake_p99_ns": 101_000}, "waited 0.10 ms (p99) to go on where half of all chunks took no more than 1.00 ms"),
    ],
)
def test_a_client_beyond_one_limit_is_bound_and_says_by_what(change, words):
    load = dataclasses.replace(IDLE, **change)
    assert load.bound
    (note,) = client_notes(load)
    assert (note.check, note.level) == ("client_bound", "warning")
    assert words in note.message
    assert load.percentiles_are_client_side is ("wake_p99_ns" in change)


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        # A load: open, close and checks stand in host_ns, its calls in device_ns.
        (Kind.READ, ObjectTimes(1, 0, 100, host_ns=30, device_ns=70, chunks=1, client_ns=25)),
        # A store: its calls stand in host_ns, and only the sync in device_ns, which need not be there.
        (Kind.WRITE, ObjectTimes(1, 0, 100, host_ns=60, device_ns=15, chunks=1, client_ns=25)),
        (Kind.WRITE, ObjectTimes(1, 0, 100, host_ns=75, device_ns=0, chunks=1, client_ns=25)),
    ],
)
def test_a_store_that_nothing_forces_to_disk_is_under_way_in_its_calls_all_the_same(kind, times):
    load = Load()
    load.add(kind, times, Tier.STORAGE)
    share = dataclasses.replace(IDLE, content_ns=load.content_ns, device_ns=load.calls_ns).content_share
    assert share == pytest.approx(0.25, abs=0.02)


def test_what_is_copied_out_of_another_tier_is_no_content_that_a_check_costs():
    load = Load()
    load.add(Kind.EVICT_WRITE, ObjectTimes(1, 0, 100, host_ns=60, device_ns=15, chunks=1, client_ns=25), Tier.STORAGE)
    assert (load.content_ns, load.calls_ns) == (0, 100)


@pytest.mark.parametrize("change", [{"wake_p99_ns": None}, {"chunk_p50_ns": None}, {"chunk_p50_ns": 0}, {"content_ns": 0, "device_ns": 0}])
def test_what_was_not_measured_is_not_judged(change):
    assert not dataclasses.replace(IDLE, **change).bound


def probed(seconds=0.4):
    with WakeProbe() as probe:
        time.sleep(seconds)
    return probe


def test_a_busy_python_thread_is_seen():
    over = threading.Event()

    def burn():
        while not over.is_set():
            sum(range(100))

    # Other programs may be in its way as well: the quietest of some.
    quiet = min(probed(0.2).percentile_ns(0.5) for _ in range(5))
    busy = threading.Thread(target=burn)
    busy.start()
    try:
        loud = probed()
    finally:
        over.set()
        busy.join()
    # It must let go after the switch interval, 5 ms unless set.
    assert loud.percentile_ns(0.5) > 3_000_000
    assert loud.percentile_ns(0.99) >= loud.percentile_ns(0.5)
    assert quiet < loud.percentile_ns(0.5) / 2
    assert client_notes(dataclasses.replace(IDLE, wake_p99_ns=loud.percentile_ns(0.99)))


def test_a_short_switch_interval_is_set_and_put_back():
    before = sys.getswitchinterval()
    with SwitchInterval():
        assert sys.getswitchinterval() == pytest.approx(trust_client.SWITCH_INTERVAL)
    assert sys.getswitchinterval() == before


def test_a_probe_without_a_sample_has_no_percentile():
    probe = WakeProbe()
    assert probe.percentile_ns(0.99) is None
    assert probe.to_json() == {"samples": 0, "sleep_ms": 1.0, "p50_ms": None, "p95_ms": None, "p99_ms": None, "bins": []}


def test_a_histogram_holds_every_sample_once():
    with WakeProbe() as probe:
        until = time.monotonic() + 30
        while probe.samples <= 10 and time.monotonic() < until:
            time.sleep(0.01)
    said = probe.to_json()
    assert said["samples"] == sum(count for _, count in said["bins"]) > 10
    assert said["p50_ms"] <= said["p95_ms"] <= said["p99_ms"]


@pytest.mark.parametrize("late", [1, 7, 8, 9, 1000, 1023, 1024, 123_456, 10**9, 2**39])
def test_a_bin_holds_what_it_is_named_after_within_an_eighth(late):
    upper = trust_client._upper(trust_client._bin(late))
    assert late <= upper
    assert upper <= max(late * 1.125 + 1, 2)


def test_a_wait_beyond_all_bins_is_in_the_last_one():
    assert trust_client._bin(2**60) == len(WakeProbe()._counts) - 1


def test_cores_are_those_that_this_process_may_use():
    assert usable_cores() >= 1
