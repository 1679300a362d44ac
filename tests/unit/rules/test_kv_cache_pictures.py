"""What a KV cache run shows: both views in words, the course of its rates, its times, and nothing of a run that has none of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.launch.counters import columns_of
from pytest_mlpstorage.results.time_series import Row, write_rows
from pytest_mlpstorage.rules.kv_cache_pictures import kv_cache_activities, kv_cache_pictures
from pytest_mlpstorage.rules.pictures import pictures_of

sys.path.append(str(Path(__file__).parents[1] / "kvcache"))
sys.path.append(str(Path(__file__).parent))
from kv_cache_tree import KVCacheTree
from kv_leaf import OurTree
from training_tree import TrainingTree

BOOK = edition("3.0")


@pytest.fixture
def tree(tmp_path):
    return OurTree.write(tmp_path, division="open")


def shown(tree, option=1):
    return kv_cache_pictures(tree.read(), BOOK)[option - 1]


def said(tree, option=1):
    return " ".join(shown(tree, option).says)


def block(tree, option=1, **values):
    """Change the block of an option; ``...`` removes a key."""

    def change(summary):
        for key, value in values.items():
            if value is ...:
                summary["options"][str(option)]["mlps"].pop(key, None)
            else:
                summary["options"][str(option)]["mlps"][key] = value

    tree.edit_summary(change)


def test_every_option_has_a_picture_under_its_name(tree):
    assert [picture.title for picture in kv_cache_pictures(tree.read(), BOOK)] == [
        "option 1: Max Storage Stress",
        "option 2: Storage Throughput",
        "option 3: Large Model (70B)",
    ]


def test_the_true_rate_leads_and_the_official_figure_stands_beside_it_with_its_factor(tree):
    block(tree, storage_read_bandwidth_window_gibps=2.0, storage_write_bandwidth_window_gibps=0.5)
    tree.option(1, aggregated_read_bandwidth_gbps=3.5, aggregated_write_bandwidth_gbps=0.6)
    first, second, third = shown(tree).says[:3]
    assert first == (
        "True rate: read 2 GiB/s, write 0.5 GiB/s: what storage completed in the window of 10 s, writes once they were durable "
        "(4 clients together, mean of 3 trials)."
    )
    assert second.startswith("Besides, ")
    assert third == (
        "The official formula would have said read 3.5 GiB/s (1.75 × the true rate), write 0.6 GiB/s (1.20 × the true rate): "
        "it counts work that ended after the window, and divides by the window alone."
    )


def test_what_was_not_durable_at_the_end_is_told_with_the_rate_that_storage_moved_in_all(tree):
    # Bytes add up over three trials of 10 s; the rates are the mean of those.
    bytes_of_a_rate = int(0.3 * 3 * 10 * 2**30)
    rates = {"storage_read_bandwidth_window_gibps": 0.45, "storage_write_bandwidth_window_gibps": 0.25}
    block(tree, write_not_durable_bytes=bytes_of_a_rate, **rates)
    besides = "Besides, 9 GiB written in the window were of entries not durable at its end, and count for nothing"
    assert f"{besides}; with them storage moved 1 GiB/s in all." in said(tree)
    block(tree, write_not_durable_bytes=bytes_of_a_rate, **(rates | {"storage_write_bandwidth_window_gibps": None}))
    assert f"{besides}; with them storage moved 0.75 GiB/s in all." in said(tree)


@pytest.mark.parametrize(("official", "apart"), [(2.0, False), (2.009, False), (2.02, True), (1.98, True)])
def test_a_factor_of_one_needs_no_reason(tree, official, apart):
    block(tree, storage_read_bandwidth_window_gibps=2.0, storage_write_bandwidth_window_gibps=None)
    tree.option(1, aggregated_read_bandwidth_gbps=official, aggregated_write_bandwidth_gbps=...)
    assert ("counts work that ended after the window" in said(tree)) == apart
    assert shown(tree).caution.startswith("The official formula would have said read") == apart
    assert "it counts" not in shown(tree).caution


def test_an_official_figure_without_a_rate_in_the_window_has_no_factor(tree):
    block(tree, storage_read_bandwidth_window_gibps=None, null_reasons={"storage_read_bandwidth_window_gibps": "no chunk"})
    assert "No true rate to read: no chunk." in said(tree)
    tree.option(1, aggregated_read_bandwidth_gbps=3.5)
    assert "read 3.5 GiB/s, write" in said(tree)
    block(tree, storage_read_bandwidth_window_gibps=0.0)
    assert "read 3.5 GiB/s, write" in said(tree)
    block(tree, storage_read_bandwidth_window_gibps=2.0)
    tree.option(1, aggregated_read_bandwidth_gbps=0)
    assert "read 0 GiB/s (0.00 × the true rate), write" in said(tree)


def test_writes_that_were_not_durable_are_told(tree):
    block(tree, write_not_durable_bytes=3 * 2**29)
    assert "Besides, 1.5 GiB written in the window were of entries not durable at its end" in said(tree)
    block(tree, write_not_durable_bytes=0)
    assert "Besides" not in said(tree)


def test_the_official_latencies_are_told_as_what_they_are(tree):
    tree.option(1, aggregated_storage_read_p95_ms=463144.4, aggregated_device_read_p95_ms=23.64, aggregated_device_write_p95_ms=...)
    tree.option(1, aggregated_p95_latency_ms=77)
    tree.option(1, aggregated_storage_throughput_tokens_per_sec=40.1)
    text = said(tree)
    assert "the highest of any client in any trial (463,144 ms of storage reads, 23.6 ms of device reads); the times below" in text
    assert "The official storage throughput is 40.1 tokens a second of all requests' waiting" in text
    tree.option(1, aggregated_storage_read_p95_ms=...)
    assert "(77 ms of all storage I/O of a request, 23.6 ms of device reads)" in said(tree)


@pytest.mark.parametrize(
    ("served", "factor", "words"),
    [(10, 18.6, "186 requests arrived and 10 were served"), (180, 1.03, "180 of 186 requests"), (180, None, "180 of 186 requests")],
)
def test_a_backlog_is_told_where_there_is_one(tree, served, factor, words):
    block(tree, requests_in_window=served, arrivals_in_window=186, overload_factor=factor)
    assert words in said(tree)
    assert ("time in the queue is that of the load" in said(tree)) == (factor == 18.6)
    block(tree, requests_in_window=0, overload_factor=None)
    assert "186 requests arrived and none was served in the window" in said(tree)
    block(tree, requests_in_window=None)
    assert "186" not in said(tree)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"storage": "memory", "direct": "unproved", "filesystem": "tmpfs"}, "Storage: none, for tmpfs lies in memory."),
        ({"backend": "buffered", "direct": "refuted", "resident_fraction_before_read": 0.004}, "0.4% of what was read lay in it"),
        (
            {"backend": "buffered", "resident_fraction_before_read": None, "null_reasons": {"resident_fraction_before_read": "no call"}},
            "(what of it lay in it is not known: no call), on ext4;",
        ),
    ],
)
def test_what_was_not_read_past_the_page_cache_is_no_direct_io_that_failed(tree, values, words):
    block(tree, **values)
    assert words in said(tree)
    assert "direct I/O" not in said(tree)


@pytest.mark.parametrize(
    ("direct", "words"),
    [("proved", "proved by the kernel"), ("unproved", "could not be proved"), ("refuted", "refuted"), ("x", "direct I/O: x")],
)
def test_what_is_known_of_direct_io_is_told(tree, direct, words):
    block(tree, direct=direct, filesystem="xfs")
    assert words in said(tree)
    assert "on xfs; caches in the storage itself are not tested" in said(tree)


def test_what_makes_figures_incomparable_or_the_client_s_is_told(tree):
    block(tree, client_bound=True, comparable=False, comparable_reasons=["direct path", "seed"])
    assert "The client, and not the storage, may have set these figures" in said(tree)
    assert "Not to be compared with figures of the official tool (direct path, seed)." in said(tree)
    block(tree, client_bound=False, comparable=True)
    assert "The client" not in said(tree)
    assert "Not to be compared" not in said(tree)


def test_late_requests_of_the_official_engine_are_told_by_their_lower_bound(tree):
    block(tree, late_requests_lower_bound=418)
    assert "418" not in said(tree), "of ours the true rate says more"
    tree.edit_metadata(lambda metadata: metadata["mlps"].update(engine={"name": "official"}))
    assert "At least 418 of the requests that these figures count ended after the window." in said(tree)
    assert "The official formula said read" in said(tree)


def test_the_course_of_each_trial_is_a_panel_of_read_and_write(tree):
    panels = shown(tree).panels
    assert [panel.name for panel in panels] == ["trial 0", "trial 1", "trial 2"]
    for panel in panels:
        assert panel.seconds == 10
        assert [line.name for line in panel.lines] == ["read", "write"]
        for line in panel.lines:
            assert len(line.values) == 10
            assert sum(line.values) / 10 == pytest.approx(line.mean)


def test_a_run_of_hours_is_drawn_in_as_many_steps_as_can_be_seen(tree):
    seconds = [2**20 * (second % 3) for second in range(7201)]
    series = {"window_ns": 7_200_500_000_000, "bytes": seconds, "halves_bytes": [sum(seconds) // 2, sum(seconds) - sum(seconds) // 2]}
    block(tree, series_1s=[{"read": series, "write": series}] * 40)
    panels = shown(tree).panels
    assert len(panels) == 12
    assert "The first 12 of 40 trials are drawn." in said(tree)
    (read, _write) = panels[0].lines
    assert (panels[0].step, len(read.values)) == (13.0, 554)
    assert read.values[0] == pytest.approx(sum(seconds[:13]) / 13 / 2**30)
    assert (read.lows[0], read.highs[0]) == (min(seconds[:13]) / 2**30, max(seconds[:13]) / 2**30)


@pytest.mark.parametrize(("seconds", "step"), [(599, 1), (600, 1), (601, 2), (1200, 2)])
def test_ten_minutes_are_drawn_second_by_second(tree, seconds, step):
    series = {"window_ns": seconds * 10**9, "bytes": [2] * seconds, "halves_bytes": [seconds, seconds]}
    block(tree, series_1s=[{"read": series, "write": None}])
    (panel,) = shown(tree).panels
    assert (panel.step, len(panel.lines)) == (step, 1)
    assert bool(panel.lines[0].highs) is (step > 1)


def test_the_mean_over_the_trials_is_the_rate_in_words(tree):
    means = [panel.lines[0].mean for panel in shown(tree).panels]
    assert f"read {sum(means) / 3:.3g} GiB/s" in shown(tree).says[0]


def test_times_have_their_points_or_the_reason_why_there_are_none(tree):
    block(tree, eviction_ms=None, null_reasons={"eviction_ms": "nothing was evicted"})
    picture = shown(tree)
    assert picture.points == ("mean", "P50", "P95", "P99", "P99.9", "max")
    by_name = {one.name: one for one in picture.distributions}
    assert len(by_name) == 7
    assert (by_name["entry loaded"].about, by_name["entry stored, durable"].about, by_name["request in service"].about) == (
        "read",
        "write",
        "",
    )
    assert sorted(by_name["entry loaded"].values[1:]) == list(by_name["entry loaded"].values[1:])
    assert (by_name["eviction step"].values, by_name["eviction step"].why) == ((), "nothing was evicted")


SERVING = {
    "profile": "serving", "load": "closed", "latencies": "service time, closed loop", "outstanding": 32, "requests_per_second": 12.0,
    "requests": 2560, "finished": True, "time_to_finish_s": 81.5, "chunk_lookups": 1000, "chunk_hit_rate": 0.37, "chunk_bytes": 2**25,
    "request_latency_ms": {"mean": 5, "p50": 4, "p95": 9, "p99": 10, "p999": 11, "max": 12},
}  # fmt: skip


def test_serving_tells_its_own_figures_and_none_of_the_official_formula(tree):
    block(tree, serving=SERVING, durability="none")
    picture = shown(tree)
    assert picture.title == "option 1: profile serving"
    text = said(tree)
    assert "Profile serving, which is other work than the rule book's: closed loop, 32 requests outstanding at each client" in text
    assert "4 requests a second were served in the window, by all clients together" in text, "of three trials that were summed"
    assert "All 2,560 requests were done after 81.5 s" in text
    assert "37.0% of 1,000 chunks of 32.00 MiB each were found in the cache" in text
    assert "writes when they were done: nothing was forced to disk" in picture.says[0]
    assert "fficial formula" not in text
    assert "official P95" not in text
    assert picture.distributions[0].name == "request: service time, closed loop"
    assert picture.distributions[0].values == (5, 4, 9, 10, 11, 12)


def test_an_open_load_tells_what_was_left_over(tree):
    part = {**SERVING, "load": "open", "rate_per_second": 7.5, "backlog_share": 0.021, "finished": False, "request_latency_ms": None}
    block(tree, serving={**part, "latencies": "from the intended arrival"})
    assert "requests arrive at 7.5 a second at each client" in said(tree)
    assert "At the end of the window 2.1% of the requests that had arrived waited, besides those in service." in said(tree)
    assert "were done after" not in said(tree)
    assert shown(tree).distributions[0].why == "no request ended in the window"
    block(tree, serving={**part, "rate_per_second": None})
    assert "requests arrive as the trace says" in said(tree)


@pytest.mark.parametrize("wrong", ["x", 7, [1], {"load": 3}, {"requests_per_second": "NaN", "finished": True, "chunk_bytes": 10**400}])
def test_a_serving_part_that_somebody_changed_is_no_fault(tree, wrong):
    block(tree, serving=wrong)
    assert shown(tree).says


def test_each_pass_is_an_activity_with_its_window(tree):
    activities = kv_cache_activities(tree.read(), BOOK)
    assert [one.launch for one in activities] == [f"option{option}-trial{trial}" for option in (1, 2, 3) for trial in range(3)]
    first = activities[0]
    assert (first.title, first.panels[0].name, first.panels[0].unit) == ("Option 1, trial 0 over time", "storage", "GiB/s")
    assert [(span.name, span.end) for span in first.spans] == [("window", 10.0)]


def evidence(tree, **values):
    """Put into the evidence of the first client what its clock said."""
    path = tree.leaf / "option_1" / "trial_0" / "rank_0" / "evidence.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **values}))


def test_the_window_lies_on_the_axis_of_the_hosts_where_the_clock_of_the_first_client_had_it(tree):
    columns = columns_of(["nvme0n1"], ["eth0"])
    values = tuple(10.0 if name == "cpu_busy_percent" else None for name in columns)
    rows = [Row(1_800_000_001.0 + second, "h1", 1.0, values) for second in range(15)]
    write_rows(tree.leaf / "time_series_option1-trial0.csv", columns, rows)
    evidence(tree, host="h1", starts_ns=[4 * 10**9, 5 * 10**9], clock_epoch_ns=1_799_999_999 * 10**9)
    picture = next(p for p in pictures_of(tree.read(), BOOK) if p.title == "Option 1, trial 0 over time")
    assert [panel.name for panel in picture.panels] == ["storage", "CPU"]
    assert (picture.spans[0].begin, picture.spans[0].end) == pytest.approx((3.0, 13.0))
    assert "Clocks were not corrected: what was done lies where the clock of h1 had it." in picture.says


@pytest.mark.parametrize("wrong", [None, "x", [], {}, [None], ["a"], float("nan"), 10**400, True])
def test_evidence_that_somebody_changed_places_nothing(tree, wrong):
    evidence(tree, host=wrong, starts_ns=wrong, clock_epoch_ns=wrong)
    assert kv_cache_activities(tree.read(), BOOK)[0].begin.epoch_seconds is None


def test_a_run_of_the_official_tool_and_other_results_have_nothing_to_show(tmp_path):
    assert kv_cache_pictures(KVCacheTree.write(tmp_path / "a").read(), BOOK) == []
    assert kv_cache_pictures(TrainingTree.write(tmp_path / "b").read(), BOOK) == []
    tree = OurTree.write(tmp_path / "c")
    (tree.leaf / "summary.json").unlink()
    assert kv_cache_pictures(tree.read(), BOOK) == []


@pytest.mark.parametrize(
    "wrong", [None, "x", 7, [], {}, [1], [None], [{"read": 1}], [{"read": {"window_ns": -1}}], {"0": {}}, float("nan"), 10**400]
)
def test_a_summary_that_somebody_changed_is_no_fault(tree, wrong):
    own = shown(tree)
    assert own.panels
    keys = (
        "series_1s", "object_load_latency_ms", "null_reasons", "window_s", "requests_in_window", "overload_factor", "direct", "filesystem",
        "comparable_reasons", "write_not_durable_bytes", "tokens_in_window_per_s", "storage_read_bandwidth_window_gibps",
    )  # fmt: skip
    for key in keys:
        block(tree, **{key: wrong})
        assert shown(tree).title == own.title
    tree.option(1, aggregated_read_bandwidth_gbps=wrong, rank_count=wrong, trial_count=wrong)
    assert shown(tree).title == own.title
    tree.option(1, mlps=wrong)
    assert len(kv_cache_pictures(tree.read(), BOOK)) == (3 if isinstance(wrong, dict) and wrong else 2)
