"""Records of what vector database and KV cache runs wrote, in each of their forms."""

import json
import math
from pathlib import Path

import pytest

from pytest_mlpstorage.results.kv_cache_records import OLDER_SUMMARY, KVCacheSummary, RankName, RankResult, rank_names
from pytest_mlpstorage.results.metadata import LeafMetadata
from pytest_mlpstorage.results.vector_records import Given, ResultVerdict, SideFile, VectorRecord, recall_fraction, value_at

EXAMPLES = Path(__file__).parents[3] / ".." / "shared" / "corpora" / "examples"


def example(name):
    if not EXAMPLES.is_dir():
        pytest.skip("the examples of published files are not beside this checkout")
    return json.loads((EXAMPLES / name).read_text())


def test_a_value_is_found_by_its_dotted_key_and_nothing_else_is():
    raw = {"a": {"b": 1, "c": None}, "a.b": 2}
    assert (value_at(raw, "a.b"), value_at(raw, "a.c"), value_at(raw, "a.b.c"), value_at(raw, "x"), value_at([1], "a")) == (
        1,
        None,
        None,
        None,
        None,
    )


def test_a_given_value_is_read_as_what_is_wanted_of_it():
    assert (Given("7", "f", "k").number, Given("7", "f", "k").integer, Given("7", "f", "k").text) == (7.0, 7, "7")
    assert (Given(math.nan, "f", "k").number, Given(7.5, "f", "k").integer, Given("", "f", "k").text, Given(7, "f", "k").text) == (
        None,
    ) * 4


def test_the_published_summary_of_several_nodes_gives_every_value_under_its_own_key():
    raw = example("v3.0_vectordb_summary.json")
    record = VectorRecord.of_summary(raw, "leaf/summary.json")
    for key in (
        "num_vectors",
        "dimension",
        "inserted_vectors",
        "index_type",
        "database.database",
        "throughput_qps",
        "query_count",
        "recall",
    ):
        given = record.given(key)
        assert given.raw is not None
        assert (given.file, given.field, given.readable) == ("leaf/summary.json", key, True)
    assert record.given("disk_io.host_count").raw is None
    assert record.form == "summary"


def test_the_published_files_of_one_node_give_the_same_values_under_the_names_of_a_summary():
    sides = {
        name: SideFile(f"leaf/{name}.json", example(f"v3.0_vectordb_{name}.json")) for name in ("config", "statistics", "result_verdict")
    }
    metadata = LeafMetadata.from_json(example("v3.0_vectordb_metadata.json"), "leaf/m.json")
    record = VectorRecord.of_single_node(sides["config"], sides["statistics"], sides["result_verdict"], metadata)
    found = {
        key: record.given(key) for key in ("num_vectors", "dimension", "index_type", "query_count", "database.database", "p99_latency_ms")
    }
    assert {key: (given.raw, given.file, given.field) for key, given in found.items()} == {
        "num_vectors": (1_000_000, "leaf/result_verdict.json", "flat_setup.total_vectors"),
        "dimension": (1536, "leaf/config.json", "vector_dim"),
        "index_type": ("DISKANN", "leaf/config.json", "index_type"),
        "query_count": (8594, "leaf/statistics.json", "total_queries"),
        "database.database": ("milvus", "leaf/m.json", "vdb_engine"),
        "p99_latency_ms": (sides["statistics"].raw["p99_latency_ms"], "leaf/statistics.json", "p99_latency_ms"),
    }
    assert record.form == "single-node"
    assert record.given("recall").raw["mean_recall"] == pytest.approx(0.5166)


def test_a_side_file_that_was_not_read_makes_its_values_unknown():
    record = VectorRecord.of_single_node(SideFile("c"), SideFile("s", {}), SideFile("v"), None)
    assert [record.given(key).readable for key in ("dimension", "num_vectors", "database.database", "throughput_qps")] == [
        False,
        False,
        False,
        True,
    ]


