"""The course of a run's phases from the samples of its workers: rates by time, times of searches, and no harm from a foreign file."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest

from pytest_mlpstorage.vectordb.sample_course import course_of, host_of, samples_in
from pytest_mlpstorage.vectordb.samples import SAMPLE, Status, WorkerSamples, save_worker

SECOND = 1_000_000_000


def searches(count, *, each=0.01, began=0, phase=1, status=Status.OK):
    made = np.zeros(count, SAMPLE)
    made["seconds"], made["phase"], made["status"] = each, phase, status
    made["began_ns"] = began + np.arange(count) * round(each * SECOND)
    return made


def test_searches_count_where_they_ended_and_all_of_them():
    course = course_of([("a", searches(1280))], {})
    (steady,) = course.phases
    assert (steady.name, steady.searches, course.seconds) == ("steady", 1280, pytest.approx(12.8))
    assert steady.per_second[5] == pytest.approx(100.0, rel=0.2)
    assert sum(rate * course.step for rate in steady.per_second) == pytest.approx(1280, rel=0.01)
    assert steady.median_ms[3] == steady.p99_ms[3] == pytest.approx(10.0)


def test_phases_have_their_own_part_of_the_time():
    both = np.concatenate([searches(100, phase=0), searches(300, began=2 * SECOND)])
    cold, steady = course_of([("a", both)], {}).phases
    assert (cold.begin, cold.end) == pytest.approx((0.0, 1.0))
    assert (steady.begin, steady.end) == pytest.approx((2.0, 5.0))
    assert cold.per_second[-1] is None
    assert steady.per_second[0] is None
    assert cold.per_second[0] == pytest.approx(100.0, rel=0.4)


def test_clocks_of_hosts_are_brought_to_that_of_the_first():
    one, other = searches(100, began=7), searches(100, began=3600 * SECOND + 7)
    course = course_of([("a", one), ("b", other)], {"b": 3600 * SECOND})
    assert (course.began_ns, course.seconds) == (7, pytest.approx(1.0))
    assert course.phases[0].searches == 200


def test_searches_that_failed_are_not_in_it():
    bad = searches(50, status=Status.RAISED)
    assert course_of([("a", np.concatenate([searches(100), bad]))], {}).phases[0].searches == 100
    assert course_of([("a", bad)], {}) is None
    assert course_of([], {}) is None


@pytest.mark.parametrize(("key", "value"), [("seconds", np.nan), ("seconds", -1.0), ("seconds", np.inf), ("began_ns", 2**63 - 1)])
def test_times_that_cannot_be_are_no_fault(key, value):
    made = searches(10)
    made[key][3] = value
    course = course_of([("a", made)], {})
    assert course is None or course.phases[0].searches in (9, 10)


def test_a_worker_s_file_comes_back_as_it_was_written(tmp_path):
    made = searches(10)
    path = save_worker(tmp_path, WorkerSamples(made, 0, 1, "h"))
    assert host_of(f"samples/{path.name}") == "h"
    assert np.array_equal(samples_in(path.read_bytes()), made)


def test_other_files_are_nobody_s_samples():
    for name in ("samples-r0-w0@h.npy", "samples/answers.npy", "samples/samples-r0-w0@h.npy.part", "summary.json"):
        assert host_of(name) is None


def written(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"x" * 100, b"\x93NUMPY", b"\x93NUMPY\x09\x00" + b"z" * 100, written(np.zeros(3)), written(np.zeros((2, 2), SAMPLE)),
        written(np.array([{"a": 1}], dtype=object)), written(searches(5))[:-7], written(searches(5)) + b"more",
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 80) + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }".ljust(79) + b"\n",
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"__import__('os')".ljust(19) + b"\n",
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_none(content):
    assert samples_in(content) is None


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (9, 9)])
@pytest.mark.parametrize(
    "header", ["{'descr': (\n", "{[]:1}\n", "  x\n y\n", "{'descr': (), 'fortran_order': False, 'shape': (1,)}\n", "\xff\n"]
)
def test_a_header_that_is_anybodys_is_no_file_of_samples(version, header):
    length = len(header).to_bytes(2 if version == (1, 0) else 4, "little")
    assert samples_in(b"\x93NUMPY" + bytes(version) + length + header.encode("latin1")) is None
