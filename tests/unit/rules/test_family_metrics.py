"""Metrics of vector database and KV cache results on trees written by the package's own writer."""

import math

import pytest
from kv_cache_tree import OPTIONS, RANKS, TRIALS, KVCacheTree, read_rate
from vector_database_tree import QUERIES, SECONDS, VectorDatabaseTree

from pytest_mlpstorage.results.columns import KV_CACHE, VECTOR_DATABASE
from pytest_mlpstorage.results.kv_cache_records import RankName, RankResult
from pytest_mlpstorage.rules import edition_of
from pytest_mlpstorage.rules.aggregate_kv_cache import aggregate_kv_cache, highest, mean_of_sums
from pytest_mlpstorage.rules.aggregate_vector_database import aggregate_vector_database

GROUPS = {number: option.result_group for number, option in OPTIONS.items()}


def vectors(tree):
    result = tree.read()
    return aggregate_vector_database(result, edition_of(result))


def cache(tree):
    result = tree.read()
    return aggregate_kv_cache(result, edition_of(result))


@pytest.fixture
def vector_tree(tmp_path):
    return VectorDatabaseTree.write(tmp_path / "tree")


@pytest.fixture
def cache_tree(tmp_path):
    return KVCacheTree.write(tmp_path / "tree")


# -- vector database -------------------------------------------------------------------------------------------------------


def test_the_columns_of_a_vector_database_are_those_of_its_first_run(vector_tree):
    vector_tree.summary(run=0, recall={"mean_recall": 0.25, "max_recall": 0.75})
    vector_tree.summary(run=1, throughput_qps=1.0, num_vectors=5, recall="?", disk_io={})
    found = vectors(vector_tree)
    columns = {name: value for name, value in found.metrics.items() if name.startswith("VDB - ")}
    assert columns == {
        "VDB - # Client Nodes": 1, "VDB - Vector Count": 1_000_000, "VDB - Vector Dimension": 1536,
        "VDB - Queries per Sec": QUERIES / SECONDS, "VDB - Query Latency (ms)": 7.9, "VDB - Recall Percentage": 25.0, "VDB - Read B/W (GiB/s)": 0.5,
    }  # fmt: skip
    assert set(columns) <= set(VECTOR_DATABASE)
    assert found.problems == ()
    assert len(found.leaves) == 5


def test_beside_them_stands_how_far_the_five_runs_lie_apart(vector_tree):
    for run, rate in enumerate([1.0, 2.0, 3.0, 4.0, 10.0]):
        vector_tree.summary(run=run, throughput_qps=rate)
    metrics = vectors(vector_tree).metrics
    assert metrics["VDB - Queries per Sec"] == 1.0
    assert (metrics["mean of throughput_qps"], metrics["lowest throughput_qps"], metrics["highest throughput_qps"]) == (4.0, 1.0, 10.0)
    assert metrics["coefficient of variation of throughput_qps"] == pytest.approx(math.sqrt(10) / 4)
    assert metrics["mean of recall"] == 0.5
    assert metrics["coefficient of variation of p99_latency_ms"] == 0.0


def test_a_run_on_one_node_gives_the_same_but_for_its_nodes(tmp_path):
    tree = VectorDatabaseTree.write(tmp_path / "tree", form="single-node")
    found = vectors(tree)
    assert found.metrics["VDB - Vector Count"] == 1_000_000
    assert found.metrics["VDB - Recall Percentage"] == 50.0
    assert found.metrics["VDB - Read B/W (GiB/s)"] == 0.5
    assert "VDB - # Client Nodes" not in found.metrics
    (problem,) = found.problems
    assert (problem.message, problem.field) == ("the first run gives no usable disk_io.host_count", "disk_io.host_count")
    assert problem.file.endswith(f"/{tree.runs[0].name}/statistics.json")


def test_the_recall_of_the_side_file_is_taken_where_the_summary_has_none(vector_tree):
    vector_tree.edit("summary.json", lambda s: s.pop("recall"))
    vector_tree.edit("recall_stats.json", lambda r: r.update(mean_recall=0.125), run=0)
    metrics = vectors(vector_tree).metrics
    assert (metrics["VDB - Recall Percentage"], metrics["mean of recall"]) == (12.5, pytest.approx((0.125 + 4 * 0.5) / 5))