def test_what_was_asked_for_is_found_at_the_top_of_the_metadata_before_its_arguments():
    raw = {"dimension": 8, "args": {"dimension": 9, "num_vectors": 10, "vdb_index": "HNSW", "vdb_engine": "milvus"}}
    record = VectorRecord.of_metadata(LeafMetadata.from_json(raw, "m.json"))
    assert [(record.given(k).raw, record.given(k).field) for k in ("dimension", "num_vectors", "index_type", "database.database")] == [
        (8, "dimension"), (10, "args.num_vectors"), ("HNSW", "args.vdb_index"), ("milvus", "args.vdb_engine"),
    ]  # fmt: skip
    assert record.form == "metadata"
    empty = VectorRecord.of_metadata(LeafMetadata(path="m.json")).given("dimension")
    assert (empty.raw, empty.file, empty.field, empty.readable) == (None, "m.json", "dimension", True)
    wide = VectorRecord.of_metadata(LeafMetadata(args={"vector_dim": 4}))
    assert wide.given("dimension").raw == 4


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (0.5, 0.5), (" 0.5", 0.5), (True, None), (None, None), ([0.5], None), ({}, None),
        ({"b": 0.25, "a": 0.5}, 0.5), ({"b": 0.25, "a": None}, 0.25), ({"a": True, "b": 0.25}, None), ({"c": 1.0}, None),
    ],
)  # fmt: skip
def test_a_recall_is_a_number_or_the_first_key_that_is_there(raw, expected):
    assert recall_fraction(raw, ("a", "b")) == expected


def test_the_published_verdict_speaks_of_complete_answers():
    verdict = ResultVerdict.from_json(example("v3.0_vectordb_result_verdict.json"), "v.json")
    assert (verdict.flat_setup, verdict.ok, verdict.ok_given, verdict.coverage.number, verdict.reason) == (True, True, True, 1.0, "")


@pytest.mark.parametrize("setup", [None, [], "x", 1])
def test_a_verdict_without_a_part_on_the_answers_says_nothing_of_them(setup):
    verdict = ResultVerdict.from_json({"flat_setup": setup, "valid": True}, "v.json")
    assert (verdict.flat_setup, verdict.ok, verdict.coverage.number) == (False, None, None)


def test_a_long_reason_is_cut_and_one_that_is_no_text_is_none():
    assert ResultVerdict.from_json({"flat_setup": {"reason": "x" * 300}}, "").reason == "x" * 200
    assert ResultVerdict.from_json({"flat_setup": {"reason": ["x"]}}, "").reason == ""


def test_the_published_summary_of_a_cache_is_read_whole():
    summary = KVCacheSummary.from_json(example("v3.0_kvcache_summary.json"), "s.json")
    assert (summary.npernode, summary.host_count, summary.total_ranks, summary.trials_per_option) == (1, 1, 1, 3)
    assert list(summary.options) == [1, 2, 3]
    assert (summary.partial_failure, summary.trial_failures, summary.problems) == (False, {}, ())
    option = summary.options[2]
    assert (option.number, option.rank_count, option.trial_count, option.partial_failure, option.missing_files) == (2, 1, 3, False, 0)
    assert option.cpu_tier_ranks == ()
    assert option.read_gib_per_second == pytest.approx(2.7553612537506953)
    assert option.write_gib_per_second == pytest.approx(1.6637070207105402)
    assert option.average_tokens_per_second == pytest.approx(562.3616049961796)
    assert option.storage_tokens_per_second == pytest.approx(86.27433180014371)
    assert option.p95_latency_ms == pytest.approx(10849.416274798567)
    assert (option.storage_read_p95_ms, option.device_read_p95_ms, option.device_write_p95_ms) == (None, None, None)


def test_the_published_partial_failure_names_its_missing_files():
    summary = KVCacheSummary.from_json(example("v3.0_kvcache_summary_partial_failure.json"))
    assert summary.options[1].partial_failure
    assert summary.options[1].missing_files == 24
    assert (summary.npernode, summary.total_ranks) == (6, 48)


