"""What a run of the official KV cache tool shows: its own figures and nothing else, and in a line why where there is none."""

import shutil

import pytest
from kv_cache_tree import KVCacheTree, read_latency_ms, read_rate
from training_tree import TrainingTree

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.report.pictures import picture_html
from pytest_mlpstorage.rules.kv_cache_official_pictures import official_pictures
from pytest_mlpstorage.rules.pictures import pictures_of

BOOK = edition("3.0")
POINTS = ("p50", "p95", "p99", "p999")


@pytest.fixture
def tree(tmp_path):
    return KVCacheTree.write(tmp_path)


def shown(tree):
    return official_pictures(tree.read(), BOOK)


def chart(picture, name):
    (found,) = (chart for chart in picture.charts if chart.name == name)
    return {group.name: group.values for group in found.groups}


def give_times(tree):
    """Percentiles as the tool writes them, the highest those of rank 1 in trial 1."""
    for option in (1, 2, 3):
        for trial in range(3):
            for rank in range(4):
                values = {
                    f"{key}_{point}_ms": read_latency_ms(option, trial, rank) * (number + 1)
                    for key in ("storage_read", "storage_read_device", "storage_write", "storage_write_device")
                    for number, point in enumerate(POINTS)
                }
                tree.edit_rank(
                    lambda raw, values=values: raw["summary"]["cache_stats"].update(values), option=option, trial=trial, rank=rank
                )


def test_the_options_stand_beside_each_other_with_what_the_summary_says(tree):
    first, *trials = shown(tree)
    assert first.title == "Options beside each other"
    mean = sum(read_rate(2, trial, rank) for trial in range(3) for rank in range(4)) / 3
    rates = chart(first, "rate")
    assert list(rates) == ["1 read", "1 write", "2 read", "2 write", "3 read", "3 write"]
    assert (rates["2 read"], rates["2 write"]) == ((mean,), (mean / 4,))
    assert chart(first, "tokens generated")["option 2"] == (100 * mean,)
    assert chart(first, "P95 of all storage I/O of a request") == {"option 1": (5000,), "option 2": (10000,), "option 3": (15000,)}
    assert chart(first, "P95 of “device” reads and writes")["3 write"] == (1550,)
    assert first.says[0].startswith("As the official tool wrote it: option 1 read 4.59 GiB/s, write 1.15 GiB/s; option 2 read 8.59 GiB/s")
    assert first.says[1].startswith("The official formula counts work that ended after the window and divides by the window alone")
    assert [picture.title for picture in trials] == [
        f"option {name}, trial by trial" for name in ("1: Max Storage Stress", "2: Storage Throughput", "3: Large Model (70B)")
    ]


def test_each_trial_is_the_sum_of_its_ranks_and_their_spread_is_beside_it(tree):
    _, one, *_ = shown(tree)
    sums, ranks = one.charts
    assert sums.groups[0].values == pytest.approx([sum(read_rate(1, trial, rank) for rank in range(4)) for trial in range(3)])
    assert sums.groups[0].mean == pytest.approx(sum(sums.groups[0].values) / 3)
    assert sums.groups[1].values == pytest.approx([value / 4 for value in sums.groups[0].values])
    assert [group.about for group in sums.groups] == ["read", "write"]
    assert ranks.groups[0].values == pytest.approx([value / 4 for value in sums.groups[0].values])
    assert (ranks.groups[0].lows[2], ranks.groups[0].highs[2]) == (read_rate(1, 2, 0), read_rate(1, 2, 3))
    assert one.says == ("3 trials of 4 ranks each, as each rank wrote it.",)
    assert (sums.unit, sums.each) == ("GiB/s", "trial")


