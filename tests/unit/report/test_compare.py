"""A result beside an earlier one: differences, spreads, which earlier result it is, and what else is not the same."""

import datetime as dt
import json
import shutil

import pytest
from training_tree import ACCEPTED_ENGINE, TrainingTree
from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.report.compare import Change, Comparison, compare, shown, verdict_line
from pytest_mlpstorage.report.compare_parameters import differing
from pytest_mlpstorage.report.compare_with import Comparer
from pytest_mlpstorage.report.records import decode, encode
from pytest_mlpstorage.results import history
from pytest_mlpstorage.results.history import measured_at, past_results
from pytest_mlpstorage.results.superseded import supersede
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules.repeats import Figure


def change(before, now, *, better="higher", unit="GiB/s"):
    sides = [None if values is None else Figure(sum(values) / len(values), tuple(values)) for values in (before, now)]
    return Change("Read B/W (GiB/s)", "train_read_bandwidth", "train_read_bandwidth", unit, better, *sides)


def later(tree, days=1):
    """The same result as if it had been measured some days later."""
    for phase in ("datasize", "datagen", "run"):
        for leaf in tree.leaves(phase):
            name = (dt.datetime.strptime(leaf.name, "%Y%m%d_%H%M%S") + dt.timedelta(days=days)).strftime("%Y%m%d_%H%M%S")
            for path in list(leaf.iterdir()):
                path.rename(leaf / path.name.replace(leaf.name, name))
            leaf.rename(leaf.with_name(name))
    return tree


# -- one figure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "beyond"),
    [
        ((1.0, 2.0), (2.0, 3.0), False),  # they touch
        ((1.0, 2.0), (2.1, 3.0), True),
        ((2.1, 3.0), (1.0, 2.0), True),
        ((1.0, 9.0), (4.0, 5.0), False),
        ((1.0, 1.0), (1.0, 1.0), False),
        ((1.0,), (5.0, 6.0), None),
        ((1.0, 2.0), (5.0,), None),
        (None, (5.0, 6.0), None),
    ],
)
def test_a_difference_is_beyond_the_spread_where_no_value_lies_within_those_of_the_other(before, now, beyond):
    assert change(before, now).beyond_spread is beyond


@pytest.mark.parametrize(("counts", "luck"), [((5, 5), 126), ((2, 2), 3), ((3, 3), 10), ((5, 2), 10)])
def test_how_often_luck_alone_parts_so_many_values_is_told(counts, luck):
    one, other = (tuple(map(float, range(count))) for count in counts)
    apart = change(one, tuple(value + 100 for value in other))
    assert apart.luck == luck
    assert apart.weight() == f"beyond the spread of {counts[0]} and {counts[1]} runs (by luck 1 in {luck})"


@pytest.mark.parametrize(
    ("before", "now", "better", "direction"),
    [
        ((2.0,), (3.0,), "higher", "better"),
        ((3.0,), (2.0,), "higher", "worse"),
        ((2.0,), (3.0,), "lower", "worse"),
        ((3.0,), (2.0,), "lower", "better"),
        ((3.0,), (3.0,), "lower", "same"),
        ((3.0,), None, "lower", ""),
    ],
)
def test_which_way_is_better_is_that_of_the_figure(before, now, better, direction):
    assert change(before, now, better=better).direction == direction


def test_a_percentage_is_of_the_earlier_value_and_of_nothing_there_is_none():
    assert change((4.0,), (3.0,)).percent == -25.0
    assert change((0.0,), (3.0,)).percent is None
    assert change((0.0,), (3.0,)).change() == "+3 GiB/s"
    assert change(None, (3.0,)).percent is None
    assert (change(None, (3.0,)).weight(), change((3.0,), None).weight()) == ("no value before", "no value now")
    assert change((3.0,), None).change() == "not to be told"


def test_a_figure_is_shown_with_its_least_and_greatest_where_there_are_several():
    assert shown(Figure(91.25, (90.8, 91.6))) == "91.25 (90.8 to 91.6)"
    assert shown(Figure(1234.5, (1234.5,))) == "1,234"
    assert shown(None) == "none"


def test_one_line_tells_the_worst_that_is_beyond_its_spread():
    good, bad, small = change((1.0, 1.1), (2.0, 2.1)), change((2.0, 2.1), (1.0, 1.1)), change((1.0, 2.0), (1.0, 2.1))
    assert verdict_line([good, small, bad]).startswith("train_read_bandwidth -48.8 %, beyond")
    assert verdict_line([small, good]).startswith("train_read_bandwidth +95.2 %, beyond")
    assert verdict_line([small]).endswith("within the spread of 2 and 2 runs")
    assert verdict_line([]) == ""


