"""What a card tells of a result besides its verdict, read from trees that the writer made."""

import json
import sys
from pathlib import Path

import pytest
from checkpointing_tree import CheckpointingTree
from round_v1_tree import RoundV1Tree
from round_v2_tree import RoundTree
from training_tree import TrainingTree
from vector_database_tree import VectorDatabaseTree
from whole_tree import write_package

from pytest_mlpstorage.report.card_parts import figures_html
from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.headline_text import Limit, Spread
from pytest_mlpstorage.report.held_against import undoubted
from pytest_mlpstorage.report.records import decode, encode, facts
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.rule_rows import RuleRow, rows_of_result_judged
from pytest_mlpstorage.report.runs import rows_of_result
from pytest_mlpstorage.report.subjects import facts_of, record_subject
from pytest_mlpstorage.results.page_cache import PAGE_CACHE
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules.judging import edition_of

sys.path += [str(Path(__file__).parents[1] / "kvcache"), str(Path(__file__).parents[1] / "rules")]
from examples import cold_reads, vector_database_own
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


def ran(tree):
    return dict(told(tree).ran)


def test_only_checkpoints_of_runs_that_finished_count_and_the_others_are_named(tmp_path):
    tree = RoundTree.checkpointing(tmp_path, counts=((1, 1),) * 5)
    assert (ran(tree)["checkpoints"], ran(tree)["runs"]) == ("5 written, 5 read", "5")
    for run in (0, 1):
        tree.crash(run)
    assert (ran(tree)["checkpoints"], ran(tree)["runs"]) == ("3 written, 3 read", "3 finished, 2 unfinished")
    tree.metadata(lambda m: m["args"].update(command="datasize"), run=0)
    assert ran(tree)["runs"] == "3 finished, 1 unfinished", "what the tool left for another command is no run"
    for run in (1, 2, 3, 4):
        (tree.runs[run] / "summary.json").unlink(missing_ok=True)
    assert "checkpoints" not in ran(tree)
    assert ran(tree)["runs"] == "0 finished, 4 unfinished"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3"])
def test_a_summary_that_says_nothing_is_named_so(tmp_path, content):
    tree = CheckpointingTree.write(tmp_path, invocations=((10, 0), (0, 10)))
    (tree.runs[1] / "summary.json").write_text(content)
    assert (ran(tree)["checkpoints"], ran(tree)["runs"]) == ("10 written", "1 finished, 1 without a readable summary")


def test_checkpoints_are_those_that_the_ranks_timed_where_their_files_tell(tmp_path):
    tree = CheckpointingTree.write(tmp_path)
    tree.stats(lambda epoch: epoch.pop("load_ckpt10"), rank=3)
    tree.stats(lambda epoch: (epoch["save_ckpt1"].pop("end"), epoch["save_ckpt1"].pop("duration")), rank=0)
    assert ran(tree)["checkpoints"] == "9 written, 9 read"
    tree.args(num_checkpoints_write=4, num_checkpoints_read=4)
    assert ran(tree)["checkpoints"] == "9 written, 9 read"
    for path in tree.runs[0].glob("*_per_epoch_stats.json"):
        path.write_text("{}")
    assert ran(tree)["checkpoints"] == "4 written, 4 read", "files that tell of no checkpoint tell nothing"
    for path in tree.runs[0].glob("*_per_epoch_stats.json"):
        path.unlink()
    assert ran(tree)["checkpoints"] == "4 written, 4 read"
    tree.remove_metadata()
    assert "checkpoints" not in ran(tree)


@pytest.mark.parametrize("wrong", [None, "x", 7, [], {}, {"end": []}, {"duration": float("nan")}, {"duration": -1}])
def test_a_checkpoint_that_a_rank_did_not_end_is_none(tmp_path, wrong):
    tree = CheckpointingTree.write(tmp_path)
    tree.stats(lambda epoch: epoch.update(save_ckpt2=wrong), rank=5)
    assert ran(tree)["checkpoints"] == "9 written, 10 read"