def test_times_are_the_highest_of_any_rank_and_say_so(tree):
    give_times(tree)
    _, one, *_ = shown(tree)
    assert one.points == ("P50", "P95", "P99", "P99.9")
    assert [time.name for time in one.distributions] == ["entry read", "read, “device” part", "entry written", "write, “device” part"]
    highest = read_latency_ms(1, 1, 1)
    assert one.distributions[0].values == (highest, 2 * highest, 3 * highest, 4 * highest)
    assert "the highest that any rank reported in any trial" in one.of_times
    assert "no time of the device" in one.says[-1]
    page = "".join(map(picture_html, shown(tree)))
    assert page.count("<svg") == 4 + 3 * 3
    assert 'aria-label="rate of each option, GiB/s. 1 read: 4.59; 1 write: 1.15; ' in page


def test_a_percentile_that_no_rank_gives_is_not_drawn(tree):
    _, one, *_ = shown(tree)
    assert [(time.name, time.values, time.why) for time in one.distributions] == [
        (f"{word}, “device” part", (), "the ranks' files do not hold all of these percentiles") for word in ("read", "write")
    ]


def test_without_the_files_of_the_ranks_the_options_are_drawn_and_it_is_said_why_no_trial(tree):
    tree.remove_ranks()
    (only,) = shown(tree)
    assert len(only.charts) == 4
    assert [sentence for sentence in only.says if sentence.startswith("No trial")] == [
        "No trial of option 1, 2, 3 is drawn: the files of the ranks could not all be read."
    ]


def test_a_rank_that_does_not_tell_its_rate_leaves_its_trial_out(tree):
    tree.edit_rank(lambda raw: raw["summary"]["cache_stats"].pop("tier_storage_read_bandwidth_gbps"), option=1, trial=1, rank=2)
    _, one, *_ = shown(tree)
    assert one.charts[0].groups[0].values[1] is None
    assert one.charts[0].groups[1].values[1] is not None


def test_one_rank_has_no_spread(tree):
    for trial in range(3):
        for rank in (1, 2, 3):
            tree.rank_file(trial=trial, rank=rank).unlink()
    tree.option(1, rank_count=1)
    _, one, *_ = shown(tree)
    assert [chart.name for chart in one.charts] == ["rate"]
    assert one.says[0].startswith("3 trials of 1 rank each")


def test_a_part_that_failed_is_told(tree):
    tree.option(2, partial_failure=True)
    assert "A part of option 2 failed: its figures are of what was left." in shown(tree)[0].says


def test_the_p95_of_reads_is_that_of_the_results_table_where_the_summary_has_it(tree):
    for option in (1, 2, 3):
        tree.option(option, aggregated_storage_read_p95_ms=7.0 * option)
    tree.option(2, aggregated_p95_latency_ms=0)
    first, *_ = shown(tree)
    assert chart(first, "P95 of storage reads")["option 3"] == (21.0,)
    assert [each.name for each in first.charts if "of all storage I/O" in each.name] == []
    assert not [sentence for sentence in first.says if "of all storage I/O" in sentence]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda summary: summary.update(options={}), "its summary holds no option"),
        (lambda summary: summary.update(options=3), "its summary holds no option"),
        (lambda summary: summary.update(options={"1": {}}), "its summary holds no figure of any option"),
    ],
    ids=["none", "no options", "nothing in it"],
)
def test_a_run_without_any_figure_says_in_a_line_why_nothing_is_drawn(tree, change, why):
    tree.edit_summary(change)
    (only,) = shown(tree)
    assert only.says == (f"Nothing is drawn: {why}.",)
    assert "Nothing is drawn" in picture_html(only)


def test_a_run_without_a_summary_says_so_too(tree):
    (tree.leaf / "summary.json").unlink()
    (only,) = shown(tree)
    assert only.says == ("Nothing is drawn: the summary could not be read.",)


def test_other_results_and_those_with_our_own_records_have_none(tmp_path, tree):
    assert official_pictures(TrainingTree.write(tmp_path / "b").read(), BOOK) == []
    for option in (1, 2, 3):
        tree.option(option, mlps={"window_s": 10})
    assert shown(tree) == []


