"""What training runs show: each epoch beside the edition's limit, and the steps of the ranks over time with the hosts below."""

import datetime as dt
import json
import sys
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.launch.counters import columns_of
from pytest_mlpstorage.report.pictures import picture_html
from pytest_mlpstorage.results.pictures import Limit, Picture
from pytest_mlpstorage.results.time_series import Row, write_rows
from pytest_mlpstorage.rules import training_pictures as module
from pytest_mlpstorage.rules.pictures import pictures_of
from pytest_mlpstorage.rules.training_pictures import training_activities, training_pictures

sys.path.append(str(Path(__file__).parent))
from round_v2_tree import RoundTree
from training_tree import COMPUTE_SECONDS, EPOCHS, FIRST_STEP_SECONDS, RANKS, STEPS, WALL_SECONDS, TrainingTree

BOOK = edition("3.0")
COLUMNS = columns_of(["nvme0n1"], ["eth0"])


@pytest.fixture
def tree(tmp_path):
    return TrainingTree.write(tmp_path)


def epochs(tree):
    (picture,) = training_pictures(tree.read(), BOOK)
    return picture


def test_every_epoch_of_every_run_stands_beside_the_limit_of_the_edition(tree):
    picture = epochs(tree)
    assert (picture.folded, picture.opened) == (True, True)
    au, rate = picture.charts
    assert [group.name for group in au.groups] == ["warm-up", "run 1", "run 2", "run 3", "run 4", "run 5"]
    assert [group.about for group in au.groups] == ["aside", *[""] * 5]
    assert au.limit == Limit(90.0, of_means=True), "it is of each run"
    assert au.note == "The bar across a run is the mean of its epochs; the limit is of that."
    summary = json.loads((tree.runs[1] / "summary.json").read_text())["metric"]
    assert au.groups[1].values == tuple(summary["train_au_percentage"])
    assert (rate.unit, rate.limit) == ("MiB/s", None)
    assert rate.groups[1].mean == pytest.approx(summary["train_io_mean_MB_per_second"])
    assert picture.says[0] == "Accelerators were busy 97.2 % of the time (mean of 5 runs; the edition demands 90 % of each run)."
    assert "The warm-up (hollow marks) enters no figure; the edition demands the same of it." in picture.says


def test_the_least_epoch_is_named_and_the_warm_up_is_not_asked(tree):
    tree.edit_summary(lambda s: s["metric"]["train_au_percentage"].__setitem__(0, 10.0), run=0)
    tree.edit_summary(lambda s: s["metric"]["train_au_percentage"].__setitem__(3, 88.0), run=2)
    assert "The epoch of the least had 88 %: epoch 4 of run 2." in epochs(tree).says


def test_a_rate_without_bytes_is_of_samples(tree):
    tree.edit_summary(lambda s: s["metric"].pop("train_io_mean_MB_per_second"), run=3)
    _, rate = epochs(tree).charts
    assert rate.unit == "samples/s"
    assert (
        rate.groups[1].mean == json.loads((tree.runs[1] / "summary.json").read_text())["metric"]["train_throughput_mean_samples_per_second"]
    )


def test_a_run_without_a_summary_is_named_and_not_drawn(tree):
    (tree.runs[2] / "summary.json").unlink()
    picture = epochs(tree)
    assert "Without a summary that can be read, and not drawn: run 2." in picture.says
    assert "run 2" not in [group.name for group in picture.charts[0].groups]
    for run in tree.runs:
        (run / "summary.json").unlink(missing_ok=True)
    assert training_pictures(tree.read(), BOOK) == []


def test_a_model_without_a_limit_is_drawn_without_one(tree, monkeypatch):
    monkeypatch.setattr(module, "required_utilization_percent", lambda _edition, _model: None)
    picture = epochs(tree)
    assert (picture.charts[0].limit, picture.charts[0].note) == (None, "")
    assert "The warm-up (hollow marks) enters no figure." in picture.says
    assert picture.says[0] == "Accelerators were busy 97.2 % of the time (mean of 5 runs)."


def test_a_profile_without_a_minimum_draws_none(tree):
    (picture,) = training_pictures(tree.read(), BOOK.relaxed())
    assert (picture.charts[0].limit, picture.charts[0].note) == (None, "")
    assert not any("demands" in line for line in picture.says)


