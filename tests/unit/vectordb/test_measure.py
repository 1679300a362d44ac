"""The closed loop of one worker: what is asked, what is counted, and what a faulty engine does to it."""

from __future__ import annotations

import time
from array import array

import numpy as np
import pytest
from stand_in import DATA, STREAM, K, Stand, loop

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb import measure
from pytest_mlpstorage.vectordb.measure import PhasePlan, WorkerLoop
from pytest_mlpstorage.vectordb.queries import QueryStream
from pytest_mlpstorage.vectordb.samples import SAMPLE, Status, WorkerSamples, phase_statistics, read_workers, save_worker


def test_each_query_is_asked_once_in_order_with_one_sample_a_search():
    searcher = Stand()
    run = loop(searcher).run(PhasePlan("cold", 60, 200))
    assert np.array_equal(np.asarray(searcher.asked), STREAM.vectors[:200])
    assert run.samples.dtype == SAMPLE
    assert np.array_equal(run.samples["query"], STREAM.numbers[:200])
    assert set(run.samples["phase"].tolist()) == {0}
    assert set(run.samples["status"].tolist()) == {Status.OK}
    assert np.array_equal(run.answers, np.asarray(searcher.given))
    assert run.succeeded.tolist() == list(range(200))
    assert (run.wrapped, run.errors) == (False, {})


def test_the_searcher_gets_k_and_the_parameters_as_they_are():
    got, params = [], {"list": 50}

    class Curious(Stand):
        def search(self, vector, k, params):
            got.append((vector.dtype, vector.shape, vector.flags.c_contiguous, k, params))
            return super().search(vector, k, params)

    loop(Curious(), params=params).run(PhasePlan("cold", 60, 1))
    assert got == [(np.float32, (8,), True, K, params)]
    assert got[0][4] is params


def test_a_phase_goes_on_where_the_one_before_ended_and_no_query_comes_again():
    searcher = Stand()
    worker = loop(searcher)
    cold, steady = worker.run(PhasePlan("cold", 60, 120)), worker.run(PhasePlan("steady", 60, 180))
    assert worker.left == 0
    assert np.array_equal(np.asarray(searcher.asked), STREAM.vectors)
    numbers = [*cold.samples["query"].tolist(), *steady.samples["query"].tolist()]
    assert numbers == STREAM.numbers.tolist()
    assert (steady.wrapped, steady.laps) == (False, 1.0)
    assert set(steady.samples["phase"].tolist()) == {1}


def test_a_cold_phase_has_no_repetition_over_all_workers():
    numbers = []
    for number in range(3):
        stream = QueryStream.prepare(DATA, 1_500, run=1, worker=number, workers=3)
        run = WorkerLoop(Stand(), stream, k=K, rows=10_000, params={}).run(PhasePlan("cold", 60, 1_400))
        numbers += run.samples["query"].tolist()
    assert len(numbers) == len(set(numbers)) == 4_200


def test_a_phase_that_may_not_wrap_ends_with_the_queries():
    run = loop(Stand()).run(PhasePlan("steady", 60))
    assert len(run.samples) == 300
    assert not run.wrapped


def test_a_phase_that_may_wrap_says_so_when_it_does():
    searcher = Stand()
    worker = loop(searcher)
    worker.run(PhasePlan("cold", 60, 100))
    steady = worker.run(PhasePlan("steady", 60, 500, wrap=True))
    assert np.array_equal(np.asarray(searcher.asked), np.concatenate([STREAM.vectors, STREAM.vectors]))
    assert steady.wrapped
    assert steady.laps == 2.0
    assert steady.samples["query"].tolist() == [*STREAM.numbers[100:], *STREAM.numbers]


def test_a_wrapping_phase_that_did_not_come_to_the_end_has_not_wrapped():
    run = loop(Stand()).run(PhasePlan("steady", 60, 300, wrap=True))
    assert (run.wrapped, run.laps) == (False, 1.0)


