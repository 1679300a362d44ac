"""What the rules on the KV cache, on tables and on the origin of leaves tell where they pass: the figures of the tree, and their limits."""

import dataclasses
import importlib.util
import json
from pathlib import Path

import pytest
from kv_cache_tree import KVCacheTree
from training_tree import TrainingTree

from pytest_mlpstorage.rules import edition_of, rules_for
from pytest_mlpstorage.verdict import Division

spec = importlib.util.spec_from_file_location("rule_examples_tables", Path(__file__).parent / "examples" / "tables.py")
tables = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tables)


@pytest.fixture
def tree(tmp_path):
    return KVCacheTree.write(tmp_path / "tree")


def met(subject, rule_id):
    rule = next(rule for rule in rules_for(subject) if rule.id == rule_id)
    evaluation = rule.evaluate(subject, edition_of(subject))
    assert [f.line() for f in evaluation.findings if f.severity.value != "info"] == []
    return evaluation.met


def test_the_rates_of_the_options_are_told_as_their_range_with_their_unit(tree):
    def third_more(rank):
        rank["summary"]["cache_stats"]["tier_storage_read_bandwidth_gbps"] *= 4 / 3

    measured, required = met(tree.read(), "6.3.4.1")
    assert measured.split("; ")[0] == "4.59375 to 12.5938 GiB/s"
    assert required.split("; ")[0] == "read: ranks' files summed, mean of trials, ±0.0001 %"
    tree.edit_ranks(third_more, option=3)
    tree.option(3, aggregated_read_bandwidth_gbps=12.59375 * 4 / 3)
    assert met(tree.read(), "6.3.4.1")[0].split("; ") == ["4.59375 to 16.7917 GiB/s", measured.split("; ")[1]]


def test_the_highest_latency_of_a_client_is_told_and_where_the_summary_has_none_that(tree):
    tree.edit_rank(lambda r: r["summary"]["cache_stats"].update(storage_read_device_p95_ms=9999.0), option=2, trial=2, rank=3)
    tree.option(2, aggregated_device_read_p95_ms=9999.0)
    assert met(tree.read(), "6.3.4.3")[0].startswith("1100.0 to 9999.0 ms; ")
    for option in (1, 2, 3):
        tree.option(option, aggregated_device_read_p95_ms=..., aggregated_device_write_p95_ms=...)
    assert met(tree.read(), "6.3.4.3") == ("not in the summary", "compared where the summary has them")


def test_the_users_of_each_option_stand_beside_those_of_the_edition_and_in_open_are_told_to_be_free(tmp_path, tree):
    assert met(tree.read(), "6.3.3.2") == (
        "200 users a client; 100 users a client; 70 users a client",
        "200 users in option 1; 100 users in option 2; 70 users in option 3",
    )
    free = KVCacheTree.write(tmp_path / "open", division="open")
    free.command("--num-users 70", "--num-users 35")
    measured, required = met(free.read(), "6.3.3.2")
    assert measured.endswith("; 35 users a client")
    assert required.endswith("open division: one number of users in option 3")
    older = KVCacheTree.write(tmp_path / "older", form="older")
    assert met(older.read(), "6.3.3.2")[0] == "as in the program's own table; as in the program's own table; as in the program's own table"