def test_where_no_run_tells_its_utilization_it_is_said_that_none_is_asked_for(tree):
    tree.edit_summary(lambda s: s["metric"].pop("train_au_mean_percentage"))
    (picture,) = training_pictures(tree.read(), BOOK.relaxed())
    assert picture.says[0] == "No least utilization is in force for this model."


def test_each_accelerator_of_round_2_has_a_mean_of_its_own(tmp_path):
    tree = RoundTree.training(tmp_path, runs=8)
    for run in range(8):
        tree.metadata(lambda m, run=run: m["args"].update(accelerator_type="a100" if run < 5 else "h100"), run=run)
        tree.metric(run=run, train_au_mean_percentage=99.0 if run < 5 else 91.0)
    (picture,) = training_pictures(tree.read(), edition("2.0"))
    assert picture.says[:2] == (
        "Accelerators were busy 99 % of the time (mean of 5 runs on a100; the edition demands 90 % of each run).",
        "Accelerators were busy 91 % of the time (mean of 3 runs on h100; the edition demands 90 % of each run).",
    )


def test_the_steps_of_the_ranks_are_a_rate_over_time(tree):
    activities = training_activities(tree.read(), BOOK)
    assert [one.title.partition(" (")[0] for one in activities] == ["Warm-up over time", *[f"Run {n} over time" for n in range(1, 6)]]
    first = activities[0]
    consumed, busy = first.panels
    assert (consumed.unit, busy.unit) == ("MiB/s", "%")
    summary = json.loads((tree.runs[0] / "summary.json").read_text())["metric"]
    of_sample = summary["train_io_mean_MB_per_second"] / summary["train_throughput_mean_samples_per_second"]
    moved = sum(rate * consumed.step for rate in consumed.lines[0].values)
    assert moved == pytest.approx(RANKS * EPOCHS * STEPS * 7 * of_sample)
    # All ranks alike: in a step nothing but the first of it is no compute.
    assert max(busy.lines[0].values, key=lambda value: value or 0) == pytest.approx(
        100 * COMPUTE_SECONDS * 3 / (WALL_SECONDS - FIRST_STEP_SECONDS), rel=0.02
    )
    assert [span.name for span in first.spans] == [f"epoch {number}" for number in range(1, EPOCHS + 1)]
    assert (first.spans[1].begin, first.spans[1].end) == pytest.approx((1.0, 1.0 + WALL_SECONDS))
    assert None in busy.lines[0].values, "between the epochs no step was on"


def test_of_many_ranks_some_are_read_and_it_is_said(tree, monkeypatch):
    whole = training_activities(tree.read(), BOOK)[0]
    monkeypatch.setattr(module, "_MOST_RANKS", 2)
    part = training_activities(tree.read(), BOOK)[0]
    assert part.says[-1] == "Drawn from 2 of 8 ranks, and multiplied up to all."
    assert part.panels[0].lines[0].mean == pytest.approx(whole.panels[0].lines[0].mean)


@pytest.mark.parametrize("batch", [None, 0, -3, "x", [], 10**400, True])
def test_without_a_batch_size_there_is_no_rate_and_still_the_course_of_compute(tree, batch):
    tree.parameter("reader", "batch_size", batch)
    (panel,) = training_activities(tree.read(), BOOK)[0].panels
    assert panel.name == "accelerators busy"


def hosts(run, first, count=8, host="h"):
    busy = COLUMNS.index("cpu_busy_percent")
    values = [None] * len(COLUMNS)
    values[busy] = 50.0
    write_rows(run / "time_series.csv", COLUMNS, [Row(first + second, host, 1.0, tuple(values)) for second in range(1, count + 1)])


@pytest.mark.parametrize("zone_hours", [-11, -3.5, 0, 2, 5.75, 14])
def test_epochs_lie_where_the_clock_of_their_host_had_them_whatever_its_zone(tree, zone_hours):
    run = tree.runs[1]
    start = dt.datetime.strptime(run.name, "%Y%m%d_%H%M%S").replace(tzinfo=dt.timezone.utc).timestamp()
    # The first epoch began a second after the name says, and the sampler three seconds before that.
    hosts(run, start + 1 - 3 - zone_hours * 3600)
    picture = next(p for p in pictures_of(tree.read(), BOOK) if p.title.startswith("Run 1 over time"))
    assert picture.spans[0].begin == pytest.approx(3.0)
    assert picture.panels[0].begin == pytest.approx(3.0)
    assert [panel.name for panel in picture.panels] == ["training", "accelerators busy", "CPU"]
    assert (picture.stacked, picture.folded) == (True, True)
    assert {panel.axis for panel in picture.panels} == {"seconds, from each host's first sample"}
    assert picture.says[-1] == "Clocks were not corrected: what was done lies where the clock of h had it."
    assert picture_html(Picture.from_json(json.loads(json.dumps(picture.to_json())))).count("<svg") == 1


