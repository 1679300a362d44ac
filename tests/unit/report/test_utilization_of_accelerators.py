"""The utilization of each accelerator of a result of round 2.0, with its limit and its spread."""

import sys
from pathlib import Path

import pytest
from round_v2_tree import RoundTree
from training_tree import TrainingTree

from pytest_mlpstorage.report.card_parts import figures_html
from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.headline_text import Limit, Spread
from pytest_mlpstorage.report.held_against import undoubted
from pytest_mlpstorage.report.rule_rows import rows_of_result_judged
from pytest_mlpstorage.report.runs import rows_of_result
from pytest_mlpstorage.report.subjects import facts_of
from pytest_mlpstorage.rules.judging import edition_of

sys.path += [str(Path(__file__).parents[1] / "kvcache"), str(Path(__file__).parents[1] / "rules")]

AU = "train_mean_of_au_percentage"


def told(tree, profile="strict"):
    result = tree.read()
    return facts_of(result, edition_of(result, profile))


def held(tree):
    """Its facts as a card has them: with what the rules said."""
    result = tree.read()
    return undoubted(told(tree), rows_of_result_judged(result))


AUS = {"a100": 99.0, "h100": 91.0}


def two_accelerators(root, *, h100=5, division="closed"):
    """Five runs on one accelerator and as many as told on another, whose utilization is another one."""
    tree = RoundTree.training(root, runs=5 + h100)
    if division != "closed":
        tree.to(division)
    for run in range(5 + h100):
        accelerator = "a100" if run < 5 else "H100"
        tree.metadata(lambda m, accelerator=accelerator: m["args"].update(accelerator_type=accelerator), run=run)
        tree.metric(run=run, train_au_mean_percentage=AUS[accelerator.lower()] + run % 5 / 10)
    return tree


def aus(found):
    return {name: value for name, value in found.figures.items() if name.startswith(AU)}


def test_each_accelerator_of_round_2_has_its_own_utilization_with_its_limit_and_spread(tmp_path):
    found = told(two_accelerators(tmp_path))
    assert aus(found) == {f"{AU} on a100": pytest.approx(99.2), f"{AU} on h100": pytest.approx(91.2)}
    assert (found.spreads[f"{AU} on a100"], found.spreads[f"{AU} on h100"]) == (Spread(99.0, 99.4, 5), Spread(91.0, 91.4, 5))
    limit = Limit(90.0, "V2-TRN-check_au_success")
    assert found.limits == {f"{AU} on a100": limit, f"{AU} on h100": limit}
    assert figures_of({"metrics": found.figures, "benchmark_type": "training"}, limits=found.limits) == [
        "a100: AU 99.2 % (at least 90 %), read bandwidth 2,000 MiB/s",
        "h100: AU 91.2 % (at least 90 %), read bandwidth 2,000 MiB/s",
    ]
    page = figures_html(found)
    assert page.count("✓ at least 90 %") == 2
    assert [page.index(word) for word in (">a100<", ">h100<", ">AU<", "99.2 %", "91.2 %")] == sorted(
        page.index(word) for word in (">a100<", ">h100<", ">AU<", "99.2 %", "91.2 %")
    )
    assert "5 runs 91.0 to 91.4" in page


def test_what_ran_names_every_accelerator_with_its_ranks(tmp_path):
    tree = two_accelerators(tmp_path)
    assert dict(told(tree).ran)["emulated accelerators"] == "8 × a100, 8 × h100"
    for run in range(5, 10):
        tree.metadata(lambda m: m["args"].update(num_processes=16), run=run)
    assert dict(told(tree).ran)["emulated accelerators"] == "8 × a100, 16 × h100"
    tree.without_metadata(run=0)
    tree.without_config(run=0)
    assert dict(told(tree).ran)["emulated accelerators"] == "8 × a100, 16 × h100", "a run that names none adds no name"


def test_accelerators_that_contradict_each_other_are_named_too_and_a_spelling_is_none(tmp_path):
    tree = TrainingTree.write(tmp_path)
    tree.edit_metadata(lambda m: (m.update(accelerator="B200"), m["args"].update(accelerator_type="B200")), run=1)
    assert dict(told(tree).ran)["emulated accelerators"] == "8 × b200"
    tree.edit_metadata(lambda m: (m.update(accelerator="h100"), m["args"].update(accelerator_type="h100")), run=2)
    assert dict(told(tree).ran)["emulated accelerators"] == "8 × b200, 8 × h100"


def test_runs_below_a_minimum_that_is_not_in_force_are_not_marked(tmp_path):
    tree = TrainingTree.write(tmp_path)
    tree.edit_metric(run=2, train_au_percentage=[89.0] * 5, train_au_mean_percentage=89.0)
    for profile, marks in (("strict", ["AU below 90 %"]), ("v3.0-round", [])):
        result = tree.read()
        assert [row.mark for row in rows_of_result(result, edition_of(result, profile)) if row.mark] == marks


def test_runs_on_one_accelerator_of_round_2_have_one_utilization_without_its_name(tmp_path):
    found = told(RoundTree.training(tmp_path))
    assert aus(found) == {AU: 97.0}
    assert found.limits == {AU: Limit(90.0, "V2-TRN-check_au_success")}
    assert dict(found.ran)["emulated accelerators"] == "8 × a100"


@pytest.mark.parametrize(("division", "h100", "names"), [("closed", 4, ["a100"]), ("open", 6, ["a100"]), ("whatif", 4, ["a100", "h100"])])
def test_an_accelerator_whose_runs_are_not_complete_has_no_utilization(tmp_path, division, h100, names):
    found = told(two_accelerators(tmp_path, h100=h100, division=division))
    assert list(aus(found)) == [f"{AU} on {name}" for name in names]


def test_a_run_that_does_not_say_its_utilization_takes_that_of_its_accelerator_alone(tmp_path):
    tree = two_accelerators(tmp_path)
    tree.metric(run=7, train_au_mean_percentage="unknown")
    assert list(aus(told(tree))) == [f"{AU} on a100"]


def test_a_run_of_round_2_that_did_not_finish_is_none_of_those_that_count(tmp_path):
    tree = RoundTree.training(tmp_path, runs=6)
    tree.crash(5)
    assert aus(told(tree)) == {AU: 97.0}


def test_sums_of_accelerators_that_no_float_holds_are_no_utilization(tmp_path):
    tree = two_accelerators(tmp_path)
    for run in range(5):
        tree.metric(run=run, train_au_mean_percentage=1e308)
    assert list(aus(told(tree))) == [f"{AU} on h100"]


def test_the_rule_of_utilization_takes_the_ticks_of_each_accelerator(tmp_path):
    tree = two_accelerators(tmp_path)
    tree.metric(run=9, train_au_mean_percentage=89.5)
    assert held(tree).limits == {}
    for run in range(5, 10):
        tree.metric(run=run, train_au_mean_percentage=89.5)
    assert list(held(tree).limits) == [f"{AU} on h100"], "what is below the limit stays so"


def test_without_a_minimum_in_the_profile_nothing_shows_one(tmp_path):
    tree = TrainingTree.write(tmp_path)
    assert told(tree, "v3.0-round").limits == {}
    assert told(tree, "v3.0-round").figures == told(tree).figures
    assert "at least" not in figures_html(told(tree, "v3.0-round"))
