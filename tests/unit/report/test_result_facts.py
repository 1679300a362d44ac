"""What a card tells of a result besides its verdict, read from trees that the writer made."""

import sys
from pathlib import Path

import pytest
from round_v1_tree import RoundV1Tree
from training_tree import TrainingTree
from vector_database_tree import VectorDatabaseTree
from whole_tree import write_package

from pytest_mlpstorage.report.card_parts import figures_html
from pytest_mlpstorage.report.headline_text import Limit, Spread
from pytest_mlpstorage.report.held_against import undoubted
from pytest_mlpstorage.report.records import decode, encode, facts
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.rule_rows import RuleRow, rows_of_result_judged
from pytest_mlpstorage.report.subjects import facts_of, record_subject
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules.judging import edition_of

sys.path += [str(Path(__file__).parents[1] / "kvcache"), str(Path(__file__).parents[1] / "rules")]
from examples import vector_database_own
from kv_leaf import OurTree

AU = "train_mean_of_au_percentage"


def told(tree, profile="strict"):
    result = tree.read()
    return facts_of(result, edition_of(result, profile))


def test_facts_of_each_family_cross_as_json_and_come_back(tmp_path):
    write_package(tmp_path)
    OurTree.write(tmp_path / "ours")
    results = (*read_tree(tmp_path).results, *read_tree(tmp_path / "ours").results)
    assert {result.benchmark for result in results} == {"training", "checkpointing", "vector_database", "kv_cache"}
    for result in results:
        found = facts_of(result, edition_of(result))
        assert ResultFacts.from_json(decode(encode(found.to_json()))) == found
        assert found.figures
        assert {"runs", "options"} & set(dict(found.ran))


def test_an_item_of_rules_hands_them_over(tmp_path):
    properties = []
    result = TrainingTree.write(tmp_path).read()
    record_subject(properties, result, edition_of(result))
    assert ResultFacts.from_json(facts(properties).subject["facts"]) == facts_of(result, edition_of(result))


def test_what_ran_for_a_training(tmp_path):
    ran = dict(told(TrainingTree.write(tmp_path)).ran)
    assert (ran["emulated accelerators"], ran["hosts"], ran["runs"]) == ("8 × b200", "1", "1 warm-up, 5 measured")
    assert ran["data set"] == "28,000 files, 3.73 TiB"
    assert ran["engine"].startswith("dlio")
    assert ran["measured"].startswith("20")


def test_what_ran_for_the_other_families(tmp_path):
    write_package(tmp_path)
    ran = {result.benchmark: dict(facts_of(result, edition_of(result)).ran) for result in read_tree(tmp_path).results}
    assert (ran["checkpointing"]["checkpoints"], ran["checkpointing"]["ranks"]) == ("10 written, 10 read", "8")
    assert ran["vector_database"]["data set"].endswith("dimensions")
    assert (ran["kv_cache"]["options"], ran["kv_cache"]["trials of each"]) == ("1, 2, 3", "3")


def test_the_figures_have_their_limit_and_their_spread(tmp_path):
    tree = TrainingTree.write(tmp_path)
    tree.edit_metric(run=2, train_au_percentage=[91.0] * 5, train_au_mean_percentage=91.0)
    found = told(tree)
    assert found.limits == {AU: Limit(90.0, "3.3.2")}
    assert found.spreads[AU] == Spread(91.0, pytest.approx(97.2), 5, "runs")


def test_a_run_without_metadata_counts_in_the_spread(tmp_path):
    tree = TrainingTree.write(tmp_path)
    for run in tree.runs:
        next(run.glob("*_metadata.json")).unlink()
    assert told(tree).spreads[AU].count == 5


def test_of_a_judged_result_that_is_not_complete_nobody_can_tell_which_runs_count(tmp_path):
    tree = TrainingTree.write(tmp_path, runs=3)
    tree.edit_metric(run=0, train_au_percentage=[99.0] * 5, train_au_mean_percentage=99.0)
    tree.edit_metric(run=1, train_au_percentage=[90.0, 92.0, 92.0, 92.0, 94.0], train_au_mean_percentage=99.9)
    tree.edit_metric(run=2, train_au_percentage=[94.0] * 5, train_au_mean_percentage=94.0)
    found = told(tree)
    assert dict(found.ran)["runs"] == "1 warm-up, 2 measured"
    assert AU not in found.figures
    assert AU not in found.spreads


def test_a_judged_result_of_a_warm_up_alone_has_no_utilization(tmp_path):
    assert AU not in told(TrainingTree.write(tmp_path, runs=1)).figures


def held(tree):
    """Its facts as a card has them: with what the rules said."""
    result = tree.read()
    return undoubted(told(tree), rows_of_result_judged(result))


@pytest.mark.parametrize("division", ["closed", "whatif"])
def test_a_figure_that_its_own_records_contradict_is_not_ticked(tmp_path, division):
    tree = TrainingTree.write(tmp_path, division=division)
    assert "✓ at least 90 %" in figures_html(held(tree))
    tree.edit_metric(run=2, train_au_mean_percentage=99.9)
    assert "✓" not in figures_html(held(tree))
    assert held(tree).figures == told(tree).figures


def test_a_mean_that_keeps_a_limit_which_one_of_its_runs_breaks_is_not_ticked(tmp_path):
    tree = TrainingTree.write(tmp_path)
    tree.edit_metric(run=2, train_au_percentage=[89.0] * 5, train_au_mean_percentage=89.0)
    assert "✓" not in figures_html(held(tree))
    for run in range(6):
        tree.edit_metric(run=run, train_au_percentage=[89.0] * 5, train_au_mean_percentage=89.0)
    assert "✗ at least 90 %" in figures_html(held(tree)), "what is below the limit stays so"


def test_only_the_rules_that_speak_of_the_figure_take_its_tick_away():
    facts_told = ResultFacts(figures={AU: 97.0}, limits={AU: Limit(90.0, "3.3.2")})
    assert undoubted(facts_told, [RuleRow("3.3.2", "n", "warned"), RuleRow("3.1.2", "n", "failed")]) == facts_told
    assert undoubted(facts_told, [RuleRow("3.3.2", "n", "failed")]).limits == {}


def test_an_edition_that_has_no_such_figure_shows_the_utilization_of_its_runs(tmp_path):
    tree = RoundV1Tree.write(tmp_path)
    tree.metric(train_au_mean_percentage=95.0)
    tree.metric(run=1, train_au_mean_percentage=97.5)
    found = told(tree)
    assert (found.figures[AU], found.spreads[AU]) == (95.5, Spread(95.0, 97.5, 5))
    assert found.limits == {AU: Limit(90.0, "V1-7")}
    tree.metric(run=1, train_au_mean_percentage="unknown")
    assert AU not in told(tree).figures


def test_a_utilization_that_no_mean_can_be_made_of_is_none_and_raises_nothing(tmp_path):
    tree = RoundV1Tree.write(tmp_path)
    for run in range(5):
        tree.metric(run=run, train_au_mean_percentage=1e308)
    assert AU not in told(tree).figures


def test_the_own_limits_bind_what_this_suite_measured(tmp_path):
    assert told(VectorDatabaseTree.write(tmp_path / "theirs")).limits == {}
    tree = vector_database_own.write(tmp_path / "ours")
    assert told(tree).limits == {"mean of recall": Limit(0.9, "MLPS-VDB-01")}
    tree.edit("summary.json", lambda s: s["mlps"]["thresholds"].update(recall_min={"value": 0.5, "severity": "error"}))
    assert told(tree).limits == {"mean of recall": Limit(0.5, "MLPS-VDB-01")}
