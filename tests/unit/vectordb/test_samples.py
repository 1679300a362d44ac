"""Figures from the samples of workers alone: rates, percentiles that are samples, failures apart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pytest_mlpstorage.errors import FileSystemError, ValidationError
from pytest_mlpstorage.vectordb.samples import SAMPLE, Status, WorkerSamples, phase_statistics, read_workers, save_worker

MS = 1_000_000


def samples(seconds, *, began=0, status=Status.OK, phase=1, gap=0):
    """Searches one after the other, of these lengths; the clock starts at ``began`` nanoseconds."""
    made = np.zeros(len(seconds), SAMPLE)
    made["seconds"], made["status"], made["phase"] = seconds, status, phase
    made["query"] = np.arange(len(seconds))
    ends = began + np.cumsum(np.rint(np.asarray(seconds) * 1e9).astype(np.int64) + gap)
    made["began_ns"] = ends - np.rint(np.asarray(seconds) * 1e9).astype(np.int64) - gap
    return made


def worker(made, number=0, host="a", rank=0):
    return WorkerSamples(made, rank, number, host)


def test_a_rate_is_successes_over_the_window_of_all_workers():
    found = phase_statistics(
        [worker(samples([0.001] * 10)), worker(samples([0.002] * 10, began=5 * MS), 1)],
        "steady",
    )
    assert (found.queries, found.failed, found.workers, found.hosts) == (20, 0, 2, 1)
    assert found.seconds == pytest.approx(0.025)
    assert found.qps == pytest.approx(20 / 0.025)
    assert found.overlap == 1.0


def test_time_between_searches_counts_in_the_rate_and_not_in_latencies():
    found = phase_statistics([worker(samples([0.001] * 10, gap=MS))], "steady")
    assert found.seconds == pytest.approx(0.019)
    assert found.latency_ms["max"] == pytest.approx(1.0)


def test_phases_are_counted_apart():
    both = np.concatenate([samples([0.001] * 5, phase=0), samples([0.003] * 7, began=MS * 100)])
    cold, steady = (phase_statistics([worker(both)], name) for name in ("cold", "steady"))
    assert (cold.queries, steady.queries) == (5, 7)
    assert (cold.latency_ms["mean"], steady.latency_ms["mean"]) == pytest.approx((1.0, 3.0))
    assert steady.seconds == pytest.approx(0.021)
    with pytest.raises(ValueError, match="not in tuple"):
        phase_statistics([worker(both)], "warm")


def test_failures_are_in_no_rate_and_no_percentile_and_are_counted_by_kind():
    made = samples([0.001] * 10)
    made["status"][[1, 2, 3, 4, 5]] = [Status.RAISED, Status.RAISED, Status.SHORT, Status.REPEATED, Status.UNKNOWN_ID]
    made["seconds"][1] = 5.0
    made["began_ns"][0] = -MS * 9_000
    found = phase_statistics([worker(made)], "steady")
    assert (found.queries, found.failed) == (5, 5)
    assert found.failures == {"raised": 2, "short": 1, "repeated": 1, "unknown_id": 1}
    assert found.latency_ms["max"] == pytest.approx(1.0)
    assert found.qps == pytest.approx(5 / found.seconds)


def test_an_engine_that_fails_is_never_faster_than_a_healthy_one():
    healthy, failing = samples([0.001] * 100), samples([0.0001 if place % 2 else 0.001 for place in range(100)])
    failing["status"][1::2] = Status.RAISED
    # The same time for both: fast failures make room for more searches, half of which fail.
    rates = [phase_statistics([worker(made)], "steady").qps for made in (healthy, failing)]
    assert rates[1] < rates[0]


def test_percentiles_are_samples_and_the_next_higher_one():
    found = phase_statistics([worker(samples([place / 1000 for place in range(1, 11)]))], "steady").latency_ms
    assert (found["p50"], found["p95"], found["p99"]) == pytest.approx((6.0, 10.0, 10.0))
    assert found["mean"] == pytest.approx(5.5)


def test_high_percentiles_are_those_of_their_names():
    found = phase_statistics([worker(samples([place / 1000 for place in range(1, 20_001)]))], "steady").latency_ms
    assert (found["p95"], found["p99"], found["p999"], found["p9999"]) == pytest.approx((19_001, 19_801, 19_981, 19_999))


@pytest.mark.parametrize(("count", "p999", "p9999"), [(999, False, False), (1000, True, False), (9_999, True, False), (10_000, True, True)])
def test_a_percentile_needs_as_many_samples_as_it_has_parts(count, p999, p9999):
    statistics = phase_statistics([worker(samples([0.001] * count))], "steady")
    found = statistics.latency_ms
    assert (found["p999"] is not None, found["p9999"] is not None) == (p999, p9999)
    assert statistics.to_json()["latency_missing"] == {
        **({} if p999 else {"p999": f"{count} samples, and it needs 1000"}),
        **({} if p9999 else {"p9999": f"{count} samples, and it needs 10000"}),
    }


def test_percentiles_are_of_all_workers_together():
    fast, slow = samples([0.001] * 990), samples([0.1] * 10)
    found = phase_statistics([worker(fast), worker(slow, 1)], "steady").latency_ms
    assert found["p50"] == pytest.approx(1.0)
    assert found["p99"] == pytest.approx(100.0)
    assert phase_statistics([worker(samples([0.001] * 991)), worker(samples([0.1] * 9), 1)], "steady").latency_ms["p99"] == pytest.approx(
        1.0
    )


def test_nothing_measured_is_null_and_never_zero():
    for workers in ([], [worker(samples([]))], [worker(samples([0.001], phase=0))]):
        found = phase_statistics(workers, "steady")
        assert (found.queries, found.failed, found.seconds, found.qps, found.overlap, found.drifting) == (0, 0, None, None, None, None)
        assert set(found.latency_ms.values()) == {None}


def test_searches_that_all_failed_have_a_rate_of_none_a_second_and_no_latency():
    found = phase_statistics([worker(samples([0.001] * 10, status=Status.SHORT))], "steady")
    assert (found.queries, found.failed, found.qps) == (0, 10, 0.0)
    assert found.latency_ms["p50"] is None


def test_rates_of_hosts_are_added_and_their_windows_compared():
    here, there = worker(samples([0.001] * 100)), worker(samples([0.001] * 200, began=10**15), 0, "b", 1)
    found = phase_statistics([here, there], "steady", offsets_ns={"b": 10**15})
    assert found.qps == pytest.approx(2000.0)
    assert found.overlap == pytest.approx(0.5)
    assert found.seconds == pytest.approx(0.2)
    assert found.hosts == 2
    later = phase_statistics([here, there], "steady", offsets_ns={"b": 10**15 - 150 * MS})
    assert later.overlap == 0.0


def test_a_phase_drifts_where_its_halves_differ_by_more_than_a_tenth():
    assert phase_statistics([worker(samples([0.001] * 100))], "steady").drifting is False
    drifting = phase_statistics([worker(samples([0.001] * 100 + [0.00125] * 80))], "steady")
    assert drifting.drifting is True
    assert drifting.halves == pytest.approx((1000.0, 800.0), rel=0.02)
    assert phase_statistics([worker(samples([0.001] * 100 + [1 / 950] * 95))], "steady").drifting is False


@pytest.mark.parametrize(("halves", "drifting"), [((1000, 905), False), ((1000, 899), True), ((899, 1000), True), ((0, 0), False)])
def test_a_tenth_is_that_of_the_faster_half(halves, drifting):
    found = phase_statistics([worker(samples([0.001] * 10))], "steady")
    assert dataclasses.replace(found, halves=halves).drifting is drifting


def test_halves_are_of_the_common_clock():
    here = samples([0.001] * 100)
    one = phase_statistics([worker(here), worker(samples([0.001] * 100, began=10**15), 0, "b", 1)], "steady", offsets_ns={"b": 10**15})
    assert one.halves == pytest.approx((2000.0, 2000.0), rel=0.03)


def test_a_record_says_what_kind_of_latency_it_is():
    record = phase_statistics([worker(samples([0.001] * 10))], "steady").to_json()
    assert record["latency_kind"] == "service time, closed loop"
    assert record["latency_ms"]["p999"] is None
    assert record["name"] == "steady"
    assert record["drifting"] is False


def test_figures_come_again_from_the_files_alone(tmp_path):
    workers = [
        worker(np.concatenate([samples([0.001] * 5, phase=0), samples([0.002] * 50, began=MS * 50)]), 0, "node-1.example", 0),
        worker(samples([0.003] * 40), 1, "node-1.example", 0),
        worker(samples([0.001] * 70, status=Status.SHORT), 0, "b", 12),
    ]
    for each in reversed(workers):
        save_worker(tmp_path, each)
    (tmp_path / "other.npy").write_bytes(b"not ours")
    found = read_workers(tmp_path)
    assert [(each.rank, each.worker, each.host) for each in found] == [(0, 0, "node-1.example"), (0, 1, "node-1.example"), (12, 0, "b")]
    for name in ("cold", "steady"):
        assert phase_statistics(found, name) == phase_statistics(workers, name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["other.npy", *(each.file_name for each in workers)])


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", np.zeros(3).tobytes()])
def test_a_damaged_file_of_samples_is_named(tmp_path, content):
    (tmp_path / "samples-r0-w0@a.npy").write_bytes(content)
    with pytest.raises(ValidationError, match="cannot be read") as caught:
        read_workers(tmp_path)
    assert "samples-r0-w0@a.npy" in str(caught.value)


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((2, 2), SAMPLE)])
def test_a_file_of_other_numbers_is_named(tmp_path, wrong):
    np.save(tmp_path / "samples-r0-w0@a.npy", wrong)
    with pytest.raises(ValidationError, match="holds no samples"):
        read_workers(tmp_path)


def test_samples_that_cannot_be_written_are_one_clear_error(tmp_path):
    with pytest.raises(FileSystemError, match="samples of a worker"):
        save_worker(tmp_path / "not there", worker(samples([0.001])))


def test_a_worker_is_of_this_host_unless_said_otherwise():
    assert WorkerSamples(samples([0.001])).file_name.startswith("samples-r0-w0@")
    assert WorkerSamples(samples([0.001])).host