def test_a_comparison_crosses_processes_unchanged(tmp_path):
    one, other = TrainingTree.write(tmp_path / "one").read(), TrainingTree.write(tmp_path / "other").read()
    compared = compare(one, other, earlier="there")
    assert Comparison.from_json(decode(encode(compared.to_json()))) == compared
    missing = Comparison("here", missing="none", broken={"train_au<-2%": "why"}, kept=("train_au>+2%",))
    assert Comparison.from_json(decode(encode(missing.to_json()))) == missing


# -- what else is not the same --------------------------------------------------------------------------------------------


def test_parameters_and_surroundings_that_differ_are_named_with_both_values(tmp_path):
    one = TrainingTree.write(tmp_path / "one")
    other = TrainingTree.write(tmp_path / "other", system="slowfs", engine={**ACCEPTED_ENGINE, "version": "4.0"})
    other.parameter("reader", "read_threads", 8)
    other.parameter("dataset", "data_folder", "/elsewhere")
    found = list(differing(one.read(), other.read()))
    assert found[0] == "system: fastfs -> slowfs"
    assert found[1].startswith("engine: dlio 3.0.2 ")
    assert found[2:] == ["reader.read_threads: 4 -> 8"]


def test_what_only_one_of_them_recorded_is_no_difference(tmp_path):
    one, other = TrainingTree.write(tmp_path / "one"), TrainingTree.write(tmp_path / "other")
    other.edit_metadata(lambda m: m["parameters"]["reader"].pop("read_threads"))
    other.edit_metadata(lambda m: m["parameters"]["reader"].update(batch_size="7"))  # as a command line has it
    assert list(differing(one.read(), other.read())) == []
    other.edit_metadata(lambda m: m.update(parameters=None, args=[1], mlps="x"))
    assert list(differing(one.read(), other.read())) == []


# -- which earlier result -------------------------------------------------------------------------------------------------


def test_of_another_tree_the_same_system_is_taken_before_a_newer_one(tmp_path):
    now = TrainingTree.write(tmp_path / "now").read()
    TrainingTree.write(tmp_path / "before")
    later(TrainingTree.write(tmp_path / "before", system="newer"), 9)
    found = Comparer(tmp_path / "now", tmp_path / "before").of(now)
    assert found.earlier.endswith("before/closed/acme/results/fastfs/training/unet3d")
    assert found.when == "2026-07-13 08:35:00"
    assert [change.percent for change in found.changes] == [0.0, 0.0, 0.0]


def test_of_another_tree_the_newest_of_other_systems_is_taken(tmp_path):
    now = TrainingTree.write(tmp_path / "now").read()
    TrainingTree.write(tmp_path / "before", submitter="b", system="older")
    later(TrainingTree.write(tmp_path / "before", submitter="b", system="newer"), 9)
    assert "/newer/" in Comparer(tmp_path / "now", tmp_path / "before").of(now).earlier


def test_the_last_is_the_newest_that_was_measured_before_whether_it_stands_or_was_set_aside(tmp_path):
    root = tmp_path / "tree"
    TrainingTree.write(root, system="first")
    later(TrainingTree.write(root, system="third"), 3)
    replaced = later(TrainingTree.write(root), 1)
    supersede(root, {leaf.relative_to(root).as_posix(): "--mlps-rerun=run" for leaf in replaced.runs})
    shutil.rmtree(replaced.result_dir)
    now = later(TrainingTree.write(tmp_path / "new"), 2)
    shutil.copytree(now.result_dir, replaced.result_dir)
    found = Comparer(root).at(replaced.relpath)
    assert found.earlier.startswith(".mlps/superseded/")
    assert found.earlier.endswith("fastfs/training/unet3d (set aside: --mlps-rerun=run)")
    assert found.when == "2026-07-14 08:35:00"
    assert Comparer(root).at("closed/acme/results/third/training/unet3d").earlier == replaced.relpath
    assert "measured later" in Comparer(root).at("closed/acme/results/first/training/unet3d").missing


def test_what_was_set_aside_is_looked_through_once_for_all_results_of_a_tree_that_is_judged(tmp_path, monkeypatch):
    tree = later(TrainingTree.write(tmp_path))
    TrainingTree.write(tmp_path, system="slowfs")
    old = TrainingTree.write(tmp_path, system="oldfs")
    supersede(tmp_path, {leaf.relative_to(tmp_path).as_posix(): "why" for leaf in old.runs})
    looked = []
    monkeypatch.setattr(history, "read_tree", lambda root, **options: looked.append(root) or read_tree(root, **options))
    now = read_tree(tmp_path)
    comparer = Comparer(tmp_path, now=now)
    found = [comparer.of(now.load(place)) for place in now.result_places]
    assert len(found) > 1
    assert found[0].earlier
    assert len(looked) == 1
    # A benchmark of the same session that sets more aside finds it.
    replaced = TrainingTree.write(tmp_path, submitter="other")
    supersede(tmp_path, {leaf.relative_to(tmp_path).as_posix(): "new" for leaf in replaced.runs})
    shutil.rmtree(replaced.result_dir)
    shutil.copytree(tree.result_dir, replaced.result_dir)
    assert comparer.at(replaced.relpath).earlier.endswith("(set aside: new)")


