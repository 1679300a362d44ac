"""Processes that search as their rank sees them: as many as there may be, and those that cannot be had."""

from __future__ import annotations

import errno
import fcntl
import os
import resource

import pytest

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.vectordb import workers
from pytest_mlpstorage.vectordb.workers import Crew, Worker

BEYOND_SELECT = 1100


class Speaker:
    """A worker at a descriptor that says one word."""

    number, phase, beats = 3, "start", 0

    def __init__(self, descriptor):
        self.descriptor = descriptor

    def fileno(self):
        return self.descriptor

    def hear(self):
        os.read(self.descriptor, 100)
        return [{"event": "prepared"}]

    def end(self):
        os.close(self.descriptor)


def test_a_rank_hears_more_workers_than_select_has_room_for():
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= BEYOND_SELECT:
        pytest.skip("this user may have no so many files")
    heard, said = os.pipe()
    far = fcntl.fcntl(heard, fcntl.F_DUPFD, BEYOND_SELECT)
    os.close(heard)
    with Crew([Speaker(far)]) as crew:
        crew.look()
        os.write(said, b"x")
        assert crew.wait("prepared", 10.0) == [{"event": "prepared"}]
        os.write(said, b"x")
        with pytest.raises(BenchmarkExecutionError, match="worker 3 said prepared out of turn"):
            crew.look()
    os.close(said)


def test_a_worker_for_which_there_are_no_files_left_is_refused_with_what_to_do(monkeypatch, tmp_path):
    def none_left():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(workers, "Heart", none_left)
    with pytest.raises(BenchmarkExecutionError, match=r"worker 7 \(search\) cannot be started: Too many open files") as caught:
        Worker(tmp_path / "job.json", "search", 0, 7, engine="zvec")
    assert "ulimit -n" in caught.value.suggestion
