"""The official view of logs written by hand, against figures worked out by hand (kvcache.md §7, row 8)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kv_logs import GIB, S, events, miss, operation, read, request, requests, write

from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.events import Kind, Reason, Tier
from pytest_mlpstorage.kvcache.io import READ, WRITE
from pytest_mlpstorage.kvcache.official_view import OfficialPass, late_lower_bound, official_view, statistics_time, worker_ends

PASS = OfficialPass(waited_ns=10 * S, workers=3, bytes_per_token=1024**2, seed=43)


def view(operations=(), asked=(), facts=PASS):
    return official_view(events(*operations), requests(*asked), facts)


def cache(*operations, asked=(), facts=PASS):
    return view(operations, asked, facts)["summary"]["cache_stats"]


# -- the time at which statistics are taken --------------------------------------------------------------------------------


def test_threads_that_have_ended_are_not_waited_for():
    assert statistics_time(10 * S, [3 * S, 10 * S]) == 10 * S
    assert statistics_time(10 * S, []) == 10 * S


def test_each_thread_is_waited_for_in_turn_and_for_2_s_at_most():
    assert statistics_time(10 * S, [10 * S, 11 * S]) == 11 * S
    # 10 -> 12 (of 30); 12 -> 13 (of 13); 13 -> 13 (of 12, which ended meanwhile); 13 -> 15 (never).
    assert statistics_time(10 * S, [30 * S, 13 * S, 12 * S, None]) == 15 * S
    assert statistics_time(10 * S, [None] * 201) == (10 + 2 * 201) * S


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=8), st.data())
def test_a_thread_that_turns_out_to_end_never_makes_it_later(ends, data):
    unknown = [None if data.draw(st.booleans()) else end for end in ends]
    known, latest = (
        statistics_time(10 * S, [end * S for end in ends]),
        statistics_time(10 * S, [None if e is None else e * S for e in unknown]),
    )
    assert 10 * S <= known <= latest <= (10 + 2 * len(ends)) * S


def test_the_order_of_the_threads_decides():
    assert statistics_time(0, [3 * S, 5 * S]) == 4 * S
    assert statistics_time(0, [5 * S, 3 * S]) == 3 * S


def test_a_worker_ends_with_its_last_request_at_the_flag_if_idle_and_never_with_an_abandoned_one():
    log = requests(
        request(0, 1, 12, worker=1),
        request(0, 1, 4, worker=1),
        request(0, 2, 9, worker=0),
        request(0, 5, 8, worker=3),
        request(0, 9, None, worker=3),
    )
    assert worker_ends(log, 5, 10 * S) == [10 * S, 12 * S, 10 * S, None, 10 * S]


# -- what counts until then ------------------------------------------------------------------------------------------------

#  Workers 0, 1, 2 end at 10 (idle), 11.5 and 14 s. Joined in turn: 10, 11.5, min(14, 13.5) = 13.5 s.
ASKED = (
    request(0, 1, 9, worker=0, tokens=100, storage=4, prefill=1, decode=3, qos=0),
    request(2, 3, 11.5, worker=1, tokens=50, storage=6, prefill=2, decode=4, generation=1.5, qos=1, request=1, prefix_tokens=7),
    request(4, 5, 14, worker=2, tokens=1000, storage=9, qos=2, request=2),
)


def test_a_read_counts_when_it_begins_and_a_write_when_it_returns():
    stats = cache(
        read(1, 2, 1),
        read(13.4, 20, 2),  # in flight when statistics are taken
        read(13.5, None, 4),  # abandoned later on
        read(13.6, 13.7, 8),
        write(0, 1, 16),
        write(1, 13.5, 32),
        write(1, 13.6, 64),
        write(2, None, 128),
        asked=ASKED,
    )
    assert stats["total_read_gb"] == stats["tier_storage_kv_bytes_read_gb"] == 7
    assert stats["total_write_gb"] == stats["tier_storage_kv_bytes_written_gb"] == 48
    assert (stats["total_read_bytes"], stats["total_write_bytes"]) == (7 * GIB, 48 * GIB)
    assert (stats["read_iops"], stats["write_iops"], stats["decode_reads"], stats["prefill_writes"]) == (3, 2, 3, 2)
    assert stats["read_write_ratio"] == 7 / 48


def test_all_of_it_is_divided_by_the_time_that_was_waited():
    stats = cache(read(13, 14, 7), write(1, 13, 48), asked=ASKED)
    assert (stats["tier_storage_read_bandwidth_gbps"], stats["tier_storage_write_bandwidth_gbps"]) == (0.7, 4.8)
    assert (stats["tier_cpu_read_bandwidth_gbps"], stats["tier_gpu_write_bandwidth_gbps"]) == (0, 0)


def test_requests_tokens_and_latencies_are_of_what_was_recorded_by_then():
    found = view(asked=ASKED)
    assert found["requests_completed"] == 2
    assert found["total_tokens_generated"] == 150
    assert found["total_storage_io_latency"] == 10
    assert found["total_generation_latency"] == 1.5
    assert found["end_to_end_latencies"] == [9, 9.5]
    assert found["storage_latencies"] == [4, 6]
    assert found["generation_latencies"] == [0, 1.5]
    assert found["prefill_latencies"] == [1, 2]
    assert found["decode_latencies"] == [3, 4]
    assert found["throughput_timeline"] == []
    assert found["seed"] == 43
    summary = found["summary"]
    assert (summary["total_requests"], summary["total_tokens"], summary["elapsed_time"]) == (2, 150, 10)
    assert summary["avg_throughput_tokens_per_sec"] == 15
    assert summary["total_storage_io_time"] == 10
    assert summary["storage_throughput_tokens_per_sec"] == 15
    assert summary["requests_per_second"] == 0.2
    assert summary["end_to_end_latency_ms"]["mean"] == 9250
    assert summary["end_to_end_latency_ms"]["p50"] == 9250
    assert summary["storage_io_latency_ms"]["p95"] == pytest.approx(5900)
    assert list(summary["generation_latency_ms"]) == ["mean", "p50", "p95", "p99", "p999", "p9999"]


def test_the_lists_are_in_the_order_in_which_requests_ended():
    found = view(asked=(request(0, 1, 9, worker=0), request(0, 1, 3, worker=1)))
    assert found["end_to_end_latencies"] == [3, 9]


def test_a_run_that_was_stopped_early_divides_by_the_time_until_then():
    facts = OfficialPass(waited_ns=4 * S, workers=1, bytes_per_token=1024**2, seed=42)
    assert cache(read(1, 2, 1), facts=facts)["tier_storage_read_bandwidth_gbps"] == 0.25
    with pytest.raises(ValueError, match="did not wait"):
        OfficialPass(waited_ns=0, workers=1, bytes_per_token=1, seed=42)


def test_the_generator_is_joined_before_the_workers():
    facts = OfficialPass(waited_ns=10 * S, workers=1, bytes_per_token=1024**2, seed=42, generator_end_ns=50 * S)
    assert cache(read(11.9, 13, 1), read(12.1, 13, 2), facts=facts)["total_read_gb"] == 1


def test_hits_are_reads_that_began_and_misses_lookups():
    stats = cache(
        read(1, 2, request=1),
        read(2, 3, request=1, reason=Reason.TURN),
        read(3, 4, request=9),
        read(4, 5, request=0),
        read(14, 15, request=0),
        miss(2, reason=Reason.PREFIX),
        miss(3, reason=Reason.TURN),
        miss(14, reason=Reason.TURN),
        asked=ASKED,
    )
    assert (stats["cache_hits"], stats["cache_misses"], stats["cache_hit_rate"]) == (4, 2, pytest.approx(2 / 3))
    assert (stats["system_prompt_hits"], stats["multi_turn_hits"], stats["user_cache_hits"], stats["common_phrase_hits"]) == (1, 1, 2, 0)


def test_turns_are_told_by_their_lookups():
    found = view([read(1, 2, reason=Reason.TURN), *[miss(3, reason=Reason.TURN)] * 3, miss(3, reason=Reason.PREFIX)])
    assert (found["multi_turn_cache_hits"], found["multi_turn_cache_misses"]) == (1, 3)
    assert found["summary"]["multi_turn_stats"] == {"cache_hits": 1, "cache_misses": 3, "hit_rate": 0.25}


def test_prefixes_are_told_of_requests_that_had_begun():
    asked = (*ASKED, request(6, None, None, worker=0, prefix_tokens=5), request(6, 13.4, None, worker=0, prefix_tokens=9))
    assert view(asked=asked)["summary"]["prefix_cache_stats"] == {
        "prefix_hits": 2,
        "prefix_misses": 2,
        "system_prompt_reuse": 2,
        "common_phrase_reuse": 0,
        "bytes_saved": 16 * 1024**2,
    }


def test_what_makes_room_counts_in_the_bytes_of_the_tiers_alone():
    stats = cache(
        write(0, 1, 1, tier=Tier.CPU, entry=1),
        operation(Kind.EVICT_READ, 1, 2, 1, tier=Tier.CPU, entry=1),
        operation(Kind.EVICT_WRITE, 2, 3, 1, entry=1),
        write(3, 4, 2, tier=Tier.CPU, entry=2),
        read(4, 5, 1, entry=1),
    )
    assert (stats["tier_cpu_kv_bytes_written_gb"], stats["tier_cpu_kv_bytes_read_gb"]) == (3, 1)
    assert (stats["tier_storage_kv_bytes_written_gb"], stats["tier_storage_kv_bytes_read_gb"]) == (1, 1)
    assert (stats["total_write_gb"], stats["total_read_gb"]) == (3, 1)
    assert (stats["offloads_cpu"], stats["offloads_storage"]) == (2, 1)
    assert (stats["gpu_entries"], stats["cpu_entries"], stats["storage_entries"]) == (0, 1, 1)
    assert (stats["cpu_memory_used_gb"], stats["gpu_memory_used_gb"]) == (2, 0)
    # One written by demotion, one read; a token is a MiB.
    assert stats["storage_tokens_processed"] == 2048
    assert "storage_write_p50_ms" not in stats


def test_entries_are_where_they_were_put_last():
    stats = cache(
        write(0, 1, entry=1),
        operation(Kind.DELETE, 2, 2, entry=1),
        write(0, 1, entry=2),
        operation(Kind.DELETE, 13.6, 13.7, entry=2),
        write(0, 20, entry=3),
        write(5, 6, entry=4),
        operation(Kind.DELETE, 3, 4, entry=4),
        asked=ASKED,
    )
    assert stats["storage_entries"] == 2


def test_latencies_of_storage_are_of_operations_that_are_over_and_split_as_the_tool_splits_them():
    stats = cache(
        read(0, 1, host=0.25),
        read(1, 4, host=0.5),
        read(13, 14, host=0.5),
        write(0, 2, host=0.5),
        read(0, 1, tier=Tier.CPU),
        asked=ASKED,
    )
    assert stats["storage_read_p50_ms"] == 2000
    assert (stats["storage_read_device_p50_ms"], stats["storage_read_host_p50_ms"]) == (1625, 375)
    assert stats["storage_read_p95_ms"] == pytest.approx(2900)
    assert (stats["storage_write_device_p95_ms"], stats["storage_write_host_p9999_ms"]) == (1500, 500)
    assert stats["cpu_read_p999_ms"] == 1000
    assert not [key for key in stats if key.startswith(("gpu_read", "cpu_write", "cpu_read_device"))]


def test_service_classes_are_judged_by_their_end_to_end_p95():
    classes = view(asked=[request(0, 0, 0.05, worker=0, qos=0)] * 19 + [request(0, 0, 2, worker=0, qos=0)])["summary"]["qos_metrics"]
    assert classes["responsive"] == classes["batch"] == {"no_data": True}
    assert classes["interactive"]["total_requests"] == 20
    assert classes["interactive"]["latency_ms"]["max"] == 2000
    assert classes["interactive"]["sla"] == {
        "target_p95_ms": 50,
        "actual_p95_ms": pytest.approx(147.5),
        "compliance": 0.95,
        "met": True,
    }
    late = view(asked=[request(0, 0, 0.1, worker=0, qos=1), request(0, 0, 0.2, worker=0, qos=1)])["summary"]["qos_metrics"]
    assert (late["responsive"]["sla"]["compliance"], late["responsive"]["sla"]["met"]) == (0.5, False)


def test_storage_health_is_written_with_the_limits_of_the_tool():
    health = cache(read(0, 0.1), write(0, 0.6))["storage_health"]
    assert (health["overall_status"], health["passed_count"], health["total_count"]) == ("FAIL", 1, 2)
    assert [(each["target"], each["passed"]) for each in health["criteria"]] == [(200, True), (500, False)]


def test_a_pass_in_which_nothing_happened_has_no_rate_of_storage_and_no_latency():
    summary = view()["summary"]
    assert summary["storage_throughput_tokens_per_sec"] is None
    assert summary["end_to_end_latency_ms"] is None
    assert summary["cache_stats"]["cache_hit_rate"] is None
    assert summary["cache_stats"]["read_write_ratio"] is None
    assert summary["multi_turn_stats"]["hit_rate"] is None
    assert summary["cache_stats"]["storage_entries"] == 0
    json.dumps(view(), allow_nan=False)


def test_everything_in_it_can_be_written_as_json_whatever_was_logged():
    json.dumps(view([read(1, 2), write(1, 3), miss(2), write(1, 2, tier=Tier.GPU)], ASKED), allow_nan=False)


def test_it_changes_nothing_of_the_logs_and_gives_the_same_again():
    operations, asked = events(read(1, 2), write(1, 3)), requests(*ASKED)
    operations.flags.writeable = asked.flags.writeable = False
    assert official_view(operations, asked, PASS) == official_view(operations, asked, PASS)


def test_requests_of_an_official_run_that_took_longer_than_its_window_were_late_for_certain():
    raw = {"end_to_end_latencies": [299.9, 300.0, 300.1, 492.7], "summary": {"elapsed_time": 300.0}}
    assert late_lower_bound(raw) == 2
    assert late_lower_bound({**raw, "end_to_end_latencies": []}) == 0
    for damage in (
        {},
        {"summary": None},
        {"end_to_end_latencies": [1, "x"]},
        {"end_to_end_latencies": None},
        {"summary": {"elapsed_time": "long"}},
    ):
        assert late_lower_bound({**raw, **damage} if damage else {}) is None


def test_on_storage_of_100_mib_a_second_the_official_formula_says_four_times_that():
    """32 workers share it fairly: each writes 44 MiB and reads it nine times, all at one pace, for 20 s.

    One operation of all lasts 32 × 44 MiB / (100 MiB/s) = 14.08 s. The flag falls at 20 s, and 32 joins of 2 s end at 84 s. By then
    one write has returned and five reads have begun: (1 + 5) × 1408 MiB / 20 s = 422.4 MiB/s.
    """
    lasts, size, window = 14.08, 44 / 1024, 20 * S
    log, account = [], WindowAccount(window)
    for worker in range(32):
        log.append(write(0, lasts, size, request=worker, entry=worker))
        log += [read(n * lasts, None if n * lasts + lasts > 84 else n * lasts + lasts, size, request=worker) for n in range(1, 10)]
    for n in range(10):
        # Chunks of 1 MiB, of the 32 in turn.
        ends = n * round(lasts * S) + np.arange(1, 1409, dtype=np.int64) * 10**7 - 1
        account(READ if n else WRITE, np.full(1408, 1024**2, np.int64), ends - 10**7, ends, round((n + 1) * lasts * S))
    facts = OfficialPass(window, 32, 131072, 42)
    stats = official_view(events(*log), requests(*[request(0, 0, None, worker=w, request=w) for w in range(32)]), facts)["summary"][
        "cache_stats"
    ]
    official = 1024 * (stats["tier_storage_read_bandwidth_gbps"] + stats["tier_storage_write_bandwidth_gbps"])
    assert official == pytest.approx(422.4)
    assert 1024 * (account.read.gib_per_second + account.write.gib_per_second) == pytest.approx(100, rel=0.001)


def test_a_mapped_log_serves_as_well(tmp_path):
    path = tmp_path / "events.bin"
    rows = events(read(1, 2), write(1, 3))
    rows.tofile(path)
    mapped = np.memmap(path, rows.dtype, "r")
    assert official_view(mapped, requests(*ASKED), PASS) == official_view(rows, requests(*ASKED), PASS)