def test_the_last_is_of_the_same_submitter(tmp_path):
    TrainingTree.write(tmp_path / "tree", submitter="somebody")
    now = later(TrainingTree.write(tmp_path / "tree"), 1)
    assert Comparer(tmp_path / "tree").of(now.read()).missing.startswith("no earlier result of training unet3d on b200 with 8 ranks is in ")


def test_what_was_measured_later_is_not_the_earlier_one_and_that_is_said(tmp_path):
    now = TrainingTree.write(tmp_path / "tree")
    later(TrainingTree.write(tmp_path / "tree", system="newer"), 1)
    assert "measured later than this one" in Comparer(tmp_path / "tree").of(now.read()).missing


@pytest.mark.parametrize(
    ("kwargs", "change", "why"),
    [
        ({"accelerator": "h100"}, lambda _: None, "on h100, here b200"),
        ({}, lambda m: m.update(num_processes=4), "ranks: 4, here 8"),
        ({"runs": 3}, lambda _: None, "not all of its runs are there"),
    ],
)
def test_other_work_is_not_compared_and_named_as_near(tmp_path, kwargs, change, why):
    now = TrainingTree.write(tmp_path / "now").read()
    TrainingTree.write(tmp_path / "before", **kwargs).edit_metadata(change)
    found = Comparer(tmp_path / "now", tmp_path / "before").of(now)
    assert found.changes == ()
    assert why in found.missing


def test_another_model_is_not_even_near(tmp_path):
    now = TrainingTree.write(tmp_path / "now").read()
    TrainingTree.write(tmp_path / "before", model="retinanet")
    VectorDatabaseTree.write(tmp_path / "before")
    assert "near" not in Comparer(tmp_path / "now", tmp_path / "before").of(now).missing


def test_engine_and_index_of_a_vector_database_are_its_workload(tmp_path):
    now = VectorDatabaseTree.write(tmp_path / "now").read()
    VectorDatabaseTree.write(tmp_path / "other", place="milvus/HNSW")
    VectorDatabaseTree.write(tmp_path / "same")
    assert Comparer(tmp_path / "now", tmp_path / "other").of(now).missing
    assert len(Comparer(tmp_path / "now", tmp_path / "same").of(now).changes) == 3


def test_a_result_of_no_known_kind_is_compared_with_nothing(tmp_path):
    TrainingTree.write(tmp_path / "tree")
    assert "cannot be read back" in Comparer(tmp_path / "tree").at("closed/acme/results/fastfs/mine/x").missing


# -- what a tree remembers ------------------------------------------------------------------------------------------------


def test_a_tree_remembers_what_stands_and_what_was_set_aside_with_its_reason(tmp_path):
    tree = TrainingTree.write(tmp_path / "tree")
    home = supersede(tree.root, {tree.runs[0].relative_to(tree.root).as_posix(): "because"})
    standing, aside = past_results(tree.root)
    assert (standing.home, standing.set_aside, standing.where) == ("", "", tree.relpath)
    assert (aside.home, aside.set_aside) == (home.name, "because")
    assert len(aside.load().runs) == 1
    for content in ("", "[]", '{"leaves": 3}', '{"leaves": [3]}'):
        (home / "reason.json").write_text(content)
        assert aside.set_aside == "no reason is kept"


def test_when_a_result_was_measured_is_told_by_its_latest_run_or_not_at_all(tmp_path, tree_of_round_1):
    tree = TrainingTree.write(tmp_path / "tree")
    assert measured_at(tree.read()) == dt.datetime(2026, 7, 13, 8, 35)
    tree.rename_run(5, "99999999_999999")
    assert measured_at(tree.read()) is None
    assert measured_at(tree_of_round_1.read()) == max(
        dt.datetime.fromisoformat(json.loads((run / "summary.json").read_text())["start"]) for run in tree_of_round_1.runs
    )
    shutil.rmtree(tree.result_dir / "run")
    assert measured_at(tree.read()) is None


@pytest.fixture
def tree_of_round_1(tmp_path):
    from round_v1_tree import RoundV1Tree

    return RoundV1Tree.write(tmp_path / "round-1")