def test_a_start_that_took_long_is_placed_by_when_the_launch_was_asked_for(tree):
    run = tree.runs[1]
    asked = dt.datetime.strptime(run.name, "%Y%m%d_%H%M%S") - dt.timedelta(minutes=12)
    tree.edit_metadata(lambda m: m.update(invocation_start_time=asked.isoformat()), run=1)
    hosts(run, asked.replace(tzinfo=dt.timezone.utc).timestamp() - 7200 + 2, count=900)
    picture = next(p for p in pictures_of(tree.read(), BOOK) if p.title.startswith("Run 1 over time"))
    assert picture.spans[0].begin == pytest.approx(12 * 60 + 1 - 2)


def test_what_cannot_be_placed_is_drawn_beside_the_hosts_and_says_so(tree):
    run = tree.runs[1]
    hosts(run, dt.datetime.strptime(run.name, "%Y%m%d_%H%M%S").replace(tzinfo=dt.timezone.utc).timestamp() + 400)
    run1 = [p for p in pictures_of(tree.read(), BOOK) if run.name in p.title]
    assert [p.title.partition(" (")[0] for p in run1] == ["Run 1 over time", f"Hosts during run {run.name}"]
    assert run1[0].says[-1] == "Where on the axis of the hosts this lay was not recorded."
    assert {panel.axis for panel in run1[0].panels} == {"seconds from the start"}


def test_a_run_without_a_series_says_so(tree):
    picture = next(p for p in pictures_of(tree.read(), BOOK) if p.title.startswith("Run 1 over time"))
    assert picture.says[-1] == "What the hosts did meanwhile is not known: there is no time_series.csv in the leaf."
    (tree.runs[1] / "time_series.csv").write_text("nothing of a series\n")
    picture = next(p for p in pictures_of(tree.read(), BOOK) if p.title.startswith("Run 1 over time"))
    assert picture.says[-1] == "What the hosts did meanwhile is not known: time_series.csv could not be read."


@pytest.mark.parametrize("wrong", [None, "2026-13-45T00:00:00", [], {}, float("nan"), 10**400])
@pytest.mark.parametrize("name", ["0_output.json", "0_per_epoch_stats.json", "summary.json"])
def test_a_file_that_somebody_changed_is_no_fault(tree, name, wrong):
    def everywhere(node):
        if isinstance(node, dict):
            return [wrong] + [{**node, key: changed} for key, value in list(node.items())[:6] for changed in everywhere(value)[:3]]
        return [wrong, [wrong], {"block1": wrong}]

    path = tree.runs[1] / name
    content = json.loads(path.read_text())
    for changed in everywhere(content)[:8]:
        path.write_text(json.dumps(changed))
        for picture in pictures_of(tree.read(), BOOK):
            json.dumps(picture.to_json())
    path.write_bytes(b"\xff\0 not json")
    pictures_of(tree.read(), BOOK)


@pytest.mark.parametrize("apart", ["1950", "1996", "2026"])
def test_clocks_of_ranks_that_lie_decades_apart_have_no_axis_together_and_are_no_fault(tree, apart):
    """The first rank's epochs began then by its clock; its steps, and all of the others, by clocks that are right."""
    path = tree.runs[1] / "0_per_epoch_stats.json"
    content = json.loads(path.read_text())
    for epoch in content.values():
        epoch["start"] = apart + epoch["start"][4:]
    path.write_text(json.dumps(content))
    names = [activity.title.partition(" over")[0] for activity in training_activities(tree.read(), BOOK)]
    assert ("Run 1" in names) is (apart != "1950")
    assert "Run 2" in names
    for picture in pictures_of(tree.read(), BOOK):
        json.dumps(picture.to_json(), allow_nan=False)


def test_other_results_have_no_such_pictures(tmp_path):
    from kv_cache_tree import KVCacheTree

    other = KVCacheTree.write(tmp_path).read()
    assert (training_pictures(other, BOOK), training_activities(other, BOOK)) == ([], [])