def test_a_metric_that_one_run_lacks_has_no_mean_and_is_never_zero(vector_tree):
    vector_tree.edit("summary.json", lambda s: s.pop("p99_latency_ms"), run=3)
    vector_tree.summary(run=3, recall="?")
    metrics = vectors(vector_tree).metrics
    assert metrics["VDB - Query Latency (ms)"] == 7.9
    assert not [name for name in metrics if name.endswith(("p99_latency_ms", "of recall", "t recall"))]
    assert "mean of throughput_qps" in metrics


def test_a_run_that_cannot_be_read_leaves_no_metrics_at_all(vector_tree):
    vector_tree.remove("summary.json", run=0)
    vector_tree.text("summary.json", "{", run=4)
    found = vectors(vector_tree)
    assert (found.metrics, len(found.leaves)) == ({}, 5)
    assert [(p.message, p.file, p.field) for p in found.problems] == [
        ("there is no summary", found.leaves[0], ""),
        ("the summary could not be read", found.leaves[4], ""),
    ]


def test_a_recall_that_cannot_be_read_anywhere_is_absent(vector_tree):
    vector_tree.edit("summary.json", lambda s: s.pop("recall"))
    vector_tree.text("recall_stats.json", "{", run=0)
    metrics = vectors(vector_tree).metrics
    assert "VDB - Recall Percentage" not in metrics
    assert "mean of recall" not in metrics


def test_rates_below_one_have_a_coefficient_of_variation_too(vector_tree):
    vector_tree.summary(run=None, throughput_qps=0.5)
    assert vectors(vector_tree).metrics["coefficient of variation of throughput_qps"] == 0.0


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e200, 1.7e308])
def test_rates_that_cannot_be_give_no_figure_that_cannot_be(vector_tree, rate):
    vector_tree.summary(run=None, throughput_qps=rate)
    vector_tree.summary(run=2, throughput_qps=rate / 2, disk_io={"total_bytes_read_per_sec": "NaN"})
    assert all(math.isfinite(value) for value in vectors(vector_tree).metrics.values())


# -- KV cache --------------------------------------------------------------------------------------------------------------


def test_the_bandwidth_of_an_option_is_the_sum_over_ranks_averaged_over_trials(cache_tree):
    # The summary must not be what it is taken from.
    cache_tree.option(
        1, aggregated_read_bandwidth_gbps=0.0, aggregated_write_bandwidth_gbps=0.0, aggregated_avg_throughput_tokens_per_sec=0.0
    )
    found = cache(cache_tree)
    expected = sum(read_rate(1, trial, rank) for trial in range(TRIALS) for rank in range(RANKS)) / TRIALS
    group = f"KVCache {GROUPS[1]} - "
    assert found.metrics[f"{group}Read B/W (GiB/s)"] == pytest.approx(expected)
    assert found.metrics[f"{group}Write B/W (GiB/s)"] == pytest.approx(expected / 4)
    assert found.metrics[f"{group}Throughput (tok/s)"] == pytest.approx(100 * expected)
    assert found.metrics[f"{group}storage throughput (tok/s)"] == pytest.approx(10 * expected)
    assert found.problems == ()


def test_every_option_fills_its_columns_and_latency_is_the_highest_of_any_rank(cache_tree):
    found = cache(cache_tree)
    assert {name for name in found.metrics if "device" not in name and "storage throughput" not in name} | {
        "KVCache - Code",
        "KVCache - Logs",
    } == set(KV_CACHE)
    assert found.metrics["KVCache - # Client Nodes"] == 2
    for number, group in GROUPS.items():
        assert found.metrics[f"KVCache {group} - P95 Read Latency (ms)"] == 5000.0 * number
        assert found.metrics[f"KVCache {group} - P95 device read latency (ms)"] == 1000.0 * number + 100
        assert found.metrics[f"KVCache {group} - P95 device write latency (ms)"] == 500.0 * number + 50


