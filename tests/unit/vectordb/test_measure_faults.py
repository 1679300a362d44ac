"""What a faulty engine does to the loop: each fault is counted as what it is, and none makes it faster."""

from __future__ import annotations

import numpy as np
import pytest
from stand_in import K, Stand, loop

from pytest_mlpstorage.errors import BenchmarkExecutionError, DependencyError
from pytest_mlpstorage.vectordb import measure
from pytest_mlpstorage.vectordb.measure import PhasePlan
from pytest_mlpstorage.vectordb.samples import Status, WorkerSamples, phase_statistics


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (lambda ids: ids[:-1], Status.SHORT),
        (lambda ids: ids[:0], Status.SHORT),
        (lambda ids: ids[:1], Status.SHORT),
        (lambda ids: np.concatenate([ids[:-1], ids[:1]]), Status.REPEATED),
        (lambda ids: ids + 5_000, Status.UNKNOWN_ID),
        (lambda ids: np.concatenate([ids[:-1], [5_000]]), Status.UNKNOWN_ID),
        (lambda ids: ids - 4_000, Status.UNKNOWN_ID),
    ],
    ids=["k-1", "none", "one", "repeated", "stale", "one beyond", "below"],
)
def test_a_faulty_answer_is_a_failure_of_its_own_kind(fault, status):
    run = loop(Stand(fault, every=3)).run(PhasePlan("steady", 60, 90))
    found = phase_statistics([WorkerSamples(run.samples)], "steady")
    assert (found.queries, found.failed) == (60, 30)
    assert found.failures == {status.name.lower(): 30}
    assert len(run.succeeded) == 60


def test_more_ids_than_asked_for_are_cut_to_the_best():
    run = loop(Stand(lambda _ids: np.arange(K + 3))).run(PhasePlan("cold", 60, 1))
    assert run.answers.tolist() == [list(range(K))]
    assert run.samples["status"].tolist() == [Status.OK]


def test_the_last_row_is_no_unknown_id():
    run = loop(Stand(lambda ids: ids + 4_990)).run(PhasePlan("cold", 60, 1))
    assert run.samples["status"].tolist() == [Status.OK]


def refuse(_ids):
    raise BenchmarkExecutionError("the server said no", details={"call": "search"}, suggestion="ask it why")


def test_searches_that_raise_are_failures_with_their_words():
    run = loop(Stand(refuse, every=2)).run(PhasePlan("steady", 60, 50))
    assert run.errors == {"the server said no": 25}
    assert run.samples["status"].tolist() == [Status.RAISED, Status.OK] * 25
    assert (run.answers[::2] == -1).all()


def test_an_engine_that_always_raises_ends_the_phase_with_what_it_said():
    with pytest.raises(BenchmarkExecutionError, match="100 searches in a row failed in the steady phase") as caught:
        loop(Stand(refuse)).run(PhasePlan("steady", 600, wrap=True))
    assert caught.value.details == {"last one": "the server said no", "call": "search"}
    assert caught.value.suggestion == "ask it why"


def test_failures_that_are_interrupted_by_a_success_do_not_end_a_phase(monkeypatch):
    monkeypatch.setattr(measure, "_FAILED_IN_A_ROW", 3)
    patterns = iter([True, True, False] * 40)

    def sometimes(ids):
        return refuse(ids) if next(patterns) else ids

    assert len(loop(Stand(sometimes)).run(PhasePlan("steady", 60, 120)).samples) == 120


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 10**12

    def perf_counter_ns(self):
        self.now += 1
        return self.now

    def pass_by(self, seconds):
        self.now += round(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(measure, "time", made)
    return made


def test_a_server_that_is_gone_and_lets_searches_time_out_ends_the_phase_soon(clock):
    def time_out(ids):
        clock.pass_by(4.0)
        refuse(ids)

    with pytest.raises(BenchmarkExecutionError, match=r"^\[MLPS-E510\] 3 searches in a row failed in the steady phase, within 12.0 s"):
        loop(Stand(time_out)).run(PhasePlan("steady", 600, wrap=True))


def test_one_search_that_fails_late_does_not_end_a_phase(clock):
    def late(ids):
        clock.pass_by(11.0)
        refuse(ids)

    assert len(loop(Stand(late, every=2)).run(PhasePlan("steady", 6000, 100)).samples) == 100


def test_no_search_begins_after_the_end_of_a_phase_and_the_last_one_is_finished(clock):
    class Steady(Stand):
        def search(self, vector, k, params):
            clock.pass_by(0.3)
            return super().search(vector, k, params)

    run = loop(Steady()).run(PhasePlan("steady", 1.0, wrap=True))
    assert run.samples["seconds"] == pytest.approx([0.3] * 4)
    assert phase_statistics([WorkerSamples(run.samples)], "steady").seconds == pytest.approx(1.2)


@pytest.mark.parametrize("error", [DependencyError("no package"), KeyboardInterrupt(), RuntimeError("a bug of the plug-in")])
def test_what_is_no_failed_search_is_not_taken_for_one(error):
    def end(_ids):
        raise error

    with pytest.raises(type(error)):
        loop(Stand(end)).run(PhasePlan("steady", 60, 10))