def test_only_a_page_shows_them(tree):
    assert pictures_of(tree.read(), BOOK, page=False) == []
    assert [picture.folded for picture in pictures_of(tree.read(), BOOK)] == [True] * 4


@pytest.mark.parametrize(("value", "drawn"), [(0, 0), (9.99e14, 9.99e14), (1e15, None), (1e308, None), (-1, None)])
def test_a_rate_that_no_storage_gives_is_left_out_and_said(tree, value, drawn):
    tree.option(1, aggregated_read_bandwidth_gbps=value, aggregated_avg_throughput_tokens_per_sec=value)
    first, one, *_ = shown(tree)
    assert chart(first, "rate").get("1 read", (None,)) == (drawn,)
    assert chart(first, "tokens generated").get("option 1", (None,)) == (drawn,)
    assert one.charts[0].groups[0].mean == drawn
    assert ("option 1 read" in first.says[0]) == (drawn is not None)
    said = [sentence for sentence in first.says if "can be no" in sentence]
    assert said == (
        []
        if drawn is not None
        else [
            f"The {what} of option 1 in the summary can be no such figure, and is not drawn."
            for what in ("rate of reads", "tokens generated")
        ]
    )


@pytest.mark.parametrize("value", [1e308, 1e15, -1])
def test_rates_of_ranks_that_cannot_be_fail_nothing_and_leave_their_trials_out(tree, value):
    for trial in (0, 2):
        for rank in range(4):
            tree.edit_rank(lambda raw: raw["summary"]["cache_stats"].update(tier_storage_read_bandwidth_gbps=value), trial=trial, rank=rank)
    _, one, *_ = shown(tree)
    sums, ranks = one.charts
    assert [value is None for value in sums.groups[0].values] == [True, False, True]
    assert [(low, high) for low, high in zip(ranks.groups[0].lows, ranks.groups[0].highs, strict=True)][::2] == [(None, None)] * 2
    assert None not in sums.groups[1].values
    assert "No sum of reads is drawn of trial 0, 2: not each of its ranks tells a rate that can be." in one.says


def test_a_direction_without_a_rate_in_any_trial_is_no_group_and_said(tree):
    tree.edit_ranks(lambda raw: raw["summary"]["cache_stats"].pop("tier_storage_write_bandwidth_gbps"), option=1)
    _, one, *_ = shown(tree)
    assert [[group.name for group in each.groups] for each in one.charts] == [["read"], ["read"]]
    assert "No sum of writes is drawn of trial 0, 1, 2: not each of its ranks tells a rate that can be." in one.says


def test_a_device_p95_of_zero_is_none_and_is_said(tree):
    tree.option(1, aggregated_device_read_p95_ms=0.0, cpu_tier_ranks=[0, 1])
    first, *_ = shown(tree)
    devices = chart(first, "P95 of “device” reads and writes")
    assert list(devices) == ["1 write", "2 read", "2 write", "3 read", "3 write"]
    assert (
        "The “device” P95 of reads of option 1 is 0 ms in the summary, as the tool writes where it has none: it is not drawn." in first.says
    )
    assert "Of option 1 the summary lists ranks that kept nothing on storage, and have no time of it." in first.says
    tree.option(1, aggregated_device_read_p95_ms=0.001, cpu_tier_ranks=[])
    first, *_ = shown(tree)
    assert chart(first, "P95 of “device” reads and writes")["1 read"] == (0.001,)
    assert not [sentence for sentence in first.says if "0 ms" in sentence or "lists ranks" in sentence]


def test_where_no_option_has_a_device_p95_there_is_no_chart_of_it(tree):
    for option in (1, 2, 3):
        tree.option(option, aggregated_device_read_p95_ms=0, aggregated_device_write_p95_ms=...)
    first, *_ = shown(tree)
    assert "P95 of “device” reads and writes" not in [one.name for one in first.charts]
    assert [sentence for sentence in first.says if "“device”" in sentence] == [
        "The “device” P95 of reads of option 1, 2, 3 is 0 ms in the summary, as the tool writes where it has none: it is not drawn."
    ]


