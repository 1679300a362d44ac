"""Trees for the rules on what was loaded into a vector database and what its runs measured: the valid tree, changed in one place."""

import json
import math

from vector_database_tree import VectorDatabaseTree

from pytest_mlpstorage.results.records import VectorDatabaseResult

SUBJECT = VectorDatabaseResult
write = VectorDatabaseTree.write


def valid(tree):
    """Leave the tree as it is."""


def _alone(tree):
    """Let every run be one of the official tool on one node: no summary, the same figures in other files."""
    other = write(tree.root.parent / "alone", form="single-node")
    for run in tree.runs:
        (run / "summary.json").unlink()
        for name in ("statistics.json", "config.json"):
            (run / name).write_bytes((other.runs[0] / name).read_bytes())


def _setup(tree, **values):
    """Change what the verdict file says of the exact answers in the third run; ``...`` removes a key."""

    def change(verdict):
        for key, value in values.items():
            if value is ...:
                verdict["flat_setup"].pop(key)
            else:
                verdict["flat_setup"][key] = value

    tree.edit("result_verdict.json", change, run=2)


def _no_recall(tree, run=0):
    tree.edit("summary.json", lambda s: s.pop("recall"), run=run)


def _extra_run(tree, name, number=4):
    tree.runs[number].rename(tree.result_dir / "run" / name)


PASSING = {
    "5.1.1": [
        valid,
        _alone,
        lambda t: t.summary(run=None, num_vectors=1, dimension=1),
        lambda t: t.summary(run=None, num_vectors="1000000", dimension=1536.0),
    ],
    "5.1.2": [
        valid,
        _alone,
        lambda t: t.summary(run=None, dimension="1536"),
        lambda t: (t.load / "summary.json").unlink(),
        lambda t: ((t.load / "summary.json").unlink(), t.edit_load_metadata(lambda m: m.update(dimension="1536", args={}))),
    ],
    "5.2.1": [valid, lambda t: t.edit_load(lambda s: s.update(inserted_vectors="1000000"))],
    "5.2.2": [valid, _alone],
    "5.3.1": [
        valid,
        lambda t: (t.result_dir / "run" / ".snapshot").mkdir(),
        lambda t: (t.result_dir / "run" / "._x").mkdir(),
        lambda t: (t.result_dir / "run" / "results.json").write_text("[]"),
    ],
    "5.3.2": [
        valid,
        _alone,
        lambda t: t.summary(recall=1),
        lambda t: t.summary(recall=1e-9),
        lambda t: t.summary(recall="0.5"),
        _no_recall,
        lambda t: t.summary(recall={"recall_at_k": 0.5}),
        lambda t: t.summary(recall={"mean_recall": 0.0, "max_recall": 0.1}),
        lambda t: t.remove("recall_stats.json"),
    ],
    "5.3.3": [
        valid,
        _alone,
        lambda t: t.edit("summary.json", lambda s: s.pop("query_count")),
        lambda t: t.edit("summary.json", lambda s: (s.pop("throughput_qps"), s.pop("total_time_seconds"))),
        lambda t: t.summary(query_count="8594"),
        lambda t: t.summary(query_count=1),
    ],
    "5.3.4": [valid, _alone, lambda t: t.summary(throughput_qps="143.2", p95_latency_ms=1e-9)],
    "5.3.5": [
        valid,
        _alone,
        lambda t: _setup(t, coverage=1.5),
        lambda t: _setup(t, coverage="1.0"),
        lambda t: _setup(t, ok=...),
        lambda t: _setup(t, ok="True"),
        lambda t: t.edit("result_verdict.json", lambda v: v.update(result="invalid", valid=False)),
    ],
    "RC-VDB-1": [valid, lambda t: t.edit_metadata(lambda m: m.pop("benchmark_type"))],
    "RC-VDB-2": [
        valid,
        lambda t: t.args(runtime=30),
        lambda t: t.args(runtime="45"),
        lambda t: t.args(runtime=None, queries=100),
        lambda t: t.args(runtime=None),
        lambda t: (t.args(runtime=None), _alone(t)),
        lambda t: (t.args(runtime=None, queries=100), _alone(t), t.edit("config.json", lambda c: c.update(runtime_seconds=5))),
    ],
}

