"""One option over ranks and trials: sums, means and maxima of rule 6.3.4; a rank that lacks is a failure and never 0.0."""

from __future__ import annotations

import copy
import json

import pytest
from kv_ranks import figures
from kv_ranks import rank_content as content

from pytest_mlpstorage.kvcache.aggregate import aggregate_option
from pytest_mlpstorage.kvcache.option_block import block_problems, option_block, window_overlap

FIGURES = [
    f"aggregated_{name}"
    for name in ("read_bandwidth_gbps", "write_bandwidth_gbps", "avg_throughput_tokens_per_sec", "storage_throughput_tokens_per_sec")
]


def numbers(read, write=1.0, average=10.0, storage=1.0, *, entries=5, requests=9, moved=8.0, **more):
    """A change of a rank's file to these official figures."""

    def change(raw):
        raw = copy.deepcopy(raw)
        raw["summary"] |= {
            "avg_throughput_tokens_per_sec": average,
            "storage_throughput_tokens_per_sec": storage,
            "total_requests": requests,
        }
        stats = raw["summary"]["cache_stats"]
        stats |= {
            "tier_storage_read_bandwidth_gbps": read,
            "tier_storage_write_bandwidth_gbps": write,
            "storage_entries": entries,
            "tier_storage_kv_bytes_read_gb": moved,
        }
        for key, value in more.items():
            if value is None:
                stats.pop(key, None)
            else:
                stats[key] = value
        return raw

    return change


def option(found, *, trials=2, ranks=2, has_memory=False, **more):
    by_place = {(f.result.name.trial, f.result.name.rank): f for f in found}
    return aggregate_option(1, by_place, trials=trials, ranks=ranks, has_memory=has_memory, **more)