def test_training_runs_without_a_summary_are_unfinished(tmp_path):
    tree = TrainingTree.write(tmp_path, runs=3)
    (tree.runs[2] / "summary.json").unlink()
    assert ran(tree)["runs"] == "1 warm-up, 1 measured, 1 unfinished"
    (tree.runs[0] / "summary.json").write_text("{")
    assert ran(tree)["runs"] == "1 measured, 1 unfinished, 1 without a readable summary"
    (tree.runs[1] / "summary.json").unlink()
    assert ran(tree)["runs"] == "0 measured, 2 unfinished, 1 without a readable summary"


def test_runs_of_the_older_editions_are_measured_where_they_finished(tmp_path):
    tree = RoundTree.training(tmp_path / "2.0", runs=6)
    tree.crash(5)
    assert ran(tree)["runs"] == "5 measured, 1 unfinished"
    assert ran(RoundV1Tree.write(tmp_path / "1.0"))["runs"] == "5 measured"


STDEVS = {"save_checkpoint_io_stdev_GB_per_second": 1.06, "load_checkpoint_io_stdev_GB_per_second": 11.86}
SPREAD = "spread by the summary"


def without_ranks(root, invocations=((10, 10),), **stdevs):
    tree = CheckpointingTree.write(root, invocations=invocations)
    for run in tree.runs:
        for path in run.glob("*_per_epoch_stats.json"):
            path.unlink()
    tree.metric(**(stdevs or STDEVS))
    return tree


def test_where_no_rank_left_its_times_the_spread_is_that_of_the_summary(tmp_path):
    tree = without_ranks(tmp_path / "bare")
    assert ran(tree)[SPREAD] == "write ± 1.06 GiB/s, read ± 11.9 GiB/s"
    with_files = CheckpointingTree.write(tmp_path / "whole")
    with_files.metric(**STDEVS)
    assert SPREAD not in ran(with_files), "the figures have their own"


def test_the_summaries_of_several_runs_have_no_common_spread(tmp_path):
    assert SPREAD not in ran(without_ranks(tmp_path / "two", ((10, 10), (10, 10))))
    split = without_ranks(tmp_path / "split", ((10, 0), (0, 10)))
    split.edit_summary(lambda s: s["metric"].pop("load_checkpoint_io_stdev_GB_per_second"), run=0)
    split.edit_summary(lambda s: s["metric"].pop("save_checkpoint_io_stdev_GB_per_second"), run=1)
    assert ran(split)[SPREAD] == "write ± 1.06 GiB/s, read ± 11.9 GiB/s"


@pytest.mark.parametrize("wrong", [0, -1, None, "x", [], {}, True, float("nan"), 10**400, 1e300])
def test_a_stdev_that_says_nothing_is_none(tmp_path, wrong):
    tree = without_ranks(tmp_path, save_checkpoint_io_stdev_GB_per_second=wrong, load_checkpoint_io_stdev_GB_per_second=2.0)
    assert ran(tree)[SPREAD] == "read ± 2 GiB/s"


def test_the_summary_of_edition_2_has_no_spread_of_its_figures(tmp_path):
    tree = RoundTree.checkpointing(tmp_path, counts=((10, 10),))
    tree.metric(**STDEVS)
    assert SPREAD not in ran(tree)


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


def test_the_own_limits_bind_what_this_suite_measured(tmp_path):
    assert told(VectorDatabaseTree.write(tmp_path / "theirs")).limits == {}
    tree = vector_database_own.write(tmp_path / "ours")
    assert told(tree).limits == {"mean of recall": Limit(0.9, "MLPS-VDB-01")}
    tree.edit("summary.json", lambda s: s["mlps"]["thresholds"].update(recall_min={"value": 0.5, "severity": "error"}))
    assert told(tree).limits == {"mean of recall": Limit(0.5, "MLPS-VDB-01")}


# -- cold reads -----------------------------------------------------------------------------------------------------------


def cold(tree):
    found = told(tree).cold_reads
    return found.state, found.text