def test_options_come_by_number_and_damaged_ones_are_named():
    raw = {"options": {"10": {"rank_count": "4"}, "2": {"rank_count": "many"}, "x": {}, "3": []}, "partial_failure": "True"}
    summary = KVCacheSummary.from_json(raw)
    assert list(summary.options) == [2, 10]
    assert (summary.options[10].rank_count, summary.options[2].rank_count, summary.partial_failure) == (4, None, True)
    assert summary.problems == ("options.2.rank_count is 'many', not a whole number", "options.3 is no option", "options.x is no option")
    assert KVCacheSummary.from_json({"options": [1]}).options == {}


@pytest.mark.parametrize(("missing", "count"), [([], 0), (["a", "b"], 2), (None, 0), ("a", 1), ({"a": 1, "b": 2}, 1)])
def test_missing_files_of_any_form_are_counted(missing, count):
    assert KVCacheSummary.from_json({"options": {"1": {"missing_files": missing}}}).options[1].missing_files == count


def test_keys_of_a_newer_summary_have_a_place():
    raw = {
        "aggregated_storage_read_p95_ms": 1,
        "aggregated_device_read_p95_ms": 2,
        "aggregated_device_write_p95_ms": 3,
        "cpu_tier_ranks": {"0": [1]},
    }
    option = KVCacheSummary.from_json({"options": {"1": raw}}).options[1]
    assert (option.storage_read_p95_ms, option.device_read_p95_ms, option.device_write_p95_ms, option.cpu_tier_ranks) == (
        1.0,
        2.0,
        3.0,
        None,
    )


def test_the_files_of_ranks_are_known_by_their_path():
    names = [
        "option_10/trial_0/rank_2/kvcache_results_x.json", "option_2/trial_1/rank_0/kvcache_results_.json", "summary.json",
        "option_2/trial_1/rank_0/other.json", "x/option_2/trial_1/rank_0/kvcache_results_x.json", "option_2/trial_1/kvcache_results_x.json",
        "option_2/trial_1/rank_0/kvcache_results_x.json.bak", "option_2/trial_1/rank_a/kvcache_results_x.json",
    ]  # fmt: skip
    assert rank_names(names) == (RankName(2, 1, 0, names[1]), RankName(10, 0, 2, names[0]))


def test_the_published_file_of_a_rank_gives_its_figures():
    rank = RankResult.from_json(example("v3.0_kvcache_rank_results.json"), RankName(1, 0, 0, "x"), "x.json")
    assert rank.read_gib_per_second == pytest.approx(13.6135300153449)
    assert rank.write_gib_per_second == pytest.approx(2.944548591459138)
    assert rank.device_read_p95_ms == pytest.approx(13554.665893701529)
    assert rank.device_write_p95_ms == pytest.approx(3547.770748195761)
    assert (rank.autoscaled, rank.problems) == (False, ())


def test_a_damaged_file_of_a_rank_gives_nothing_and_names_what_is_wrong():
    raw = {
        "summary": {
            "cache_stats": {"storage_entries": "many"},
            "storage_throughput_tokens_per_sec": math.nan,
            "autoscaling_summary": {"x": 1},
        }
    }
    rank = RankResult.from_json(raw, RankName(1, 0, 0, "x"))
    assert (rank.storage_entries, rank.storage_tokens_per_second, rank.read_gib_per_second, rank.autoscaled) == (None, None, None, True)
    assert len(rank.problems) == 2
    assert RankResult.from_json({"summary": []}, RankName(1, 0, 0, "x")).problems == ("summary is '[]', not an object",)
    assert RankResult.from_json({"cache_stats": {"storage_entries": 4}}, RankName(1, 0, 0, "x")).storage_entries == 4


@pytest.mark.parametrize(
    ("name", "older"),
    [
        ("kvcache_run_summary_20260627_194318.json", True), ("kvcache_run_summary.json", True), ("summary.json", False),
        ("x/kvcache_run_summary.json", False), ("kvcache_run_summary.json.bak", False), ("kvcache_run_summary_/x.json", False),
    ],
)  # fmt: skip
def test_the_older_names_of_a_summary_are_known(name, older):
    assert (OLDER_SUMMARY.match(name) is not None) == older
