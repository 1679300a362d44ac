"""Our block of one option: window-true sums, percentiles of the population, and what a null of one rank means for all."""

from __future__ import annotations

import copy
import json

import pytest
from kv_logs import S
from kv_ranks import figures, option, whole
from kv_ranks import rank_content as content

from pytest_mlpstorage.kvcache.option_block import block_problems, option_block, window_overlap
from pytest_mlpstorage.kvcache.rank_block import NOTHING_READ
from pytest_mlpstorage.kvcache.series import ByteSeries


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
    assert shared["null_reasons"]["resident_fraction_before_read"] == "the rank did not determine it"


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


@pytest.mark.parametrize("huge", [10**400, -(10**400), 2**63, 1e300])
@pytest.mark.parametrize("key", ["tokens_in_window_per_s", "requests_in_window", "arrivals_in_window", "late_bytes", "peak_rss_mib"])
def test_a_number_that_nothing_of_ours_can_reach_is_none(key, huge):
    found = [figures(trial=t, rank=r, change=lambda raw: raw | {"mlps": raw["mlps"] | {key: huge}}) for t in range(2) for r in range(2)]
    block = option_block(option(found))
    assert (block[key], block["null_reasons"][key]) == (None, "not every rank has it")
    json.dumps(block, allow_nan=False)


def _held_in_memory(**more):
    """A change of a rank's file to that of one whose memory took every entry: nothing of its storage, and why."""
    nothing = {
        "storage_read_bandwidth_window_gibps": "no byte was read from storage in the window",
        "storage_write_bandwidth_window_gibps": "no byte was made durable on storage in the window",
        "read_gib": "no byte was read from storage in the pass",
        "write_gib": "no byte was written to storage in the pass",
        "eviction_read_gib": "no eviction read in the window",
        "client_cpu_seconds_per_gib": "nothing was moved",
        "reuse_distance_histogram": "nothing was read from storage",
        "resident_fraction_before_read": NOTHING_READ,
        "executed_sha256": "no operation is logged",
        **more,
    }

    def change(raw):
        raw = copy.deepcopy(raw)
        block = raw["mlps"]
        block |= dict.fromkeys(nothing) | {"direct": "unproved", "kernel_read_gib": 0.0}
        block["null_reasons"] = block["null_reasons"] | nothing
        return raw

    return change


def test_a_rank_whose_memory_took_everything_adds_nothing_and_takes_nothing_from_the_others():
    each = content()["mlps"]
    found = [
        figures(trial=t, rank=r, resident_fraction_before_read=0.25, change=_held_in_memory() if r else None)
        for t in range(2)
        for r in range(2)
    ]
    block = option_block(option(found))
    assert block["storage_read_bandwidth_window_gibps"] == each["storage_read_bandwidth_window_gibps"]
    assert block["storage_read_bandwidth_window_gibps_by_trial"] == [each["storage_read_bandwidth_window_gibps"]] * 2
    assert block["official_over_window_write"] is not None
    assert (block["read_gib"], block["write_gib"]) == (2 * each["read_gib"], 2 * each["write_gib"])
    assert (block["client_cpu_seconds_per_gib"], block["resident_fraction_before_read"]) == (0.05, 0.25)
    assert sum(block["reuse_distance_histogram"]["reads"]) == 2 * sum(each["reuse_distance_histogram"]["reads"])
    assert (block["direct"], block["kernel_read_gib"]) == ("proved", 6.0)
    assert block["executed_sha256"]["1"] == [None]


def test_where_every_memory_took_everything_each_key_says_so():
    block = option_block(option([figures(trial=t, rank=r, change=_held_in_memory()) for t in range(2) for r in range(2)]))
    reasons = block["null_reasons"]
    assert block["storage_read_bandwidth_window_gibps"] is None
    assert reasons["storage_read_bandwidth_window_gibps"] == "no byte was read from storage in the window"
    assert reasons["write_gib"] == "no byte was written to storage in the pass"
    assert reasons["resident_fraction_before_read"] == NOTHING_READ
    assert (block["direct"], reasons["direct"]) == (None, "no rank moved a byte")
    assert reasons["reuse_distance_histogram"] == "nothing was read from storage"
    json.dumps(block, allow_nan=False)


def test_a_trial_in_which_nothing_moved_counts_in_the_mean():
    each = content()["mlps"]["storage_read_bandwidth_window_gibps"]
    block = option_block(option([figures(trial=t, rank=r, change=_held_in_memory() if t else None) for t in range(2) for r in range(2)]))
    assert block["storage_read_bandwidth_window_gibps_by_trial"] == [2 * each, None]
    assert block["storage_read_bandwidth_window_gibps"] == each
    assert block["null_reasons"]["storage_read_bandwidth_window_gibps_by_trial[1]"] == "no byte was read from storage in the window"


def test_what_is_null_in_one_trial_says_why_of_that_trial():
    def still(raw):
        raw = copy.deepcopy(raw)
        raw["mlps"]["series_1s"] |= {"read": ByteSeries(10 * S).to_json(), "write": None}
        return raw

    block = option_block(option([figures(trial=t, rank=r, change=still if t else None) for t in range(2) for r in range(2)]))
    reasons = block["null_reasons"]
    assert block["cv_percent"]["read"][1] is block["half_drift_percent"]["read"][1] is block["series_1s"][1]["write"] is None
    assert reasons["cv_percent.read[1]"] == "nothing moved, or the window has fewer than two whole seconds"
    assert reasons["half_drift_percent.read[1]"] == "nothing moved in the first half of the window"
    missing = "the series of its ranks cannot be added"
    assert reasons["series_1s[1].write"] == reasons["cv_percent.write[1]"] == reasons["half_drift_percent.write[1]"] == missing
    assert not any("[0]" in key for key in reasons)


def test_what_could_not_be_measured_on_one_rank_is_not_what_the_others_measured():
    unmeasured = _held_in_memory(resident_fraction_before_read="mincore is not permitted", kernel_read_gib="no counters of it")
    block = option_block(
        option(
            [
                figures(trial=t, rank=r, resident_fraction_before_read=0.0, change=unmeasured if r else None)
                for t in range(2)
                for r in range(2)
            ]
        )
    )
    assert (block["resident_fraction_before_read"], block["null_reasons"]["resident_fraction_before_read"]) == (
        None,
        "mincore is not permitted",
    )
    silent = figures(trial=1, rank=1, change=lambda raw: raw | {"mlps": {**raw["mlps"], "read_gib": None}})
    block = option_block(option([figures(), figures(rank=1), figures(trial=1), silent]))
    assert (block["read_gib"], block["null_reasons"]["read_gib"]) == (None, "rank 1 of trial 1 does not tell it")


def test_windows_of_several_ranks_overlap_by_what_is_left_between_the_first_and_the_last():
    assert window_overlap([0], 100) == 1
    assert window_overlap([5, 0, 3], 100) == 0.95
    assert window_overlap([0, 500], 100) == 0
    assert window_overlap([5, 0, 3], 100, 20) == 0.75