def test_the_latency_of_storage_reads_stands_before_that_of_all_storage(cache_tree):
    cache_tree.option(2, aggregated_storage_read_p95_ms=7.0)
    cache_tree.option(3, aggregated_device_read_p95_ms=1.0, aggregated_device_write_p95_ms=2.0)
    metrics = cache(cache_tree).metrics
    assert metrics[f"KVCache {GROUPS[3]} - P95 device read latency (ms)"] == 3100.0
    assert metrics[f"KVCache {GROUPS[3]} - P95 device write latency (ms)"] == 1550.0
    assert cache(cache_tree).metrics[f"KVCache {GROUPS[2]} - P95 Read Latency (ms)"] == 7.0


def test_where_files_of_ranks_are_missing_the_summary_is_believed(cache_tree):
    cache_tree.rank_file(3, 2, 3).unlink()
    cache_tree.option(3, aggregated_read_bandwidth_gbps=5.5, aggregated_device_read_p95_ms=7.5, aggregated_device_write_p95_ms=...)
    found = cache(cache_tree)
    assert found.metrics[f"KVCache {GROUPS[3]} - Read B/W (GiB/s)"] == 5.5
    assert found.metrics[f"KVCache {GROUPS[3]} - P95 device read latency (ms)"] == 7.5
    (problem,) = found.problems
    assert (problem.message, problem.field) == ("option 3 has no P95 device write latency (ms)", "options.3")
    assert problem.file == f"{found.leaves[0]}/summary.json"


def test_a_result_without_a_summary_or_without_an_option_says_so(cache_tree):
    cache_tree.edit_summary(lambda s: (s["options"].pop("2"), s.pop("host_count")))
    found = cache(cache_tree)
    place = f"{found.leaves[0]}/summary.json"
    assert [(p.message, p.file, p.field) for p in found.problems] == [("the summary has no option 2", place, "options.2")]
    assert f"KVCache {GROUPS[3]} - Read B/W (GiB/s)" in found.metrics
    assert not [name for name in found.metrics if GROUPS[2] in name or "Nodes" in name]
    (cache_tree.leaf / "summary.json").unlink()
    found = cache(cache_tree)
    (problem,) = found.problems
    assert (found.metrics, found.leaves) == ({}, ())
    assert (problem.message, problem.file, problem.field) == ("the summary could not be read", place.rpartition("/")[0], "")


def test_the_metrics_are_those_of_the_published_run_alone(tmp_path):
    tree = KVCacheTree.write(tmp_path / "tree", runs=2)
    tree.edit_summary(lambda s: s.update(partial_failure=True, host_count=99), run=1)
    found = cache(tree)
    assert found.metrics["KVCache - # Client Nodes"] == 2
    assert [leaf.rpartition("/")[2] for leaf in found.leaves] == [tree.runs[0].name]


def ranks(*values, entries=5):
    return [RankResult(RankName(1, 0, n, ""), "", read_gib_per_second=v, storage_entries=entries) for n, v in enumerate(values)]


def test_a_rank_without_the_value_leaves_no_sum_and_no_highest():
    def read(rank):
        return rank.read_gib_per_second

    assert mean_of_sums([ranks(1.0, 2.0), ranks(3.0, 6.0)], read) == 6.0
    assert mean_of_sums([ranks(1.0, None), ranks(3.0, 6.0)], read) is None
    assert mean_of_sums([], read) is None
    assert mean_of_sums([ranks(1e308, 1e308)], read) is None
    assert highest([ranks(1.0, 5.0), ranks(2.0)], read) == 5.0
    assert highest([ranks(1.0, None)], read) is None
    assert highest([ranks(1.0), ranks(None, entries=0)], read) == 1.0
    assert highest([ranks(7.0, entries=0), ranks(1.0)], read) == 7.0
    assert highest([], read) is None
    assert highest([ranks(0.5), ranks(None, entries=0)], read) == 0.5


def test_an_option_that_names_no_ranks_of_its_own_has_those_of_the_run(cache_tree):
    cache_tree.option(1, rank_count=..., trial_count=..., aggregated_read_bandwidth_gbps=1.0)
    assert cache(cache_tree).metrics[f"KVCache {GROUPS[1]} - Read B/W (GiB/s)"] > 1.0
