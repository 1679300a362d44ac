"""The block of one rank and its file: the keys of kvcache.md §5.13, null with a reason where there is no sample."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kv_logs import GIB, S, events, miss, operation, read, request, requests, write
from kv_ranks import FACTS, WINDOW, rank_content, small_pass

from pytest_mlpstorage.errors import FileSystemError, ValidationError
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.events import NEVER, Kind, Reason, Tier
from pytest_mlpstorage.kvcache.histogram import LogHistogram
from pytest_mlpstorage.kvcache.official_view import OfficialPass, official_view
from pytest_mlpstorage.kvcache.rank_block import FACTS as FACT_KEYS
from pytest_mlpstorage.kvcache.rank_block import rank_block
from pytest_mlpstorage.kvcache.rank_file import rank_file_path, write_rank_file
from pytest_mlpstorage.kvcache.series import ByteSeries
from pytest_mlpstorage.kvcache.window_view import (
    eviction_bytes,
    eviction_durations,
    executed_sha256,
    in_flight_at_edges,
    load_durations,
    reuse_distances,
    store_durations,
)
from pytest_mlpstorage.results.kv_cache_records import RankName, RankResult

SPECIFIED = """engine, profile, comparable, comparable_reasons, storage_read_bandwidth_window_gibps, storage_write_bandwidth_window_gibps,
official_over_window_read, official_over_window_write, requests_in_window, tokens_in_window_per_s, object_load_latency_ms,
object_store_latency_ms, chunk_read_latency_ms, chunk_write_latency_ms, queue_age_ms, service_ms, eviction_read_gib, eviction_write_gib,
eviction_ms, late_operations, late_bytes, overload_factor, served_by_class, reuse_distance_histogram, read_gib, write_gib, kernel_read_gib,
kernel_write_gib, resident_fraction_before_read, direct, dio_align, filesystem, storage, durability, chunk_bytes, queue_depth, backend,
client_cpu_seconds_per_gib, client_bound, peak_rss_mib, verified_bytes, verify_level, verify_errors, schedule_sha256, executed_sha256,
window_s, series_1s, cv_percent, half_drift_percent, histograms"""
KEYS = {key.strip() for key in SPECIFIED.split(",")}


def block_of(log, asked, account, facts=FACTS, arrivals=30, reasons=None):
    stats = official_view(log, asked, OfficialPass(account.window_ns, 3, 131072, 42))["summary"]["cache_stats"]
    return rank_block(account, log, asked, stats, arrivals_in_window=arrivals, facts=facts, reasons=reasons)


@pytest.fixture
def block():
    return rank_content()["mlps"]


# -- the block -------------------------------------------------------------------------------------------------------------


def test_every_key_that_is_specified_is_there(block):
    assert KEYS - block.keys() == set()
    assert block.keys() - KEYS == {"null_reasons", "arrivals_in_window", "write_not_durable_bytes"}


def test_rates_are_those_of_the_window_and_the_official_ones_stand_over_them_as_factors(block):
    # Two reads of 1 GiB whole, and half of the third less the chunk that ends just at the end; one write durable.
    assert block["storage_read_bandwidth_window_gibps"] == pytest.approx(0.25, rel=0.01)
    assert block["storage_write_bandwidth_window_gibps"] == 0.1
    # Officially three reads had begun and two writes had returned, over 10 s.
    assert block["official_over_window_read"] == pytest.approx(0.3 / 0.25, rel=0.01)
    assert block["official_over_window_write"] == 2.0
    assert block["write_not_durable_bytes"] == pytest.approx(0.5 * GIB, rel=0.04)
    assert (block["read_gib"], block["write_gib"]) == (3, 2)


def test_requests_are_those_that_ended_in_the_window(block):
    assert (block["requests_in_window"], block["tokens_in_window_per_s"], block["overload_factor"]) == (1, 10, 30)
    assert block["served_by_class"] == {"interactive": 1, "responsive": 0, "batch": 0}
    assert (block["queue_age_ms"]["max"], block["service_ms"]["max"]) == (500, 2500)


def test_latencies_of_whole_entries_are_exact_and_of_chunks_by_histogram(block):
    assert block["object_load_latency_ms"] == dict.fromkeys(("mean", "p50", "p95", "p99", "p999", "max"), 1000)
    assert block["object_store_latency_ms"]["mean"] == 1000
    assert block["chunk_read_latency_ms"]["p50"] == pytest.approx(1000 / 64, rel=0.005)
    assert block["chunk_write_latency_ms"]["max"] == 1000 / 64


def test_what_is_in_flight_at_the_end_is_counted(block):
    assert (block["late_operations"], block["late_bytes"]) == (2, 2 * GIB)


def test_a_key_without_a_sample_is_null_with_a_reason_and_never_0():
    block = block_of(
        events(), requests(), WindowAccount(WINDOW), facts={"engine": "native"}, arrivals=5, reasons={"direct": "no counter of it"}
    )
    nulls = {key for key, value in block.items() if value is None}
    counts = {"requests_in_window": 0, "arrivals_in_window": 5, "write_not_durable_bytes": 0, "late_operations": 0, "late_bytes": 0}
    assert {key: block[key] for key in counts} == counts
    assert nulls == KEYS - {
        *counts, "engine", "served_by_class", "window_s", "series_1s", "cv_percent", "half_drift_percent", "histograms", "null_reasons",
    }  # fmt: skip
    assert nulls <= block["null_reasons"].keys()
    assert block["null_reasons"]["direct"] == "no counter of it"
    assert block["null_reasons"]["filesystem"] == "the rank did not determine it"
    assert block["null_reasons"]["eviction_read_gib"] == "no eviction read in the window"
    assert block["cv_percent"] == block["half_drift_percent"] == {"read": None, "write": None}
    assert {"cv_percent.read", "half_drift_percent.write"} <= block["null_reasons"].keys()
    assert all(block["null_reasons"].values())


def test_what_has_a_value_has_no_reason(block):
    assert set(block["null_reasons"]) == {
        "eviction_read_gib",
        "eviction_write_gib",
        "eviction_ms",
        "resident_fraction_before_read",
    }


def test_a_fact_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="no such facts: filesytem"):
        block_of(events(), requests(), WindowAccount(WINDOW), facts={"filesytem": "ext4"})
    assert set(FACT_KEYS) <= KEYS


def test_series_and_histograms_can_be_read_back_and_added(block):
    assert ByteSeries.from_json(block["series_1s"]["write"]).bytes == GIB
    for name in ("object_load", "object_store", "chunk_read", "chunk_write", "queue_age", "service", "eviction"):
        assert LogHistogram.from_json(block["histograms"][name]) is not None


def test_demotions_are_told_apart():
    log = events(
        operation(Kind.EVICT_READ, 1, 2, 1, tier=Tier.CPU),
        operation(Kind.EVICT_WRITE, 2, 5, 1),
        operation(Kind.EVICT_WRITE, 9, 11, 1),
        operation(Kind.DELETE, 5, 5.5, 1),
    )
    block = block_of(log, requests(), WindowAccount(WINDOW))
    assert (block["eviction_read_gib"], block["eviction_write_gib"]) == (1, 1)
    assert (block["eviction_ms"]["max"], block["eviction_ms"]["p50"]) == (3000, 1000)
    assert block["object_store_latency_ms"] is None


# -- of the logs -----------------------------------------------------------------------------------------------------------


def test_a_load_lasts_from_its_first_byte_submitted_and_counts_where_it_ended_in_the_window():
    log = events(
        read(-2, -0.001), read(-1, 0), read(1, 3, t_submit=2 * S), read(8, 9.999), read(8, 10), read(8, None), read(1, 9, tier=Tier.CPU)
    )
    assert load_durations(log, WINDOW).tolist() == [S, S, 1_999_000_000]
    assert store_durations(log, WINDOW).tolist() == []


def test_a_store_lasts_until_it_is_durable_and_where_nothing_makes_it_so_until_it_returned():
    log = events(write(1, 2, durable=4 * S), write(1, 2, durable=NEVER), write(1, 2, durable=10 * S), write(1, None))
    assert store_durations(log, WINDOW).tolist() == [3 * S, S]


def test_both_edges_of_the_window_have_operations_in_flight():
    rows = [read(-1, 0, 1), read(-1, -0.5, 2), read(-1, 20, 4), read(9, 10, 8), read(9, 9.9, 16), read(9, None, 32), read(10, 11, 64)]
    others = [miss(-1), read(9, 11, tier=Tier.CPU), operation(Kind.DELETE, 9, 11), operation(Kind.EVICT_WRITE, 9, 11, 128)]
    assert in_flight_at_edges(events(*rows, *others), WINDOW) == (5, (1 + 4 + 8 + 32 + 128) * GIB)


def test_an_operation_that_never_began_is_not_in_flight():
    assert in_flight_at_edges(events(read(1, None, t_start=NEVER)), WINDOW) == (0, 0)


def test_evictions_that_ended_after_the_window_do_not_count():
    log = events(operation(Kind.EVICT_WRITE, 9, 10, 1), operation(Kind.DELETE, 9, 9.5, 1), write(1, 2))
    assert eviction_bytes(log, WINDOW, Kind.EVICT_WRITE) == 0
    assert eviction_durations(log, WINDOW).tolist() == [S // 2]


def test_the_distance_of_a_reuse_is_what_storage_moved_in_between():
    log = events(
        write(0, 1, 1, entry=1),
        read(1, 2, 1, entry=1),  # at once: 0
        write(2, 3, 3, entry=2),
        read(4, 5, 1, entry=1),  # 3 GiB
        read(5, None, 3, entry=2),  # 1 GiB
        read(6, 7, 1, entry=9),  # never used before
        read(0.5, 7, 1, entry=9, tier=Tier.CPU),
        read(6, 7, 1, entry=1, t_start=NEVER),
    )
    found = reuse_distances(log)
    assert found["reads"][:4] == [1, 1, 1, 0]
    assert found["below_gib"][:4] == [1, 2, 4, 8]
    assert (sum(found["reads"]), found["reads_beyond"], found["reads_of_unused"]) == (3, 0, 1)
    far = events(write(0, 1, 1, entry=1), write(1, 2, 2**16, entry=2), write(2, 3, 1, entry=3), read(3, 4, 1, entry=1))
    assert reuse_distances(far)["reads_beyond"] == 1
    assert reuse_distances(events(write(0, 1))) is None


def test_the_checksum_of_what_was_done_is_that_of_the_work_and_not_of_its_times():
    def total(*rows, users=(0, 1)):
        return executed_sha256(events(*rows), requests(*[request(0, 0, 1, request=n, user=user) for n, user in enumerate(users)]))

    first, second = {"request": 0, "entry": 1}, {"request": 1, "entry": 2}
    whole = total(write(0, 1, **first), read(1, 2, **first), write(0, 1, **second))
    assert whole == total(write(0, 5, **second), write(7, 8, **first), read(8, 9, **first))
    assert whole == total(write(0, 1, **first), read(1, 2, **first), write(0, 1, **second), read(2, None, **first))
    others = [
        total(write(0, 1, **first), read(1, 2, **first)),
        total(read(0, 1, **first), write(1, 2, **first), write(0, 1, **second)),
        total(write(0, 1, **first), read(1, 2, **first), write(0, 1, 2, **second)),
        total(write(0, 1, **first), read(1, 2, **first, reason=Reason.PROBE), write(0, 1, **second)),
        total(write(0, 1, **first), read(1, 2, **first), write(0, 1, **second), users=(0, 2)),
    ]
    assert len({whole, *others}) == 6


# -- the file --------------------------------------------------------------------------------------------------------------


def test_the_file_stands_where_the_rules_look_for_it_and_is_read_by_our_records(tmp_path):
    path = rank_file_path(tmp_path, 1, 2, 3, "20260721_002332")
    assert path.relative_to(tmp_path).as_posix() == "option_1/trial_2/rank_3/kvcache_results_20260721_002332.json"
    content = rank_content()
    block = content.pop("mlps")
    write_rank_file(path, content, block)
    raw = json.loads(path.read_text())
    assert list(raw)[-1] == "mlps"
    read_back = RankResult.from_json(raw, RankName(1, 2, 3, path.name))
    assert read_back.problems == ()
    assert (read_back.read_gib_per_second, read_back.write_gib_per_second) == (0.3, 0.2)
    assert read_back.average_tokens_per_second == 16
    assert read_back.storage_tokens_per_second == pytest.approx(160 / 6)
    assert (read_back.device_read_p95_ms, read_back.device_write_p95_ms) == (1900, 1000)
    assert (read_back.storage_entries, read_back.autoscaled) == (2, False)


def test_a_rank_has_one_file_in_one_trial(tmp_path):
    write_rank_file(rank_file_path(tmp_path, 1, 0, 0, "a"), {}, {})
    with pytest.raises(ValidationError, match="written its results before"):
        write_rank_file(rank_file_path(tmp_path, 1, 0, 0, "b"), {}, {})


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "option_1").write_text("")
    with pytest.raises(FileSystemError, match="directory of a rank's results"):
        write_rank_file(rank_file_path(tmp_path, 1, 0, 0, "a"), {}, {})


def test_a_number_that_json_cannot_hold_is_told(tmp_path):
    with pytest.raises(ValidationError, match="JSON cannot"):
        write_rank_file(rank_file_path(tmp_path, 1, 0, 0, "a"), {"seed": np.inf}, {})


def test_the_file_of_a_long_pass_stays_small(tmp_path):
    """As many requests and chunk latencies as a real pass of 300 s has."""
    log, asked, account = small_pass()
    generator = np.random.default_rng(1)
    account.read_latency.add(generator.lognormal(16, 1.5, 200_000).astype(np.int64))
    asked = np.tile(asked, 500)
    official = official_view(log, asked, OfficialPass(WINDOW, 3, 131072, 42))
    path = rank_file_path(tmp_path, 1, 0, 0, "a")
    write_rank_file(path, official, block_of(log, asked, account))
    assert path.stat().st_size < 500_000