def test_what_an_open_run_varied_is_counted(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", division="open")
    assert met(tree.read(), "6.6.2")[0].endswith("; no difference")
    tree.command("--num-users 100", "--num-users 50", passes=(3, 4, 5))
    assert met(tree.read(), "6.6.2")[0].endswith("; 1 difference, all listed")
    tree.command("--seed-base", "--enable-rag --seed-base")
    measured, required = met(tree.read(), "6.6.2")
    assert measured == "16 in option 1, 16 in option 2, 4 in option 3; 2 differences, all listed"
    assert required == "max-concurrent-allocs of the edition's option; open division: free in what the edition lists"


def test_ranks_hosts_and_trials_are_those_of_the_run(tree):
    assert met(tree.read(), "6.3.3.3") == ("4 ranks", "one file of each of 4 ranks in each of 9 trials")
    assert met(tree.read(), "6.3.3.1")[0] == "4 ranks = 2 hosts × 2; 4 ranks; 2 a host"
    tree.edit_summary(lambda s: s.update(npernode=1, host_count=4))
    tree.command("-n 4 -host a:2,b:2 --npernode 2", "-host a,b,c,d")
    tree.edit_metadata(lambda m: (m.update(num_processes=None), m["args"].pop("npernode")))
    measured, required = met(tree.read(), "6.3.3.1")
    assert measured == "4 ranks = 4 hosts × 1; 4 ranks; 1 a host"
    assert required.endswith("; 1 a host where nothing else is asked for")


def test_an_option_with_a_parameter_that_no_record_has_is_not_told(tmp_path, tree):
    assert met(tree.read(), "6.3.1.1")[0] == "option 1: 7 parameters, option 2: 7 parameters, option 3: 7 parameters"
    own = {"model": "llama3.1-70b-instruct", "num_users": 70}
    tree.edit_metadata(lambda m: m.update(command_output_files=[c for c in m["command_output_files"] if "option_3" not in c["command"]]))
    tree.edit_metadata(lambda m: m["parameters"].update(options={"3": own}))
    assert met(tree.read(), "6.3.1.1")[0] == "option 1: 7 parameters, option 2: 7 parameters"
    older = KVCacheTree.write(tmp_path / "older", form="older")
    assert met(older.read(), "6.3.1.1")[0].startswith("option 1: none recorded")


def test_a_rule_on_runs_of_this_suite_says_that_it_was_not_asked_of_another_tools(tmp_path, tree):
    for rule_id in ("MLPS-ENGINE-1", "MLPS-TRUST-1"):
        assert met(tree.read(), rule_id) == ("a run of another tool", "asked of runs of this suite")
    ours = KVCacheTree.write(tmp_path / "ours", mlps={"engine": "official"})
    folders = list(ours.leaf.glob("option_*/trial_*/rank_*"))
    for folder in folders:
        (folder / "evidence.json").write_text(json.dumps({"notes": [], "direct": {"direct": "proved"}}))
    assert met(ours.read(), "MLPS-TRUST-1") == (f"{len(folders)} records of clients", "no error and no warning in any client's record")
    assert met(ours.read(), "MLPS-ENGINE-1") == ("engine official", "engine official")


def test_the_figures_of_tables_are_counted_and_none_is_told_where_there_is_no_table(tmp_path):
    bare = TrainingTree.write(tmp_path / "bare")
    assert met(bare.read(), "MLPS-TABLE-1") == ("no figure of it in a table", "compared where a table has one")
    tables.table(bare, tables.row(round(tables.recomputed(bare), 2)))
    assert met(bare.read(), "MLPS-TABLE-1") == ("1 figure", "as the runs give them, within 0.005")
    tables.table(bare, tables.row(round(tables.recomputed(bare), 2)), name="results.csv")
    assert met(bare.read(), "MLPS-TABLE-1")[0] == "2 figures"


def test_a_forged_run_and_a_forged_table_are_told_in_the_same_words(tmp_path):
    """Nobody who reads a tree can know which of the two was changed: no value is called the required one."""
    said = []
    for name, bend in (
        ("table", lambda tree: tables.of_run(tree, train_au_mean_percentage=50.0)),
        ("run", lambda tree: tables.in_summary(tree, "train_au_mean_percentage", 50.0)),
    ):
        tree = tables.write(tmp_path / name)
        bend(tree)
        subject = tree.read()
        rule = next(rule for rule in rules_for(subject) if rule.id == "MLPS-TABLE-1")
        findings = rule.evaluate(subject, edition_of(subject)).findings
        said.append(next(finding for finding in findings if finding.field.endswith("train_au_mean_percentage")))
    assert [finding.measured for finding in said] == ["50.0 in the table, 97.2 by the runs", "97.2 in the table, 50.0 by the runs"]
    table, run = (dataclasses.replace(finding, measured=None) for finding in said)
    assert table == run


def test_runs_named_after_their_time_are_counted_and_an_experiment_is_told_by_its_division(tmp_path, tree):
    training = TrainingTree.write(tmp_path / "training").read()
    count = len(training.leaves)
    assert met(training, "MLPS-LEAF-1") == (
        f"{count} runs named so; no experiment in {count} runs",
        "named after the time in its metadata; made for closed or open",
    )
    whatif = dataclasses.replace(tree.read(), division=Division.WHATIF)
    assert met(whatif, "MLPS-LEAF-1") == (
        "1 run named so; division whatif",
        "named after the time in its metadata; asked in closed and open",
    )