@pytest.mark.parametrize(
    ("bend", "state", "words"),
    [
        (cold_reads.record, "proved", "nothing of 11.44 MiB sampled lay in memory before the reads, 57.22 MiB asked for"),
        (cold_reads.record, "proved", "57.22 MiB counted by diskstats sda and by the ranks' own counters (6 runs)"),
        (lambda t: cold_reads.host(t, resident_bytes_after=500_000), "refuted", "files lay in the memory of the host"),
        (lambda t: cold_reads.host(t, resident_bytes_after=500_000), "refuted", "2.86 MiB of 11.44 MiB sampled"),
        (lambda t: cold_reads.delivered(t, 1_000_000, None), "refuted", "5.72 MiB counted by diskstats sda (6 runs)"),
        (lambda t: cold_reads.delivered(t, None, None), "unavailable", "what the storage delivered is not known"),
        (cold_reads.without, "unavailable", "the tool that measured it recorded nothing"),
    ],
)
def test_cold_reads_are_as_the_rule_judges_them(tmp_path, bend, state, words):
    tree = cold_reads.write(tmp_path)
    bend(tree)
    assert cold(tree)[0] == state
    assert words in cold(tree)[1]


def test_a_record_of_ours_that_is_gone_proves_nothing(tmp_path):
    tree = cold_reads.write(tmp_path)
    (tree.runs[0] / PAGE_CACHE).unlink()
    assert cold(tree) == ("unavailable", f"{PAGE_CACHE} is not there")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"hosts": 5, "asked_bytes": "x"}', b'{"hosts": [{"resident_bytes_after": 1e400}]}'])
def test_a_damaged_record_is_unavailable_and_raises_nothing(tmp_path, raw):
    tree = cold_reads.write(tmp_path)
    for run in tree.runs:
        (run / PAGE_CACHE).write_bytes(raw)
    assert cold(tree)[0] == "unavailable"


def test_checkpoints_of_another_tool_have_no_record(tmp_path):
    tree = CheckpointingTree.write(tmp_path)
    tree.edit_metadata(lambda m: m.pop("mlps", None))
    assert cold(tree)[0] == "unavailable"


@pytest.mark.parametrize(
    ("bend", "state", "words"),
    [
        (vector_database_own.valid, "proved", "4-KiB reads of storage a search: cold 1, steady 1; cold: verified"),
        (vector_database_own.run("phases.0.read_4kib_per_query", 3.0, 0), "proved", "cold 1 to 3, steady 1"),
        (vector_database_own.run("phases.1.read_4kib_per_query", 0.25), "refuted", "steady 0.25"),
        (vector_database_own.run("phases.1.read_4kib_per_query", None), "unavailable", "cold 1;"),
        (vector_database_own.run("cold_proof.verified", False), "unavailable", "cold: verified"),
        (lambda tree: tree.edit("summary.json", lambda s: s.pop("mlps")), "unavailable", "recorded nothing"),
    ],
)
def test_searches_read_the_storage_cold_and_steady(tmp_path, bend, state, words):
    tree = vector_database_own.write(tmp_path)
    bend(tree)
    assert cold(tree)[0] == state
    assert words in cold(tree)[1]


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, "proved", "direct I/O, by the kernel's counters"),
        ({"direct": "refuted"}, "refuted", "option 2: direct I/O is refuted"),
        ({"direct": "unproved"}, "unavailable", "option 2: no counter of the kernel"),
        ({"storage": "memory"}, "refuted", "option 2: the cache lay in memory"),
        ({"backend": "buffered", "resident_fraction_before_read": 0.005}, "proved", "option 2: 0.5% of what was read"),
        ({"backend": "buffered", "resident_fraction_before_read": 0.5}, "refuted", "option 2: 50.0% of what was read"),
        ({"backend": "buffered", "resident_fraction_before_read": None}, "unavailable", "what of it lay there is not known"),
    ],
)
def test_a_kv_cache_is_as_good_as_the_worst_of_its_options(tmp_path, change, state, words):
    tree = OurTree.write(tmp_path)
    (summary,) = tmp_path.rglob("summary.json")
    content = json.loads(summary.read_text())
    for option in content["options"].values():
        option["mlps"] |= {"direct": "proved", "storage": "file", "backend": "threads"}
    content["options"]["2"]["mlps"] |= change
    summary.write_text(json.dumps(content))
    assert cold(tree)[0] == state
    assert words in cold(tree)[1]


def test_a_kv_cache_without_a_summary_is_unavailable(tmp_path):
    tree = OurTree.write(tmp_path)
    (summary,) = tmp_path.rglob("summary.json")
    summary.write_text("{")
    assert cold(tree)[0] == "unavailable"
