"""A leaf counts only where everything that was planned was done, and where its figures follow from its samples."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from vector_database_cases import SMALL, plan_of, summary

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.launch.supervisor import Outcome
from pytest_mlpstorage.vectordb.run_files import official_figures
from pytest_mlpstorage.vectordb.samples import SAMPLE, Status, WorkerSamples, phase_statistics, save_worker
from pytest_mlpstorage.workloads.vector_database_collect import collect

NOW = dt.datetime(2026, 11, 26)
OUTCOME = Outcome(0, None, 9.0, None, None, "", (), (), "r", (), NOW, NOW)


def samples_of(worker, status=Status.OK, host="h0"):
    made = np.zeros(60, SAMPLE)
    made["seconds"] = np.linspace(0.001, 0.003, 60)
    made["began_ns"] = np.arange(60) * 10**7
    made["query"] = np.arange(60) + 1000 * worker
    made["phase"] = [0] * 10 + [1] * 50
    made["status"] = status
    return WorkerSamples(made, 0, worker, host)


def leaf_of(folder, *, workers=(0, 1), status=Status.OK, hosts=("h0", "h0"), **changes):
    (folder / "samples").mkdir(exist_ok=True)
    made = [samples_of(number, status, hosts[number]) for number in workers]
    for worker in made:
        save_worker(folder / "samples", worker)
    figures = official_figures(phase_statistics(made, "steady"))
    (folder / "summary.json").write_text(json.dumps({**summary(**changes), **figures, **changes}))
    return folder


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path, SMALL, "vectordb.run.num_query_processes=2")


def run(plan, leaf):
    return collect(plan, plan.case.steps[1], staged=leaf, outcome=OUTCOME)


def test_a_whole_run_gives_its_figures_and_one_line(plan, tmp_path):
    found = run(plan, leaf_of(tmp_path))
    assert found.metrics["query_count"] == 100
    assert found.metrics["cold_read_4kib_per_query"] == 70.0
    assert found.metrics["launch_seconds"] == 9.0
    assert found.headline.endswith("QPS, recall@10 0.990, reads of 4 KiB a query: cold 70.0, steady 70.0")
    assert found.mlps["dataset"]["k"] == 10


def test_own_limits_that_are_broken_are_notes_already(plan, tmp_path):
    notes = run(plan, leaf_of(tmp_path, mlps__phases=[{"name": "steady", "queries": 3, "recall": 0.99, "read_4kib_per_query": 70.0}])).notes
    assert any(note.startswith("error: [MLPS-VDB-02] own threshold: ") for note in notes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"workers": (0,)}, "1 of 2 processes left their samples"),
        ({"throughput_qps": 1.0}, "the summary does not follow from the samples"),
        ({"p99_latency_ms": 0.1}, "the summary does not follow from the samples"),
        ({"status": Status.SHORT}, "MLPS-VDB-04: no search of the steady phase succeeded"),
        ({"dimension": 64}, "what was measured is not what was planned"),
        ({"num_vectors": 4999}, "what was measured is not what was planned"),
        ({"database": {"database": "milvus"}}, "what was measured is not what was planned"),
        ({"hosts": ("h0", "h1"), "throughput_qps": 1.0}, "the summary does not follow from the samples"),
        ({"hosts": ("h0", "h1"), "mlps__clock_offsets_ns": {"h1": 10**9}}, "the summary does not follow from the samples"),
        ({"hosts": ("h0", "h1"), "steady__hosts": 2, "steady__window_overlap": 0.89}, "do not lie at the same time"),
        ({"hosts": ("h0", "h1"), "steady__hosts": 2, "steady__window_overlap": None}, "do not lie at the same time"),
    ],
    ids=str,
)
def test_anything_less_is_no_run(plan, tmp_path, changes, words):
    with pytest.raises(BenchmarkExecutionError) as caught:
        run(plan, leaf_of(tmp_path, **changes))
    assert words in caught.value.message


def test_hosts_that_searched_at_the_same_time_count_together(plan, tmp_path):
    assert run(plan, leaf_of(tmp_path, hosts=("h0", "h1"), steady__hosts=2, steady__window_overlap=0.9)).metrics["query_count"] == 100


@pytest.mark.parametrize("content", [None, "", "{"])
def test_a_summary_that_is_not_there_or_cannot_be_read_is_no_leaf(plan, tmp_path, content):
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(BenchmarkExecutionError, match="left no usable summary"):
        run(plan, tmp_path)


def test_a_load_counts_where_every_vector_was_inserted(plan, tmp_path):
    load = plan.case.steps[0]
    good = {"inserted_vectors": 5000}
    told = {"seconds": 1.0, "build_seconds": 2.0, "bytes_on_disk": {"index": 10, "log": 2}}
    (tmp_path / "summary.json").write_text(json.dumps({**summary(mlps__load=told), **good}))
    found = collect(plan, load, staged=tmp_path, outcome=OUTCOME)
    assert found.metrics == {"load_seconds": 1.0, "build_seconds": 2.0, "bytes_on_disk": 12.0, "contrast": 2.2}
    assert found.headline == "5000 vectors in 1.0 s, index built in 2.0 s"
    (tmp_path / "summary.json").write_text(json.dumps({**summary(), **good, "inserted_vectors": 4999}))
    with pytest.raises(BenchmarkExecutionError, match="did not insert every vector"):
        collect(plan, load, staged=tmp_path, outcome=OUTCOME)