def test_zeros_of_ranks_for_times_are_left_out_and_said(tree):
    give_times(tree)
    zeros = {f"storage_read_device_{point}_ms": 0.0 for point in POINTS}
    for rank in range(4):
        for trial in range(3):
            tree.edit_rank(lambda raw: raw["summary"]["cache_stats"].update(zeros), option=1, trial=trial, rank=rank)
    tree.edit_rank(lambda raw: raw["summary"]["cache_stats"].update(storage_write_p50_ms=1e308), option=1, trial=1, rank=1)
    _, one, *_ = shown(tree)
    assert one.distributions[1].values == ()
    assert one.distributions[1].why == "the ranks' files do not hold all of these percentiles"
    assert one.distributions[2].values[0] == read_latency_ms(1, 2, 3)
    assert "In the ranks' files 49 percentiles are 0 ms or no time at all, and left out." in one.says
    tree.edit_rank(lambda raw: raw["summary"]["cache_stats"].update(storage_read_p99_ms=0), option=2)
    assert "In the ranks' files 1 percentile is 0 ms or no time at all, and left out." in shown(tree)[2].says


def test_each_option_has_the_p95_that_its_summary_gives_and_under_its_own_name(tree):
    tree.option(1, aggregated_storage_read_p95_ms=7.0, aggregated_p95_latency_ms=...)
    first, *_ = shown(tree)
    assert chart(first, "P95 of storage reads") == {"option 1": (7.0,)}
    assert chart(first, "P95 of all storage I/O of a request") == {"option 2": (10000,), "option 3": (15000,)}
    assert "The summary holds no P95 of storage reads of option 2, 3." in first.says
    assert "The summary holds no P95 of all storage I/O of option 1." in first.says


def test_an_option_without_a_figure_that_others_have_is_named(tree):
    tree.option(2, aggregated_write_bandwidth_gbps=..., aggregated_p95_latency_ms="x")
    first, *_ = shown(tree)
    assert "2 write" not in chart(first, "rate")
    assert list(chart(first, "P95 of all storage I/O of a request")) == ["option 1", "option 3"]
    assert [sentence for sentence in first.says if sentence.startswith("The summary")] == [
        "The summary holds no rate of writes of option 2.",
        "The summary holds no P95 of all storage I/O of option 2.",
    ]


def test_the_times_are_of_all_trials_where_not_all_are_drawn(tree):
    give_times(tree)
    part = tree.leaf / "option_1"
    for trial in range(3, 30):
        shutil.copytree(part / "trial_0", part / f"trial_{trial}")
    slow = {f"storage_read_{point}_ms": 1e6 for point in POINTS}
    tree.edit_rank(lambda raw: raw["summary"]["cache_stats"].update(slow), trial=29, rank=0)
    tree.option(1, trial_count=30)
    _, one, *_ = shown(tree)
    assert len(one.charts[0].groups[0].values) == 24
    assert one.says[:2] == (
        "30 trials of 4 ranks each, as each rank wrote it.",
        "The first 24 trials are drawn one by one; the times are of all.",
    )
    assert one.distributions[0].values == (1e6,) * 4


@pytest.mark.parametrize("wrong", [None, "x", 7, [], {}, [1], True, float("nan"), 10**400, 1e308])
def test_files_that_somebody_changed_are_no_fault(tree, wrong):
    for key in ("aggregated_read_bandwidth_gbps", "aggregated_p95_latency_ms", "rank_count", "trial_count"):
        tree.option(1, **{key: wrong})
        assert shown(tree)[0].title == "Options beside each other"
    tree.edit_rank(
        lambda raw: raw["summary"]["cache_stats"].update(storage_read_p50_ms=wrong, tier_storage_read_bandwidth_gbps=wrong), option=2
    )
    assert "".join(map(picture_html, shown(tree)))
