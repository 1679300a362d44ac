"""I/O counters, progress, and what a failing rank says."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.dlio import io_counters
from pytest_mlpstorage.dlio.diagnose import diagnose
from pytest_mlpstorage.dlio.failure import dead_workers, describe, write_failure
from pytest_mlpstorage.dlio.observe import watch_training
from pytest_mlpstorage.dlio.progress import Progress
from pytest_mlpstorage.errors import ConfigurationError

MIB = 1024**2


def read_file(path, times):
    for _ in range(times):
        with open(path, "rb") as source:  # noqa: PTH123
            while source.read(MIB):
                pass


@pytest.mark.parametrize("reaped", [True, False])
def test_bytes_of_the_rank_and_of_its_workers_are_told_apart(tmp_path, monkeypatch, reaped):
    monkeypatch.delenv(io_counters.ENVIRONMENT, raising=False)
    path = tmp_path / "data"
    path.write_bytes(b"x" * 4 * MIB)
    io_counters.watch_workers()
    counters = io_counters.RankCounters(tmp_path / "workers.jsonl")
    fork = multiprocessing.get_context("fork")
    go_on = fork.Event()
    done = fork.Event()

    def work():
        read_file(path, 2)
        done.set()
        go_on.wait(20)

    worker = fork.Process(target=work)
    worker.start()
    assert done.wait(20)
    if reaped:
        go_on.set()
        worker.join(20)
    read_file(path, 1)
    counters.mark(1)
    read_file(path, 3)
    counters.mark(2)
    found = counters.record()
    go_on.set()
    worker.join(20)
    assert [w["rchar"] // MIB for w in found["workers"]] == [8]
    assert found["workers"][0]["alive"] is not reaped
    assert 16 * MIB <= found["rank"]["rchar"] < 17 * MIB
    assert found["epochs"]["1"]["rchar"] // MIB == 12
    assert found["epochs"]["2"]["rchar"] // MIB == 12
    assert found["total"]["rchar"] // MIB == 24


def test_progress_is_written_at_most_once_a_second_but_always_at_the_end(tmp_path):
    path = tmp_path / "p"
    progress = Progress(path)
    for i in range(1, 101):
        progress.datagen(i, 100, i * MIB)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 100]
    assert lines[-1]["phase"] == "datagen"
    assert lines[-1]["mib_per_second"] > 0
    Progress(None).datagen(1, 1)


class Counter:
    """As DLIO's StatsCounter is called by it."""

    def __init__(self):
        self.args = SimpleNamespace(epochs=2, record_length=MIB, batch_size=7)
        self.steps = 3
        self.train_au = []

    def start_train(self, epoch):
        return f"start {epoch}"

    def batch_processed(self, epoch, step, block, t0, computation_time):
        return step

    def end_train(self, epoch, steps):
        self.train_au.append(93.123)


def test_watching_a_run_changes_neither_arguments_nor_results(tmp_path):
    class Watched(Counter):
        pass

    marks = []
    session = SimpleNamespace(rank=0, size=2, progress=Progress(tmp_path / "p"), counters=SimpleNamespace(mark=marks.append), cold=None)
    watch_training(session, Watched)
    counter = Watched()
    assert counter.start_train(1) == "start 1"
    assert counter.batch_processed(1, 1, 1, t0=0.0, computation_time=0.1) == 1
    counter.end_train(1, 3)
    lines = [json.loads(line) for line in (tmp_path / "p").read_text().splitlines()]
    assert lines[-1] | {"mib_per_second": 0} == {
        "phase": "train", "epoch": 1, "epochs": 2, "step": 3, "steps": 3, "au": 93.12, "mib_per_second": 0,
    }  # fmt: skip
    assert lines[-1]["mib_per_second"] > 0
    assert marks == [1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), 3),
        (ConfigurationError("x"), 4),
        (SystemExit(7), 7),
        (SystemExit(-1), 255),
        (SystemExit("text"), 1),
        (SystemExit(256), 1),
        (KeyboardInterrupt(), 3),
    ],
)
def test_every_failure_has_an_exit_code_that_is_not_zero(error, code):
    assert describe(1, error).code == code


def test_the_cause_is_the_last_line_and_is_left_as_a_record(tmp_path, capsys):
    write_failure(describe(1, ValueError("the cause")), tmp_path / "evidence")
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("mlpstorage: rank 1 on ")
    assert said.splitlines()[-1].endswith("(exit 3): ValueError: the cause")
    record = json.loads((tmp_path / "evidence" / "1_error.json").read_text())
    assert (record["rank"], record["type"], record["exit_code"]) == (1, "ValueError", 3)


def test_evidence_that_cannot_be_written_does_not_hide_the_cause(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    write_failure(describe(0, ValueError("the cause")), tmp_path / "file")
    said = capsys.readouterr().err
    assert "the cause" in said
    assert "cannot be written" in said


def test_a_worker_that_a_signal_ended_is_named_with_the_signal():
    fork = multiprocessing.get_context("fork")
    worker = fork.Process(target=signal.pause)
    worker.start()
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(20)
    assert (worker.pid, "SIGKILL") in dead_workers()
    failure = describe(0, RuntimeError("exited unexpectedly"), [(worker.pid, "SIGKILL")])
    assert f"read worker {worker.pid} was ended by SIGKILL (RuntimeError: exited unexpectedly)" in failure.text()


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("mlpstorage: rank 1 on h ends the job (exit 4): [MLPS-E100] no step", "rank 1 on h: [MLPS-E100] no step"),
        ("RuntimeError: DataLoader worker (pid 77) is killed by signal: Killed. ", "a read worker (pid 77) was killed by Killed"),
        ("RuntimeError: DataLoader worker (pid(s) 77, 78) exited unexpectedly", "a read worker (pid 77, 78) ended unexpectedly"),
        ("Exception: Not enough training dataset is found; Please run", "the training data set has fewer files than asked for"),
        ("OSError: [Errno 28] No space left on device: 'x'", "No space left on device: 'x'"),
        ("nothing of the kind", None),
    ],
)
def test_the_cause_is_found_in_the_last_lines_of_stderr(line, cause):
    assert diagnose(["before", line, "after"]) == cause