def test_a_phase_for_which_queries_are_missing_is_refused():
    worker = loop(Stand())
    with pytest.raises(ConfigurationError, match=r"wants 301 queries of each worker, and 300 are prepared"):
        worker.run(PhasePlan("cold", 60, 301))
    worker.run(PhasePlan("cold", 60, 300))
    with pytest.raises(ConfigurationError, match="0 are prepared"):
        worker.run(PhasePlan("steady", 60))


def test_a_phase_ends_when_its_time_is_up():
    class Slow(Stand):
        def search(self, vector, k, params):
            time.sleep(0.01)
            return super().search(vector, k, params)

    run = loop(Slow()).run(PhasePlan("steady", 0.05, wrap=True))
    ends = run.samples["began_ns"] + (run.samples["seconds"] * 1e9).astype(np.int64)
    first = run.samples["began_ns"][0]
    assert 1 <= len(run.samples) <= 6
    assert ends[-1] - first >= 0.049e9
    assert run.samples["began_ns"][-1] - first < 0.05e9, "a search was begun after the end"
    assert run.samples["seconds"].min() >= 0.009


def test_samples_lie_one_after_the_other_on_the_monotonic_clock():
    before = time.perf_counter_ns()
    run = loop(Stand()).run(PhasePlan("cold", 60, 50))
    began, spent = run.samples["began_ns"], np.rint(run.samples["seconds"] * 1e9).astype(np.int64)
    assert (began[1:] >= began[:-1] + spent[:-1]).all()
    assert before < began[0]
    assert began[-1] + spent[-1] <= time.perf_counter_ns()


def test_more_searches_than_expected_are_recorded_like_the_others(monkeypatch):
    monkeypatch.setattr(measure, "_CHUNK", 16)
    searcher = Stand()
    run = loop(searcher, searches_expected=20).run(PhasePlan("steady", 60, 299))
    assert np.array_equal(np.asarray(searcher.asked), STREAM.vectors[:299])
    assert np.array_equal(run.answers, np.asarray(searcher.given))
    assert np.array_equal(run.samples["query"], STREAM.numbers[:299])


@pytest.mark.parametrize("count", [16, 17, 32])
def test_a_phase_of_whole_chunks_ends_with_them(monkeypatch, count):
    monkeypatch.setattr(measure, "_CHUNK", 16)
    run = loop(Stand()).run(PhasePlan("cold", 60, count))
    assert len(run.samples) == len(run.answers) == count


def test_whoever_watches_sees_how_many_searches_were_begun(monkeypatch):
    monkeypatch.setattr(measure, "_CHUNK", 16)
    heart, seen = array("q", [0]), []

    class Watched(Stand):
        def search(self, vector, k, params):
            seen.append(heart[0])
            return super().search(vector, k, params)

    worker = loop(Watched(), heart=heart)
    worker.run(PhasePlan("cold", 60, 20))
    worker.run(PhasePlan("steady", 60, 30))
    assert seen == list(range(1, 51))


def test_figures_come_again_from_the_file_of_a_worker(tmp_path):
    worker = loop(Stand(lambda ids: ids[:3], every=7))
    runs = [worker.run(PhasePlan("cold", 60, 100)), worker.run(PhasePlan("steady", 60, 200))]
    mine = WorkerSamples(np.concatenate([run.samples for run in runs]))
    save_worker(tmp_path, mine)
    for name in ("cold", "steady"):
        assert phase_statistics(read_workers(tmp_path), name).to_json() == phase_statistics([mine], name).to_json()


@pytest.mark.parametrize(("seconds", "queries"), [(0, None), (-1, 5), (float("nan"), 5), (1, 0)])
def test_a_phase_of_nothing_is_refused(seconds, queries):
    with pytest.raises(ConfigurationError, match="measures nothing"):
        PhasePlan("cold", seconds, queries)


@pytest.mark.parametrize(("k", "rows"), [(0, 10), (11, 10)])
def test_neighbours_that_cannot_be_are_refused(k, rows):
    with pytest.raises(ConfigurationError, match="cannot be"):
        loop(Stand(), k=k, rows=rows)
