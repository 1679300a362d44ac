"""One option over ranks and trials: sums, means and maxima of rule 6.3.4; a rank that lacks is a failure and never 0.0."""

from __future__ import annotations

import pytest
from kv_ranks import figures, numbers, option, whole

FIGURES = [
    f"aggregated_{name}"
    for name in ("read_bandwidth_gbps", "write_bandwidth_gbps", "avg_throughput_tokens_per_sec", "storage_throughput_tokens_per_sec")
]


def test_bandwidths_and_rates_are_sums_over_ranks_averaged_over_trials():
    entry = option(whole()).entry
    assert entry["aggregated_read_bandwidth_gbps"] == ((1 + 2) + (4 + 8)) / 2
    assert entry["aggregated_write_bandwidth_gbps"] == ((1 + 3) + (5 + 1)) / 2
    assert entry["aggregated_avg_throughput_tokens_per_sec"] == 20
    assert entry["aggregated_storage_throughput_tokens_per_sec"] == 2
    assert (entry["option"], entry["rank_count"], entry["trial_count"]) == (1, 2, 2)
    assert (entry["partial_failure"], entry["missing_files"], entry["cpu_tier_ranks"]) == (False, [], [])


def test_latencies_are_the_highest_of_any_rank_in_any_trial():
    entry = option(whole(storage_write_device_p95_ms=8000.0, storage_read_p95_ms=9000.0)).entry
    assert entry["aggregated_device_read_p95_ms"] == 7000
    assert entry["aggregated_device_write_p95_ms"] == 8000
    assert entry["aggregated_storage_read_p95_ms"] == 9000
    assert entry["aggregated_p95_latency_ms"] == figures().storage_io_p95_ms


def test_a_rank_that_is_missing_fails_the_option_and_leaves_no_figure():
    result = option(whole()[:3], where="/results/leaf")
    assert result.entry["missing_files"] == ["/results/leaf/option_1/trial_1/rank_1"]
    assert result.entry["partial_failure"] is True
    assert {key: result.entry[key] for key in FIGURES} == dict.fromkeys(FIGURES)
    assert not [key for key in result.entry if "p95" in key]
    assert result.problems == ("trial 1: rank 1 left no file of results",)
    assert option([]).entry["missing_files"][0] == "option_1/trial_0/rank_0"


@pytest.mark.parametrize(
    ("last", "words"),
    [
        ({"requests": 0}, "it completed no request"),
        ({"requests": None}, "it completed no request"),
        ({"moved": 0.0, "tier_storage_kv_bytes_written_gb": 0.0}, "it moved no byte"),
        ({"tier_storage_kv_bytes_written_gb": None}, "lacks the bytes or rates"),
        ({"tier_storage_write_bandwidth_gbps": None}, "lacks the bytes or rates"),
        ({"tier_storage_read_bandwidth_gbps": "fast"}, "lacks the bytes or rates"),
        ({"storage": None}, "lacks tokens a second"),
        ({"average": None}, "lacks tokens a second"),
    ],
)
def test_a_rank_that_measured_nothing_fails_the_option_too(last, words):
    result = option(whole(**last))
    assert result.entry["partial_failure"] is True
    assert result.entry["missing_files"] == []
    assert result.entry["aggregated_read_bandwidth_gbps"] is None
    assert "trial 1: rank 1 measured nothing" in result.problems[0]
    assert words in result.problems[0]


def test_with_memory_before_it_storage_may_have_had_nothing_to_do():
    nothing = {"moved": 0.0, "tier_storage_kv_bytes_written_gb": 0.0, "entries": 0, "storage_read_device_p95_ms": None}
    result = option(whole(**nothing), has_memory=True)
    assert result.problems == ()
    assert result.entry["aggregated_device_read_p95_ms"] == 7000
    assert result.entry["cpu_tier_ranks"] == []


def test_a_rank_that_kept_nothing_on_storage_in_any_trial_is_named():
    found = [figures(trial=t, rank=r, change=numbers(1.0, entries=0 if r else 5)) for t in range(2) for r in range(2)]
    assert option(found, has_memory=True).entry["cpu_tier_ranks"] == [1]


def test_a_latency_that_a_rank_lacks_though_it_kept_entries_on_storage_is_absent_and_not_the_others():
    entry = option(whole(storage_write_device_p95_ms=None)).entry
    assert "aggregated_device_write_p95_ms" not in entry
    assert entry["aggregated_device_read_p95_ms"] == 7000
    assert entry["partial_failure"] is False


def test_where_no_rank_has_a_latency_there_is_none_and_not_0():
    lacking = numbers(1.0, entries=0, storage_read_device_p95_ms=None)
    entry = option([figures(trial=t, rank=r, change=lacking) for t in range(2) for r in range(2)], has_memory=True).entry
    assert "aggregated_device_read_p95_ms" not in entry
    assert entry["cpu_tier_ranks"] == [0, 1]


def test_a_trial_that_failed_fails_the_option_though_all_its_files_are_there():
    result = option(whole(), failed={1: "exit code 3"})
    assert result.problems == ("trial 1 failed: exit code 3",)
    assert result.entry["aggregated_read_bandwidth_gbps"] is None


def test_a_rank_that_took_no_part_is_told():
    problems = option([*whole(), figures(trial=2, rank=0), figures(trial=0, rank=7)]).problems
    assert problems == (
        "trial 0: there is a file of rank 7, which took no part",
        "trial 2: there is a file of rank 0, which took no part",
    )