FAILING = {
    "5.1.1": [
        (lambda t: t.edit("summary.json", lambda s: s.pop("num_vectors"), run=2), "no usable num_vectors"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("dimension"), run=4), "no usable dimension"),
        (lambda t: t.summary(num_vectors=0), "measured 0"),
        (lambda t: t.summary(dimension=-1536), "measured -1536"),
        (lambda t: t.summary(num_vectors=math.nan), "no usable num_vectors"),
        (lambda t: t.summary(num_vectors=[1]), "a list of 1 values"),
        (lambda t: (_alone(t), t.edit("config.json", lambda c: c.pop("vector_dim"))), "vector_dim"),
        (lambda t: (_alone(t), _setup(t, total_vectors=0)), "flat_setup.total_vectors"),
        (valid, "exists neither in the rules"),
        (valid, "1000000 × 1536"),
    ],
    "5.1.2": [
        (lambda t: t.summary(dimension=1537), "measured 1537; required 1536"),
        (lambda t: t.summary(run=4, dimension=512), "another dimension"),
        (lambda t: t.edit_load(lambda s: s.update(dimension=768)), "measured 1536; required 768"),
        (lambda t: t.summary(dimension="wide"), "measured wide"),
        (lambda t: ((t.load / "summary.json").unlink(), t.edit_load_metadata(lambda m: m["args"].update(dimension=4))), "required 4"),
        (lambda t: (_alone(t), t.edit("config.json", lambda c: c.update(vector_dim=8))), "measured 8"),
    ],
    "5.2.1": [
        (lambda t: t.edit_load(lambda s: s.update(inserted_vectors=999_999)), "fewer vectors"),
        (lambda t: t.edit_load(lambda s: s.update(inserted_vectors=1_000_001)), "more vectors"),
        (lambda t: t.edit_load(lambda s: s.pop("inserted_vectors")), "no usable inserted_vectors"),
        (lambda t: t.edit_load(lambda s: s.pop("num_vectors")), "no usable num_vectors"),
        (lambda t: t.edit_load(lambda s: s.update(num_vectors=True)), "no usable num_vectors"),
        (lambda t: t.edit_load(lambda s: s.update(num_vectors=0, inserted_vectors=0)), "no usable inserted_vectors"),
    ],
    "5.2.2": [
        (lambda t: t.edit_load(lambda s: s.pop("index_type")), "does not name the index"),
        (lambda t: t.edit_load(lambda s: s.update(index_type="")), "does not name the index"),
        (lambda t: t.edit_load(lambda s: s.update(index_type="HNSW")), "measured DISKANN; required HNSW"),
        (lambda t: t.summary(index_type="diskann"), "measured diskann"),
        (lambda t: t.summary(run=4, index_type=7), "measured 7"),
    ],
    "5.3.1": [
        (lambda t: t.runs[4].rename(t.root / "gone"), "measured 4; required 5"),
        (lambda t: (t.result_dir / "run" / "20260721_235959").mkdir(), "measured 6"),
        (lambda t: _extra_run(t, "old"), "not named as a timestamp"),
        (lambda t: _extra_run(t, "20260721_1030"), "not named as a timestamp"),
    ],
    "5.3.2": [
        (lambda t: t.summary(recall=0.0), "no fraction"),
        (lambda t: t.summary(recall=-0.5), "no fraction"),
        (lambda t: t.summary(recall=1.0001), "no fraction"),
        (lambda t: t.summary(recall={"max_recall": 0, "mean_recall": 0.5}), "no fraction"),
        (lambda t: (_no_recall(t), t.remove("recall_stats.json")), "reports no recall"),
        (lambda t: (_no_recall(t), t.edit("recall_stats.json", lambda r: r.update(max_recall=0), run=0)), "no fraction"),
        (lambda t: (_alone(t), t.edit("statistics.json", lambda s: s.update(recall=0))), "no fraction"),
        (valid, "no minimum recall"),
        (lambda t: t.summary(run=None, recall={"max_recall": 0.75, "mean_recall": 0.25}), "measured 0.25"),
    ],
    "5.3.3": [
        (
            lambda t: t.edit("summary.json", lambda s: (s.pop("query_count"), s.pop("total_time_seconds"))),
            "does not say how many queries",
        ),
        (lambda t: t.edit("summary.json", lambda s: (s.pop("query_count"), s.pop("throughput_qps"))), "does not say how many queries"),
        (lambda t: t.summary(query_count="many"), "measured many"),
        (lambda t: t.summary(query_count=0), "measured 0"),
        (valid, "no minimum query count"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("query_count")), "measured 8594"),
        # Their product is beyond any number of queries.
        (
            lambda t: t.edit("summary.json", lambda s: (s.pop("query_count"), s.update(throughput_qps=1e308, total_time_seconds=1e308))),
            "does not say how many queries",
        ),
        (
            lambda t: t.edit("summary.json", lambda s: (s.pop("query_count"), s.update(throughput_qps=-10.0, total_time_seconds=-60.0))),
            "does not say how many queries",
        ),
    ],
    "5.3.4": [
        (lambda t: t.edit("summary.json", lambda s: s.pop("throughput_qps"), run=0), "does not report throughput_qps"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("mean_latency_ms"), run=1), "mean_latency_ms"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("p95_latency_ms"), run=2), "p95_latency_ms"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("p99_latency_ms"), run=3), "p99_latency_ms"),
        (lambda t: t.edit("summary.json", lambda s: s.pop("p999_latency_ms"), run=4), "p999_latency_ms"),
        (lambda t: t.summary(p999_latency_ms=None), "p999_latency_ms"),
        (lambda t: t.summary(throughput_qps=math.nan), "measured nan"),
        (lambda t: t.summary(throughput_qps=0), "measured 0; required a number above 0"),
        (lambda t: t.summary(mean_latency_ms=-1), "measured -1"),
        (lambda t: (_alone(t), t.edit("statistics.json", lambda s: s.pop("p99_latency_ms"))), "p99_latency_ms"),
    ],
    "5.3.5": [
        (lambda t: t.remove("result_verdict.json", run=3), "has no result_verdict.json"),
        (lambda t: t.text("result_verdict.json", "{"), "is no JSON"),
        (lambda t: t.text("result_verdict.json", "[]"), "not an object"),
        (lambda t: _setup(t, ok=False, reason="out of memory"), "could not be made: out of memory; measured False"),
        (lambda t: _setup(t, ok="false"), "could not be made; measured false"),
        (lambda t: _setup(t, ok=1), "could not be made; measured 1"),
        (lambda t: _setup(t, coverage=0.9999), "measured 0.9999; required 1.0"),
        (lambda t: _setup(t, coverage=...), "do not cover"),
        (lambda t: _setup(t, coverage=math.nan), "do not cover"),
        (lambda t: t.text("result_verdict.json", json.dumps({"valid": True})), "how its exact answers came about"),
        (lambda t: t.text("result_verdict.json", json.dumps({"flat_setup": True})), "how its exact answers came about"),
    ],
    "RC-VDB-1": [
        (lambda t: t.edit_metadata(lambda m: m.update(benchmark_type="training"), run=4), "measured training"),
        (lambda t: t.edit_metadata(lambda m: (m.pop("benchmark_type"), m["args"].pop("benchmark"))), "another benchmark"),
    ],
    "RC-VDB-2": [
        (lambda t: t.args(run=2, runtime=29.9), "measured 29.9 seconds; required at least 30 seconds"),
        (lambda t: t.args(runtime=5, queries=100), "measured 5"),
        (lambda t: t.args(runtime="long"), "measured long"),
        (lambda t: (t.args(runtime=None), _alone(t), t.edit("config.json", lambda c: c.update(runtime_seconds=20))), "measured 20"),
    ],
}