def whole(**last):
    """Two trials of two ranks; ``last`` changes the last rank of the last trial."""
    changes = [numbers(1.0), numbers(2.0, 3.0), numbers(4.0, 5.0, storage_read_device_p95_ms=7000.0), numbers(8.0, **last)]
    return [figures(trial=n // 2, rank=n % 2, change=change) for n, change in enumerate(changes)]


# -- the official figures --------------------------------------------------------------------------------------------------


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


# -- ours ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def block():
    """Two trials of two ranks; rank 1 of the second trial is slower."""
    found = [figures(), figures(rank=1), figures(trial=1), figures(trial=1, rank=1, slower=0.5)]
    return option_block(option(found))


def test_window_true_rates_are_formed_the_same_way(block):
    each = content()["mlps"]["storage_read_bandwidth_window_gibps"]
    slow = content(slower=0.5)["mlps"]["storage_read_bandwidth_window_gibps"]
    assert block["storage_read_bandwidth_window_gibps_by_trial"] == [2 * each, pytest.approx(each + slow)]
    assert block["storage_read_bandwidth_window_gibps"] == pytest.approx((3 * each + slow) / 2)
    assert block["official_over_window_read"] == pytest.approx(0.6 / ((3 * each + slow) / 2))
    assert 0 < block["storage_read_bandwidth_window_gibps_cv_percent"] < 5
    assert block["official_over_window_write"] == pytest.approx(2)


def test_percentiles_are_of_the_population_of_all_ranks_and_trials(block):
    # Six loads of 1 s and two of 1.5 s.
    assert block["object_load_latency_ms"]["mean"] == 1125
    assert block["object_load_latency_ms"]["p50"] == pytest.approx(1000, rel=0.005)
    assert block["object_load_latency_ms"]["max"] == 1500
    assert block["histograms"]["object_load"]["count"] == 8


def test_counts_add_up_and_the_worst_rank_tells(block):
    assert (block["requests_in_window"], block["arrivals_in_window"], block["overload_factor"]) == (4, 120, 30)
    assert block["served_by_class"] == {"interactive": 4, "responsive": 0, "batch": 0}
    assert block["tokens_in_window_per_s"] == 20
    assert (block["late_operations"], block["verify_errors"], block["peak_rss_mib"]) == (8, 0, 120)
    assert block["read_gib"] == 12
    assert block["problems"] == []


def test_facts_that_the_ranks_share_are_told_once_and_others_all():
    shared = option_block(option([figures(trial=t, rank=r, filesystem="ext4" if r else "nfs") for t in range(2) for r in range(2)]))
    assert shared["filesystem"] == ["nfs", "ext4"]
    assert (shared["direct"], shared["engine"], shared["comparable_reasons"]) == ("proved", "native", ["direct path"])
    assert shared["resident_fraction_before_read"] is None
    assert shared["null_reasons"]["resident_fraction_before_read"] == "not every rank has it"


def test_every_key_of_a_rank_is_there_for_the_option_too(block):
    assert set(content()["mlps"]) - block.keys() == set()
    assert {"problems", "late_requests_lower_bound", "storage_read_bandwidth_window_gibps_by_trial"} <= block.keys()
    assert block["window_s"] == 10
    assert {number: len(sums) for number, sums in block["executed_sha256"].items()} == {"0": 1, "1": 1}
    json.dumps(block, allow_nan=False)


def test_the_worst_rank_decides_what_one_spoils_for_all():
    values = [{}, {"client_bound": True}, {"direct": "unproved"}, {"direct": "proved", "comparable": True}]
    block = option_block(option([figures(trial=n // 2, rank=n % 2, **each) for n, each in enumerate(values)]))
    assert (block["client_bound"], block["direct"], block["comparable"]) == (True, "unproved", False)
    unknown = option_block(option([figures(trial=n // 2, rank=n % 2, direct=None if n else "refuted") for n in range(4)]))
    assert (unknown["direct"], unknown["client_bound"]) == (None, False)


def test_reuse_distances_and_requests_that_were_late_for_certain_add_up(block):
    one = content()["mlps"]["reuse_distance_histogram"]
    assert sum(one["reads"]) == 3
    assert sum(block["reuse_distance_histogram"]["reads"]) == 12
    assert block["reuse_distance_histogram"]["below_gib"] == one["below_gib"]
    assert block["late_requests_lower_bound"] == 0

    def late(raw):
        return raw | {"end_to_end_latencies": [1.0, 11.0, 12.0]}

    found = [figures(trial=n // 2, rank=n % 2, change=late) for n in range(4)]
    assert option_block(option(found))["late_requests_lower_bound"] == 8


@pytest.mark.parametrize(
    "other",
    [None, {}, {"below_gib": [1], "reads": [1]}, {"reads": "x"}, {"reads": [1]}, {"reads": ["x"] * 17}, {"reads_beyond": None}],
)
def test_distances_that_cannot_be_added_are_null(other):
    def change(raw):
        raw = copy.deepcopy(raw)
        raw["mlps"]["reuse_distance_histogram"] = raw["mlps"]["reuse_distance_histogram"] | other if other else other
        return raw

    found = [figures(), figures(rank=1), figures(trial=1), figures(trial=1, rank=1, change=change)]
    assert option_block(option(found))["reuse_distance_histogram"] is None


def test_the_series_of_a_trial_is_the_sum_of_its_ranks(block):
    assert len(block["series_1s"]) == 2
    one = content()["mlps"]["series_1s"]["read"]["bytes"]
    assert block["series_1s"][0]["read"]["bytes"] == [2 * bytes_ for bytes_ in one]
    assert len(block["cv_percent"]["read"]) == len(block["half_drift_percent"]["write"]) == 2


def test_other_work_in_one_trial_than_in_another_is_a_problem():
    found = [figures(trial=t, rank=r, schedule_sha256="cd" * 32 if (t, r) == (1, 1) else "ab" * 32) for t in range(2) for r in range(2)]
    result = option(found)
    assert block_problems(result.sound) == ("rank 1 had other work in one trial than in another",)
    assert option_block(result)["problems"] == ["rank 1 had other work in one trial than in another"]
    different = [figures(trial=t, rank=r, schedule_sha256=f"{r}") for t in range(2) for r in range(2)]
    assert block_problems(option(different).sound) == ()
    assert option_block(option(different))["schedule_sha256"] == {"0": ["0"], "1": ["1"]}


def test_sectors_that_were_not_what_had_been_written_are_a_problem():
    result = option([figures(), figures(rank=1), figures(trial=1), figures(trial=1, rank=1, verify_errors=3)])
    assert block_problems(result.sound) == ("trial 1: rank 1 read 3 sectors that were not what it had written",)


def test_an_option_that_failed_has_nothing_but_its_problems():
    assert option_block(option(whole()[:3])) == {"problems": ["trial 1: rank 1 left no file of results"], "null_reasons": {}}


def _without(*keys):
    def change(raw):
        raw = copy.deepcopy(raw)
        for key in keys:
            raw["mlps"].pop(key)
        return raw

    return change


def test_what_one_rank_lacks_is_null_for_the_option_and_not_the_sum_of_the_others():
    change = _without("storage_read_bandwidth_window_gibps", "late_bytes", "histograms", "series_1s", "served_by_class", "peak_rss_mib")
    block = option_block(option([figures(), figures(rank=1), figures(trial=1), figures(trial=1, rank=1, change=change)]))
    for key in (
        "storage_read_bandwidth_window_gibps",
        "official_over_window_read",
        "late_bytes",
        "chunk_read_latency_ms",
        "served_by_class",
        "peak_rss_mib",
    ):
        assert (key, block[key]) == (key, None)
        assert block["null_reasons"][key]
    assert block["series_1s"][1] == {"read": None, "write": None}
    assert block["histograms"]["service"] is None


def test_files_of_the_official_tool_have_no_block_and_do_no_harm():
    found = [figures(trial=t, rank=r, change=lambda raw: {k: v for k, v in raw.items() if k != "mlps"}) for t in range(2) for r in range(2)]
    result = option(found)
    assert result.problems == block_problems(result.sound) == ()
    block = option_block(result)
    assert block["storage_read_bandwidth_window_gibps"] is None
    json.dumps(block, allow_nan=False)


@pytest.mark.parametrize("damage", [None, [], "x", 5, {"histograms": [], "series_1s": 5, "served_by_class": "x", "late_bytes": "many"}])
def test_a_damaged_block_is_no_measurement_and_no_crash(damage):
    found = [figures(trial=t, rank=r, change=lambda raw: raw | {"mlps": damage}) for t in range(2) for r in range(2)]
    assert option_block(option(found))["late_bytes"] is None


def test_windows_of_several_ranks_overlap_by_what_is_left_between_the_first_and_the_last():
    assert window_overlap([0], 100) == 1
    assert window_overlap([5, 0, 3], 100) == 0.95
    assert window_overlap([0, 500], 100) == 0
