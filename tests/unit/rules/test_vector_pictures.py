"""What runs of a vector database show: cold and steady beside each other, their times, and the searches over time with the hosts below."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.launch.counters import columns_of
from pytest_mlpstorage.results.pictures import Limit
from pytest_mlpstorage.results.time_series import Row, write_rows
from pytest_mlpstorage.rules.pictures import pictures_of
from pytest_mlpstorage.rules.vector_pictures import vector_activities, vector_pictures
from pytest_mlpstorage.vectordb.samples import SAMPLE, WorkerSamples, save_worker

sys.path.append(str(Path(__file__).parent))
from training_tree import TrainingTree
from vector_database_tree import LATENCIES, VectorDatabaseTree

BOOK = edition("3.0")
COLUMNS = columns_of(["nvme0n1"], ["eth0"])
SECOND = 1_000_000_000
TIMES = {"mean": 3.0, "p50": 2.5, "p95": 4.0, "p99": 5.0, "p999": None, "max": 6.0}


def phase(name, qps, reads):
    return {"name": name, "qps": qps, "read_4kib_per_query": reads, "latency_ms": TIMES}


@pytest.fixture
def ours(tmp_path):
    """Runs with the block and the samples that ours leave."""
    tree = VectorDatabaseTree.write(tmp_path, runs=2)
    for number, run in enumerate(tree.runs):
        block = {
            "phases": [phase("cold", 600.0 + number, 68.0), phase("steady", 700.0 + number, 0.5)],
            "thresholds": {"min_reads_per_query": {"id": "MLPS-VDB-03", "value": 1.0}},
            "clock_offsets_ns": {"h": 0},
            "clock_epoch_ns": 1_800_000_000 * SECOND,
        }
        tree.edit("summary.json", lambda s, block=block: s.update(mlps=block), run=number)
        samples = np.zeros(300, SAMPLE)
        samples["seconds"], samples["phase"] = 0.01, [0] * 100 + [1] * 200
        samples["began_ns"] = 5 * SECOND + np.arange(300) * SECOND // 100
        (run / "samples").mkdir()
        save_worker(run / "samples", WorkerSamples(samples, 0, 0, "h"))
    return tree


def shown(tree):
    (picture,) = vector_pictures(tree.read(), BOOK)
    return picture


def test_cold_and_steady_of_each_run_stand_beside_each_other_with_the_own_limit(ours):
    searches, reads = shown(ours).charts
    assert [(group.name, group.values, group.mean) for group in searches.groups] == [
        ("cold", (600.0, 601.0), 600.5),
        ("steady", (700.0, 701.0), 700.5),
    ]
    assert [group.values for group in reads.groups] == [(68.0, 68.0), (0.5, 0.5)]
    assert reads.limit == Limit(1.0, "own limit")
    assert shown(ours).says[0] == (
        "On average of 2 runs: cold 600 searches a second with 68 reads of 4 KiB each, steady 700 searches a second with 0.5 reads of 4 KiB each."
    )


@pytest.mark.parametrize(
    ("residence", "about"),
    [("disk", ["read", "write"]), ("page-cache", ["read", "aside"]), ("memory", ["aside", "aside"]), (["x"], ["read", "write"])],
)
def test_a_phase_whose_reads_the_rule_does_not_weigh_stands_aside_from_the_limit(ours, residence, about):
    for run in range(2):
        ours.edit("summary.json", lambda s: s["mlps"].update(engine={"residence": residence}), run=run)
    _, reads = shown(ours).charts
    assert [group.about for group in reads.groups] == about
    assert [group.name.endswith("(no limit)") for group in reads.groups] == [one == "aside" for one in about]
    assert [group.about for group in shown(ours).charts[0].groups] == ["read", "write"]


def test_runs_that_are_not_drawn_are_told(ours, monkeypatch):
    assert not any("are shown" in sentence for sentence in shown(ours).says)
    monkeypatch.setattr("pytest_mlpstorage.rules.vector_pictures._MOST_RUNS", 1)
    assert shown(ours).says[-1] == "Of 2 runs the first 1 are shown, and the means here are theirs."


def test_times_of_each_phase_have_their_points_or_the_reason_why_not(ours):
    ours.edit("summary.json", lambda s: s["mlps"]["phases"][0].update(latency_ms={"mean": 1.0}), run=1)
    picture = shown(ours)
    assert picture.points == ("mean", "P50", "P95", "P99", "max")
    first, second, *_ = picture.distributions
    assert (first.name, first.values) == ("run 1, cold", (3.0, 2.5, 4.0, 5.0, 6.0))
    assert (second.values, second.why) == ((), "the summary does not have all of its times")


def test_reads_that_nobody_counted_are_said(ours):
    ours.edit("summary.json", lambda s: s["mlps"]["phases"][1].update(read_4kib_per_query=None), run=0)
    assert "What searches of run 1 read was not counted in each phase." in shown(ours).says


def test_searches_and_their_times_over_time(ours):
    first, second = vector_activities(ours.read(), BOOK)
    searches, times = first.panels
    assert [line.name for line in searches.lines] == ["cold", "steady"]
    assert searches.lines[0].mean == pytest.approx(100.0)
    assert [line.name for line in times.lines] == ["median of each step", "P99 of each step"]
    assert [(span.name, round(span.begin, 2), round(span.end, 2)) for span in first.spans] == [("cold", 0.0, 1.0), ("steady", 1.0, 3.0)]
    assert first.begin.epoch_seconds == pytest.approx(1_800_000_005.0)
    assert second.title.startswith("Run 2 over time")


def test_the_hosts_stand_below_on_the_same_axis(ours):
    values = tuple(10.0 if name == "cpu_busy_percent" else None for name in COLUMNS)
    write_rows(ours.runs[0] / "time_series.csv", COLUMNS, [Row(1_800_000_003.0 + second, "h", 1.0, values) for second in range(8)])
    picture = next(p for p in pictures_of(ours.read(), BOOK) if p.title.startswith("Run 1 over time"))
    assert [panel.name for panel in picture.panels] == ["searches", "time of a search", "CPU"]
    assert picture.spans[0].begin == pytest.approx(3.0)
    # A run of before that was recorded has both, each over its own time.
    ours.edit("summary.json", lambda s: s["mlps"].pop("clock_epoch_ns"), run=0)
    titles = [p.title.partition(" (")[0] for p in pictures_of(ours.read(), BOOK)]
    assert titles[1:3] == ["Run 1 over time", f"Hosts during run {ours.runs[0].name}"]


def test_samples_that_cannot_be_read_are_counted_and_harm_nobody(ours):
    folder = ours.runs[0] / "samples"
    (folder / "samples-r0-w1@h.npy").write_bytes(b"no numpy at all")
    (folder / "samples-r0-w2@h.npy").symlink_to("/etc/passwd")
    os.mkfifo(folder / "samples-r0-w3@h.npy")
    activity = vector_activities(ours.read(), BOOK)[0]
    assert activity.says[-1].startswith("The samples of 1 client are not in it") or "clients are not in it" in activity.says[-1]
    (folder / "samples-r0-w0@h.npy").unlink()
    assert [one.title.partition(" (")[0] for one in vector_activities(ours.read(), BOOK)] == ["Run 2 over time"]


def test_runs_of_the_official_tool_show_the_sums_that_they_have(tmp_path):
    picture = shown(VectorDatabaseTree.write(tmp_path))
    assert picture.title == "Searches"
    assert [one.name for one in picture.distributions] == [f"run {number}" for number in range(1, 6)]
    assert picture.distributions[0].values == tuple(LATENCIES[f"{key}_latency_ms"] for key in ("mean", "p95", "p99"))
    assert "neither phases nor a course over time" in picture.says[0]
    assert vector_activities(VectorDatabaseTree.write(tmp_path / "b").read(), BOOK) == []


def test_a_mean_is_of_all_runs_or_it_is_said_which_have_a_value(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path)
    whole = shown(tree)
    (group,) = whole.charts[0].groups
    assert (group.name, len(group.values)) == ("all runs", 5)
    assert group.mean is not None
    assert len(whole.says) == 1
    for run in (0, 1, 3, 4):
        tree.edit("summary.json", lambda s: s.pop("throughput_qps"), run=run)
    picture = shown(tree)
    (group,) = picture.charts[0].groups
    assert (group.name, group.mean) == ("run 3", None)
    assert [value is None for value in group.values] == [True, True, False, True, True]
    assert picture.says[-1] == "Searches a second are known of 1 of 5 runs (run 3), so no mean is formed of them."


def test_a_run_that_cannot_be_read_keeps_its_place_and_the_mean_is_not_of_all(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path)
    (tree.runs[1] / "summary.json").write_text("no summary")
    picture = shown(tree)
    (group,) = picture.charts[0].groups
    assert (group.name, group.mean, group.values[1]) == ("runs 1, 3, 4 and 5", None, None)
    assert "known of 4 of 5 runs" in picture.says[-1]


def test_phases_that_some_runs_lack_have_no_mean_of_all(ours):
    ours.edit("summary.json", lambda s: s["mlps"]["phases"][1].pop("qps"), run=0)
    picture = shown(ours)
    assert [(group.name, group.mean) for group in picture.charts[0].groups] == [("cold", 600.5), ("steady, run 2", None)]
    assert picture.says[0] == "On average of 2 runs: cold 600 searches a second with 68 reads of 4 KiB each."
    assert "Searches a second of steady are known of 1 of 2 runs (run 2), so no mean is formed of them." in picture.says


def test_percentiles_of_steps_are_named_so_and_no_figure_of_the_whole_is_made_of_them(ours):
    times = vector_activities(ours.read(), BOOK)[0].panels[1]
    assert [(line.name, line.told) for line in times.lines] == [("median of each step", False), ("P99 of each step", False)]


@pytest.mark.parametrize(
    "wrong", [None, "x", 7, [], {}, [1], [None], [{"name": 1}], [{"name": "cold", "qps": "x", "latency_ms": 3}], float("nan"), 10**400]
)
def test_a_summary_that_somebody_changed_is_no_fault(ours, wrong):
    for key in ("phases", "thresholds", "clock_offsets_ns", "clock_epoch_ns"):
        ours.edit("summary.json", lambda s, key=key: s["mlps"].update({key: wrong}), run=0)
        assert [json.dumps(picture.to_json()) for picture in pictures_of(ours.read(), BOOK)]
    ours.edit("summary.json", lambda s: s.update(mlps=wrong, throughput_qps=wrong, mean_latency_ms=wrong))
    pictures_of(ours.read(), BOOK)


def test_other_results_have_no_such_pictures(tmp_path):
    other = TrainingTree.write(tmp_path).read()
    assert (vector_pictures(other, BOOK), vector_activities(other, BOOK)) == ([], [])
