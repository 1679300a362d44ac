"""What an engine must do with an index that is built: answer, to several at once, and say who reads."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mlpstorage.results.processes import start_ticks_of
from pytest_mlpstorage.vectordb.engine import EngineError, IndexSpec, Metric
from pytest_mlpstorage.vectordb_contract.child import Bench, Child
from pytest_mlpstorage.vectordb_contract.conftest import DIM, QUERIES, Data, K, Subject


def recall(answers: list[tuple[Any, Any]], exact: Any) -> float:
    """The share of the exact answers that were found."""
    return float(np.mean([len(np.intersect1d(ids, right)) / len(right) for (ids, _), right in zip(answers, exact, strict=True)]))


def test_answers_are_distinct_rows_with_scores_in_order_and_mostly_the_exact_ones(
    subject: Subject, built: IndexSpec, child: Child, data: Data
) -> None:
    child(Bench.opened, built, subject.where)
    answers = child(Bench.answers, data.queries, K, subject.search_params())
    for ids, scores in answers:
        assert (ids.dtype, scores.dtype) == (np.int64, np.float32)
        assert ids.shape == scores.shape == (K,)
        assert len(np.unique(ids)) == K
        assert ids.min() >= 0
        assert ids.max() < len(data.vectors)
        steps = np.diff(scores) if not subject.capabilities.higher_is_better else -np.diff(scores)
        assert (steps >= -1e-5).all()
    assert recall(answers, data.exact) >= 0.95


@pytest.mark.parametrize("kind", ["dimension", "nan", "infinity", "two rows", "no k"])
def test_a_query_that_cannot_be_is_refused_and_the_next_is_answered(
    subject: Subject, built: IndexSpec, child: Child, data: Data, kind: str
) -> None:
    child(Bench.opened, built, subject.where)
    query, params = data.queries[0].copy(), subject.search_params()
    bad = {"dimension": query[: DIM // 2].copy(), "two rows": data.queries[:2].copy()}.get(kind, query.copy())
    if kind in {"nan", "infinity"}:
        bad[3] = math.nan if kind == "nan" else math.inf
    with pytest.raises(EngineError):
        child(Bench.search, bad, 0 if kind == "no k" else K, params)
    assert len(child(Bench.search, query, K, params)[0]) == K


def test_fewer_rows_than_asked_for_give_fewer_ids(subject: Subject, child: Child, data: Data) -> None:
    spec = subject.spec("few")
    child(Bench.made, spec, subject.where, data.vectors[:3])
    child(Bench.built)
    child(Bench.opened, spec, subject.where)
    ids, scores = child(Bench.search, data.queries[0], K, subject.search_params())
    assert sorted(ids) == [0, 1, 2]
    assert len(scores) == 3


def test_two_processes_search_at_once_or_the_second_is_refused(subject: Subject, built: IndexSpec, child: Child, data: Data) -> None:
    child(Bench.opened, built, subject.where)
    with subject.child() as second:
        if subject.capabilities.readers == "one":
            with pytest.raises(EngineError):
                second(Bench.opened, built, subject.where)
            return
        second(Bench.opened, built, subject.where)
        for process in (child, second):
            process.ask(Bench.answers, data.queries, K, subject.search_params())
        for process in (child, second):
            assert recall(process.answer("answers"), data.exact) >= 0.95


def test_an_index_is_the_same_after_it_was_closed_and_opened_again(subject: Subject, built: IndexSpec, data: Data) -> None:
    found = []
    for _ in range(2):
        with subject.child() as reader:
            reader(Bench.opened, built, subject.where)
            found.append([ids.tolist() for ids, _ in reader(Bench.answers, data.queries, K, subject.search_params())])
    same = np.mean([len(set(first) & set(second)) / K for first, second in zip(*found, strict=True)])
    assert same >= 0.99


def test_whoever_reads_for_the_engine_is_a_process_that_runs(subject: Subject, built: IndexSpec, child: Child) -> None:
    child(Bench.opened, built, subject.where)
    readers = child(Bench.call, "reads")
    if readers is None:
        return
    assert readers
    for pid, started in readers:
        assert start_ticks_of(pid) == started
    if subject.embedded:
        assert [pid for pid, _ in readers] == [child.pid]


def test_files_of_the_index_are_files(subject: Subject, built: IndexSpec, child: Child) -> None:
    child(Bench.opened, built, subject.where)
    files = child(Bench.call, "index_files")
    assert files is None or (files and all(Path(path).is_file() for path in files))
    assert isinstance(child(Bench.call, "evict"), str)


def test_only_an_index_on_disk_reads_the_device_again_for_the_same_queries(
    subject: Subject, built: IndexSpec, child: Child, data: Data
) -> None:
    child(Bench.opened, built, subject.where)
    before = child(Bench.bytes_read)
    if before is None:
        return
    laps: list[int] = []
    for _ in range(2):
        child(Bench.answers, data.queries, K, subject.search_params())
        laps.append(child(Bench.bytes_read) - before - sum(laps))
    residence = subject.capabilities.families[built.family].residence
    a_query = laps[1] / 4096 / QUERIES
    # Filesystems of memory and of the network, and overlays, have no device of their own whose reads are counted.
    device = subject.embedded and os.major(Path(subject.where).stat().st_dev) != 0
    if residence == "disk" and (device or laps[0]):
        assert a_query > 1
        assert laps[1] == pytest.approx(laps[0], rel=0.05)
    elif residence != "disk":
        assert a_query < 0.1


def test_each_metric_finds_a_stored_vector_itself(subject: Subject, child: Child, data: Data) -> None:
    for metric in sorted(subject.capabilities.metrics & {"COSINE", "L2", "IP"}):
        known: Metric = "COSINE" if metric == "COSINE" else "L2" if metric == "L2" else "IP"
        spec = subject.spec("metric", metric=known)
        child(Bench.made, spec, subject.where, data.vectors[:500])
        child(Bench.built)
        child(Bench.opened, spec, subject.where)
        for row in (0, 250, 499):
            ids, scores = child(Bench.search, data.vectors[row].copy(), K, subject.search_params())
            assert ids[0] == row, metric
            assert (np.diff(scores) * (-1 if subject.capabilities.higher_is_better else 1) >= -1e-5).all(), metric
        with subject.child() as dropper:
            child(Bench.shut)
            dropper(Bench.call, "attach", spec, subject.where)
            dropper(Bench.call, "drop")


def test_every_index_on_offer_builds_and_answers(subject: Subject, child: Child, data: Data) -> None:
    rows = data.vectors[:2000]
    scores = data.queries.astype(np.float64) @ rows.astype(np.float64).T
    exact = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    for family in subject.families:
        spec = subject.spec(f"index_{family.lower()}", family=family)
        child(Bench.made, spec, subject.where, rows)
        child(Bench.built)
        child(Bench.opened, spec, subject.where)
        assert recall(child(Bench.answers, data.queries, K, subject.search_params(family)), exact) >= 0.8, family
        child(Bench.shut)
        child(Bench.call, "attach", spec, subject.where)
        child(Bench.call, "drop")


def test_what_is_closed_does_not_search_and_is_closed_once(subject: Subject, built: IndexSpec, child: Child, data: Data) -> None:
    child(Bench.opened, built, subject.where)
    child(Bench.close_searcher)
    child(Bench.close_searcher)
    with pytest.raises(EngineError):
        child(Bench.search, data.queries[0], K, subject.search_params())
    child(Bench.call, "close")
    child(Bench.call, "close")
