"""Progress lines of the checkpoint engine: what the supervisor shows while files of hours are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_mlpstorage.checkpointing.progress import Progress
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.launch.outcome import Beat
from pytest_mlpstorage.launch.progress import line
from pytest_mlpstorage.launch.watch import last_progress

MIB = 1024**2


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def progress(tmp_path, clock):
    return Progress(tmp_path / "lines", own_bytes=10 * MIB, total_bytes=40 * MIB, monotonic=clock)


def lines(tmp_path):
    return [json.loads(text) for text in (tmp_path / "lines").read_text().splitlines()]


def test_begin_and_end_are_told_at_once_with_the_rate_of_all_ranks(tmp_path, progress, clock):
    progress.begin("checkpoint write", 3, 10)
    clock.now += 0.5
    progress.advance(10 * MIB)
    progress.end()
    begun = {"phase": "checkpoint write", "step": 3, "steps": 10}
    assert lines(tmp_path) == [begun, begun | {"mib_per_second": 80.0}]


def test_between_them_one_line_a_second(tmp_path, progress, clock):
    progress.begin("checkpoint write", 1, 2)
    for _ in range(8):
        clock.now += 0.25
        progress.advance(MIB)
    assert [entry.get("mib_per_second") for entry in lines(tmp_path)] == [None, 16.0, 16.0]


def test_a_new_checkpoint_counts_anew(tmp_path, progress, clock):
    for step in (1, 2):
        progress.begin("checkpoint read", step, 2)
        clock.now += 2
        progress.advance(10 * MIB)
    assert lines(tmp_path)[-1] == {"phase": "checkpoint read", "step": 2, "steps": 2, "mib_per_second": 20.0}


def test_a_pause_is_declared_so_that_nobody_takes_it_for_a_stall(tmp_path, progress):
    progress.wait("checkpoint write", 1, 2, 0.0)
    assert not (tmp_path / "lines").exists()
    progress.wait("checkpoint write", 1, 2, 5.0)
    assert lines(tmp_path)[0]["wait_seconds"] == 5.0


def test_the_supervisor_shows_the_line(tmp_path, progress):
    progress.begin("checkpoint write", 3, 10)
    beat = Beat(12.0, 2, 0, 0, 0, 0, 0, 0, 2, last_progress(tmp_path / "lines"), 0.0, "")
    assert line(beat, label="llama3-8b") == "llama3-8b: checkpoint write, step 3/10, 12.0 s"


def test_without_a_file_and_without_bytes_nothing_happens(clock):
    silent = Progress(None, own_bytes=0, total_bytes=0, monotonic=clock)
    silent.begin("checkpoint write", 1, 1)
    silent.advance(5)
    silent.end()


def test_a_full_disk_is_said_with_the_file_and_the_reason(clock):
    full = Progress(Path("/dev/full"), own_bytes=1, total_bytes=1, monotonic=clock)
    with pytest.raises(FileSystemError) as raised:
        full.begin("checkpoint write", 1, 1)
    assert raised.value.message == "cannot write /dev/full: No space left on device"
    assert "free space" in raised.value.suggestion


def test_a_folder_that_is_not_there_is_said_too(tmp_path, clock):
    with pytest.raises(FileSystemError, match="none/lines: No such file or directory"):
        Progress(tmp_path / "none/lines", own_bytes=1, total_bytes=1, monotonic=clock).begin("checkpoint write", 1, 1)
