"""Published and real checkpointing files, judged by the rules one by one and not as whole trees: they are excerpts."""

import json
from pathlib import Path

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.reader import read_checkpointing
from pytest_mlpstorage.results.records import CheckpointingResult
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import all_rules
from pytest_mlpstorage.rules.aggregate_checkpointing import aggregate_checkpointing, aggregate_checkpointing_v2
from pytest_mlpstorage.verdict import Division

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the published files of the rounds are not beside this repository")

# Absent files of an excerpt are no violation, so these are not asked.
ON_FILES = {"2.1.22", "2.1.23", "2.1.25", "2.1.26", "MLPS-METRIC-2"}


def rules():
    return [rule for rule in all_rules() if rule.subject is CheckpointingResult and "3.0" in rule.editions]


def published():
    tree = read_tree(CORPORA / "v3.0")
    return [tree.load(place) for place in tree.places if place.kind == "checkpointing"]


def older():
    """Results of the v2.0 tool, as if they had been submitted in closed."""
    for path in sorted((CORPORA / "v2.0" / "checkpointing").iterdir()):
        place = SubjectPlace("checkpointing", f"checkpointing/{path.name}", Division.CLOSED, "2.0", layout="2.0", model=path.name)
        yield read_checkpointing(place, root=CORPORA / "v2.0")


def failing(result, book):
    asked = [rule for rule in rules() if rule.applies("3.0", result.division) and rule.id not in ON_FILES]
    return {f.rule for rule in asked for f in rule.evaluate(result, book).findings if f.severity.value == "error"}


def test_a_published_result_fails_only_for_the_accelerator_that_no_metadata_of_its_round_names():
    results = published()
    assert results
    for result in results:
        assert failing(result, edition("3.0")) == {"4.3.4"}
        assert failing(result, edition("3.0").relaxed()) == set()


def test_a_published_result_has_the_figures_of_its_summary_and_the_size_of_the_formula():
    metric_rule = next(rule for rule in rules() if rule.id == "MLPS-METRIC-2")
    for result in published():
        recorded = json.loads((result.runs[0].path / "summary.json").read_text())["metric"]
        metrics = aggregate_checkpointing(result, edition("3.0")).metrics
        assert metrics["Checkpointing - Write B/W (GiB/s)"] == recorded["save_checkpoint_io_mean_GB_per_second"]
        assert metrics["Checkpointing - Read Duration (secs)"] == recorded["load_checkpoint_duration_mean_seconds"]
        assert metric_rule.evaluate(result, edition("3.0")).findings == ()


def test_the_figures_of_every_run_of_the_older_tool_are_those_of_its_first_rank_and_of_its_model():
    metric_rule = next(rule for rule in rules() if rule.id == "MLPS-METRIC-2")
    finished = 0
    for result in older():
        assert metric_rule.evaluate(result, edition("2.0")).findings == ()
        finished += sum(leaf.summary is not None for leaf in result.runs)
    assert finished > 10


def test_the_ranks_of_the_older_tool_did_not_start_together_so_their_bandwidth_is_lower_by_the_older_formula():
    for result in older():
        metrics, problems = (aggregate := aggregate_checkpointing_v2(result)).metrics, aggregate.problems
        assert problems == ()
        finished = [leaf.summary.raw["metric"] for leaf in result.runs if leaf.summary is not None]
        for phase, word in (("save", "Write"), ("load", "Read")):
            first_ranks = sum(metric[f"{phase}_checkpoint_io_mean_GB_per_second"] for metric in finished) / len(finished)
            assert 0.5 * first_ranks < metrics[f"Checkpointing - {word} B/W (GiB/s)"] <= first_ranks


def test_the_rules_of_the_newest_edition_name_what_the_older_runs_lack_and_do_not_break_on_crashed_ones():
    for result in older():
        found = failing(result, edition("3.0"))
        assert {"2.1.24", "4.3.4", "4.4.2", "4.6.3", "SUB-CKP-1"} <= found
        assert ({"4.3.5", "4.6.1"} <= found) is (result.model != "llama3-8b")


def test_the_examples_of_metadata_and_summary_of_both_rounds_are_read_alike():
    from pytest_mlpstorage.results.metadata import LeafMetadata
    from pytest_mlpstorage.rules.checkpoints import counts, is_subset, model_of, processes_of

    for name, expected in (("v2.0", (1, 1)), ("v3.0", (10, 10))):
        raw = json.loads((CORPORA / "examples" / f"{name}_checkpointing_metadata.json").read_text())
        metadata = LeafMetadata.from_json(raw)
        assert (counts(metadata), processes_of(metadata), is_subset(metadata)) == (expected, 8, False)
        assert model_of(metadata, edition("3.0")) == "llama3-8b"
