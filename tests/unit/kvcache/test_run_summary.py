"""A whole leaf of ours, read by our records and judged by our rules; published files, read by the same records (kvcache.md §7, row 16)."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from kv_leaf import OurTree

from pytest_mlpstorage.kvcache.aggregate import RankFigures
from pytest_mlpstorage.kvcache.run_summary import RunShape, read_ranks
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary, RankName, RankResult
from pytest_mlpstorage.rules import edition_of, evaluate
from pytest_mlpstorage.rules.metrics import metrics_of

CORPORA = Path(__file__).parents[3] / ".." / "shared" / "corpora"

OFFICIAL_SUMMARY = {
    "schema_version", "run_datetime", "npernode", "host_count", "total_ranks", "trials_per_option", "options", "partial_failure", "trial_failures",
}  # fmt: skip
OFFICIAL_OPTION = {
    "option", "aggregated_read_bandwidth_gbps", "aggregated_write_bandwidth_gbps", "aggregated_avg_throughput_tokens_per_sec",
    "aggregated_storage_throughput_tokens_per_sec", "aggregated_p95_latency_ms", "rank_count", "trial_count", "partial_failure",
    "missing_files", "cpu_tier_ranks",
}  # fmt: skip
DEVICE = ("aggregated_device_read_p95_ms", "aggregated_device_write_p95_ms")


def said(tree):
    """What the rules of a KV cache result find, by id; information is no finding but for the engine."""
    subject = tree.read()
    found = {}
    for evaluation in evaluate(subject):
        lines = [f.line() for f in evaluation.findings if f.severity.value != "info" or evaluation.rule.id == "MLPS-ENGINE-1"]
        lines += [f"not verified: {lack.reason}" for lack in evaluation.lacking]
        if lines:
            found[evaluation.rule.id] = lines
    return found


def summary_of(tree):
    return json.loads((tree.leaf / "summary.json").read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return OurTree.write(tmp_path_factory.mktemp("ours"))


@pytest.fixture
def tree(written, tmp_path):
    shutil.copytree(written.root, tmp_path / "tree")
    return dataclasses.replace(written, root=tmp_path / "tree")


# -- ours, sound -----------------------------------------------------------------------------------------------------------


def test_the_summary_has_the_official_schema_and_one_key_more(written):
    raw = summary_of(written)
    assert set(raw) == OFFICIAL_SUMMARY
    for number in ("1", "2", "3"):
        assert set(raw["options"][number]) == OFFICIAL_OPTION | {*DEVICE, "aggregated_storage_read_p95_ms", "mlps"}
    assert (raw["schema_version"], raw["total_ranks"], raw["trials_per_option"], raw["trial_failures"]) == ("1.0", 4, 3, {})


def test_the_records_that_read_published_files_read_ours_without_a_complaint(written):
    record = KVCacheSummary.from_json(summary_of(written), "summary.json")
    assert record.problems == ()
    assert sorted(record.options) == [1, 2, 3]
    assert record.partial_failure is False
    option = record.options[3]
    assert None not in (option.read_gib_per_second, option.p95_latency_ms, option.device_write_p95_ms, option.storage_read_p95_ms)
    assert (option.rank_count, option.trial_count, option.missing_files, option.cpu_tier_ranks) == (4, 3, 0, ())


def test_the_rules_find_our_leaf_in_order_but_for_the_engine_that_keeps_it_open(written):
    found = said(written)
    own = {rule_id: lines for rule_id, lines in found.items() if rule_id.startswith(("6.", "REP-KVC", "MLPS-FILES", "MLPS-ENGINE"))}
    assert list(own) == ["MLPS-ENGINE-1"]
    assert "CLOSED needs the official code image" in own["MLPS-ENGINE-1"][0]


def test_the_results_table_takes_its_figures_from_our_leaf(written):
    subject = written.read()
    metrics = metrics_of(subject, edition_of(subject))
    raw = summary_of(written)["options"]["1"]
    assert metrics["KVCache llama3.1-8b Storage Only - Read B/W (GiB/s)"] == pytest.approx(raw["aggregated_read_bandwidth_gbps"])
    assert metrics["KVCache llama3.1-8b Storage Only - P95 Read Latency (ms)"] == raw["aggregated_storage_read_p95_ms"]
    assert metrics["KVCache - # Client Nodes"] == 2


def test_the_official_figure_and_ours_stand_side_by_side_with_the_factor_between_them(written):
    option = summary_of(written)["options"]["1"]
    ours = option["mlps"]["storage_read_bandwidth_window_gibps"]
    assert 0 < ours < option["aggregated_read_bandwidth_gbps"]
    assert option["mlps"]["official_over_window_read"] == pytest.approx(option["aggregated_read_bandwidth_gbps"] / ours)


# -- ours, broken in one place ---------------------------------------------------------------------------------------------


def _stats(**values):
    return lambda rank: rank["summary"]["cache_stats"].update(values)


RED = {
    "6.3.1.1": lambda t: t.command("--num-users 200", "--num-users 8", passes=(1,)),
    "6.3.2.1": lambda t: t.args(seed=43),
    "6.3.2.2": lambda t: t.edit_rank(lambda rank: rank["summary"].update(autoscaling_stats=[{"users": 5}])),
    "6.3.3.1": lambda t: t.edit_summary(lambda s: s.update(npernode=3)),
    "6.3.3.2": lambda t: t.command("--num-users 70", "--num-users 35", passes=(8,)),
    "6.3.3.3": lambda t: t.rank_file(2, 1, 3).unlink(),
    "6.3.4.1": lambda t: t.edit_rank(_stats(tier_storage_read_bandwidth_gbps=0.31), option=2, trial=2, rank=3),
    "6.3.4.2": lambda t: t.edit_rank(lambda rank: rank["summary"].update(storage_throughput_tokens_per_sec=1.0)),
    "6.3.4.3": lambda t: t.edit_rank(_stats(storage_write_device_p95_ms=99999.0), option=3, trial=1, rank=2),
    "6.3.4.4": lambda t: t.edit_ranks(_stats(storage_entries=0), option=1),
    "6.3.4.5": lambda t: t.option(2, aggregated_storage_throughput_tokens_per_sec=0.0),
    "6.4.1": lambda t: t.args(cache_dir="/results"),
    "6.6.1": lambda t: t.command("--seed-base", "--enable-rag --seed-base", passes=(4,)),
    "REP-KVC-1": lambda t: t.option(3, partial_failure=True),
    "MLPS-FILES-1": lambda t: t.remove_ranks(),
}


@pytest.mark.parametrize("rule_id", RED)
def test_one_change_of_our_leaf_turns_its_rule_red(rule_id, tree):
    RED[rule_id](tree)
    assert rule_id in said(tree)


def test_an_open_run_that_varies_what_nobody_may_is_found(tmp_path):
    tree = OurTree.write(tmp_path / "tree", division="open")
    assert "6.6.2" not in said(tree)
    tree.command("--max-concurrent-allocs 4", "--max-concurrent-allocs 8")
    assert "6.6.2" in said(tree)


# -- ours, when something went wrong ---------------------------------------------------------------------------------------


def test_a_rank_that_left_nothing_makes_the_run_one_that_is_not_published(tmp_path):
    tree = OurTree.write(tmp_path / "tree", lose={(2, 1, 3)})
    raw = summary_of(tree)
    assert raw["partial_failure"] is True
    assert [raw["options"][n]["partial_failure"] for n in "123"] == [False, True, False]
    (missing,) = raw["options"]["2"]["missing_files"]
    assert missing.startswith(str(tmp_path))
    assert missing.endswith("/run/20260721_002332/option_2/trial_1/rank_3")
    assert raw["options"]["2"]["aggregated_read_bandwidth_gbps"] is None
    assert raw["options"]["2"]["mlps"]["problems"] == ["trial 1: rank 3 left no file of results"]
    record = KVCacheSummary.from_json(raw)
    assert (record.options[2].missing_files, record.problems) == (1, ())
    found = said(tree)
    assert "a part of it failed (option 2); 1 files of ranks are missing" in found["REP-KVC-1"][0]


def test_a_rank_that_measured_nothing_is_an_error_and_no_0(tmp_path):
    def change(place, content):
        if place == (1, 0, 0):
            content["summary"].update(total_requests=0, storage_throughput_tokens_per_sec=None)

    tree = OurTree.write(tmp_path / "tree", change=change)
    option = summary_of(tree)["options"]["1"]
    assert (option["partial_failure"], option["missing_files"]) == (True, [])
    assert option["aggregated_storage_throughput_tokens_per_sec"] is None
    assert "REP-KVC-1" in said(tree)


@pytest.mark.parametrize(
    ("key", "value", "words"), [("verify_errors", 1, "were not what it had written"), ("schedule_sha256", "00", "other work")]
)
def test_data_that_was_not_what_had_been_written_and_other_work_make_the_run_unsound(tmp_path, key, value, words):
    def change(place, content):
        if place == (3, 2, 1):
            content["mlps"][key] = value

    tree = OurTree.write(tmp_path / "tree", change=change)
    option = summary_of(tree)["options"]["3"]
    assert option["partial_failure"] is True
    assert words in option["mlps"]["problems"][0]
    assert "REP-KVC-1" in said(tree)


def test_a_trial_that_ended_with_an_error_is_told_where_the_rules_look(tmp_path):
    tree = OurTree.write(tmp_path / "tree", failed={1: {2: "exit code 1"}})
    assert summary_of(tree)["trial_failures"] == {"1": {"2": "exit code 1"}}
    assert "a trial ended with an error" in said(tree)["REP-KVC-1"][0]


def test_a_file_that_cannot_be_read_counts_as_missing_and_one_of_two_files_does_not_count(tree):
    tree.rank_file(1, 0, 0).write_text("{")
    again = tree.rank_file(1, 0, 1)
    again.with_name("kvcache_results_z.json").write_bytes(again.read_bytes())
    found = read_ranks(tree.leaf, 1)
    assert len(found) == 3 * 4 - 2
    assert not {(0, 0), (0, 1)} & found.keys()
    assert read_ranks(tree.leaf / "absent", 1) == {}


def test_all_clients_are_those_of_every_host():
    assert RunShape("20260721_002332", 16, 2, 3).ranks == 32


# -- what others published -------------------------------------------------------------------------------------------------


def _published(pattern):
    found = [path for path in sorted(CORPORA.glob(pattern)) if path.stat().st_size > 100]
    if not found:
        pytest.skip(f"no {pattern} in the corpora")
    return found


def test_published_summaries_are_read_by_the_same_records():
    for path in [*_published("examples/*kvcache_summary*.json"), *_published("v*/*/*/results/*/kv_cache/*/run/*/*summary*.json")]:
        raw = json.loads(path.read_text())
        record = KVCacheSummary.from_json(raw, path.name)
        assert record.problems == (), path
        assert set(raw) - {"trial_failures"} == OFFICIAL_SUMMARY - {"trial_failures"}, path
        for option in raw["options"].values():
            assert set(option) == OFFICIAL_OPTION, path


def test_every_figure_of_a_published_file_of_a_rank_is_in_ours(written):
    """Their lists were cut for publication and some keys with them; what is left, we have, of the same kind."""
    ours = json.loads(written.rank_file().read_text())
    for path in _published("examples/*kvcache_rank_results*.json"):
        theirs = json.loads(path.read_text())
        read = RankResult.from_json(theirs, RankName(1, 0, 0, path.name))
        assert read.problems == ()
        assert read.read_gib_per_second == pytest.approx(theirs["summary"]["cache_stats"]["total_read_gb"] / 300)
        assert _lacking(theirs, ours) == []
        figures = RankFigures.from_json(theirs, RankName(1, 0, 0, path.name))
        assert (figures.requests, figures.block) == (theirs["requests_completed"], {})
        assert figures.measured_nothing(has_memory=False) == ("" if read.average_tokens_per_second else "its file lacks tokens a second")


def _lacking(theirs, ours, place=""):
    """Keys of theirs that ours have not, or as another kind of value; null is ours for a value without a sample."""
    if ours is None:
        return []
    if not isinstance(theirs, dict):
        kinds = (int, float) if isinstance(theirs, (int, float)) and not isinstance(theirs, bool) else (type(theirs),)
        return [] if isinstance(ours, kinds) else [place]
    if not isinstance(ours, dict):
        return [place]
    if ours == {"no_data": True}:
        return []
    return [
        line
        for key, value in theirs.items()
        for line in (_lacking(value, ours[key], f"{place}.{key}") if key in ours else [f"{place}.{key}"])
    ]
