"""Each way in which DLIO fails, through our items: one clear failure, bounded, evidence kept, nothing left running."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from small_suite import CONFIG, children, finish, words

pytestmark = [pytest.mark.real, pytest.mark.fault]

# An epoch of the small suite lasts 0.1 s: what is killed then may have done its work already, and the run passes. Of these, one
# lasts 6 s, and whatever a test kills once the ranks are training is killed in the middle of one.
SLOW = ("--mlps-set", "train.epochs=40", "--mlps-set", "train.computation_time=3s")


def fails_with(ended, *texts):
    assert ended.code == 1, ended.text
    assert [text for text in texts if text not in ended.text] == [], ended.text
    assert "Traceback (most recent call last)" not in ended.text.split("last lines of stderr")[0]


def is_kept_as_evidence(suite, *texts):
    assert suite.leaves() == []
    (reason,) = suite.evidence()
    assert [text for text in texts if text not in str(reason)] == [], reason


def test_a_killed_rank_is_named_with_its_signal(ready):
    process = ready.start("-k", "test_run", *SLOW)
    ready.wait_for(ready.training)
    begun = time.monotonic()
    os.kill(ready.ranks()[1], signal.SIGKILL)
    ended = finish(process)
    assert time.monotonic() - begun < 30
    fails_with(ended, "rank 1", "SIGKILL", "last lines of stderr", ".mlps/failed/")
    is_kept_as_evidence(ready, "SIGKILL")


def test_a_killed_read_worker_is_named(ready):
    process = ready.start("-k", "test_run", *SLOW)
    ready.wait_for(ready.training)
    begun = time.monotonic()
    worker = next(pid for rank in ready.ranks().values() for pid in children(rank))
    os.kill(worker, signal.SIGKILL)
    ended = finish(process)
    assert time.monotonic() - begun < 30
    fails_with(ended, "read worker", str(worker), "SIGKILL", "last lines of stderr")
    is_kept_as_evidence(ready, "read worker")


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=["TERM", "INT", "KILL"])
def test_a_signal_to_mpirun_ends_the_run_with_a_cause(ready, number):
    process = ready.start("-k", "test_run", *SLOW)
    ready.wait_for(ready.training)
    mpirun = next(pid for pid in ready.processes() if Path(words(pid)[0]).name in ("mpirun", "prterun", "orterun"))
    os.kill(mpirun, number)
    ended = finish(process)
    fails_with(ended, "last lines of stderr") if number != signal.SIGKILL else fails_with(ended, "SIGKILL")
    is_kept_as_evidence(ready)


def test_missing_data_is_refused_before_anything_is_launched(suite):
    ended = suite.run("-k", "test_run")
    fails_with(ended, "no complete data set", "test_datagen and unet3d-b200")
    assert suite.evidence() == []


def test_fewer_files_than_the_manifest_says_are_refused_before_anything_is_launched(ready):
    for path in sorted(ready.train.iterdir())[:3]:
        path.unlink()
    ended = ready.run("-k", "test_run")
    fails_with(ended, "25 files of", "28 of", "were generated")
    # Under CI pytest repeats the message in its short summary.
    assert ended.text.split("short test summary")[0].count("[MLPS-E431]") == 1
    assert ready.evidence() == []


@pytest.mark.full
def test_a_file_that_was_cut_is_refused_before_anything_is_launched(ready):
    path = min(ready.train.iterdir())
    path.write_bytes(path.read_bytes()[:100])
    fails_with(ready.run("-k", "test_run"), "28 files of", "were generated")
    assert ready.evidence() == []


@pytest.mark.full
def test_a_file_too_many_is_refused_because_dlio_would_read_it(ready):
    first = min(ready.train.iterdir())
    first.with_name("img_00_of_28_copy.npz").write_bytes(first.read_bytes())
    fails_with(ready.run("-k", "test_run"), "29 files of", "28 of")


@pytest.mark.full
def test_files_that_do_not_divide_among_the_ranks(suite):
    ended = suite.run("--mlps-set", "dataset.num_files_train=27")
    fails_with(ended, "multiple of the 2 accelerators", "26 or 28")


@pytest.mark.full
def test_too_few_files_for_one_batch(suite):
    ended = suite.run("--mlps-set", "dataset.num_files_train=12")
    fails_with(ended, "too few")


@pytest.mark.full
def test_a_damaged_file_ends_the_run(ready):
    for path in ready.train.iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    ended = ready.run("-k", "test_run")
    fails_with(ended, "last lines of stderr")
    is_kept_as_evidence(ready)


@pytest.mark.full
def test_a_reader_class_that_does_not_exist(ready):
    ended = ready.run("-k", "test_run", "--mlps-set", "reader.reader_classname=nowhere.Reader")
    fails_with(ended, "nowhere")
    is_kept_as_evidence(ready)


@pytest.mark.full
def test_a_class_of_the_wrong_kind_is_not_ignored(ready):
    ended = ready.run("-k", "test_run", "--mlps-set", "reader.reader_classname=json.JSONDecoder")
    fails_with(ended, "reader.reader_classname", "JSONDecoder")
    is_kept_as_evidence(ready)


@pytest.mark.full
@pytest.mark.parametrize("folders", ["1", "2"])
def test_a_wrong_number_of_subfolders(ready, folders):
    ended = ready.run("-k", "test_run or test_preflight", "--mlps-set", f"dataset.num_subfolders_train={folders}")
    fails_with(ended, "num_subfolders_train")


@pytest.mark.full
def test_a_format_that_needs_tensorflow_is_refused_by_name(suite):
    entry = "  workloads:\n    - {model: resnet50, accelerator: h100, accelerators: 2}\n"
    (suite.folder / "suite.yaml").write_text(CONFIG.split("  workloads:")[0] + entry)
    ended = suite.run()
    fails_with(ended, "resnet50-h100 cannot run here", "tensorflow")


@pytest.mark.full
def test_the_deadline_ends_a_run(ready):
    ended = ready.run("-k", "test_run", "--mlps-set", "launch.deadline=6s", "--mlps-set", "train.epochs=100")
    fails_with(ended, "deadline")
    assert ended.seconds < 40
    is_kept_as_evidence(ready, "deadline")


@pytest.mark.full
@pytest.mark.parametrize("where", ["datagen", "run"])
def test_ctrl_c_ends_with_2_and_the_next_start_goes_on(suite, ready, where):
    if where == "datagen":
        ready.train.parent.rename(ready.folder / "away")
        large = ("--mlps-set", "dataset.record_length_bytes=2097152", "--mlps-set", "dataset.num_files_train=560")
        process = ready.start(*large)
        ready.wait_for(lambda: ready.train.is_dir() and len(list(ready.train.iterdir())) > 3)
    else:
        process = ready.start("-k", "test_run", *SLOW)
        ready.wait_for(ready.training)
    os.kill(process.pid, signal.SIGINT)
    ended = finish(process)
    assert ended.code == 2, ended.text
    ready.wait_for(lambda: ready.processes() == [], 15)
    assert "interrupted" in str(suite.evidence())
    if where == "datagen":
        # Data that are half-made are not run on …
        refused = ready.run("-k", "test_run", *large)
        fails_with(refused, "was begun at", "not finished")
        # … and are generated anew, which is said.
        again = ready.run("-s", *large)
        assert "generating it anew" in again.text
    else:
        again = ready.run("-k", "test_run")
    assert again.code == 0, again.text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["KILL", "TERM"])
def test_a_killed_pytest_leaves_no_process_and_a_tree_that_starts_again(ready, number):
    process = ready.start("-k", "test_run", *SLOW)
    ready.wait_for(ready.training)
    os.kill(process.pid, number)
    process.wait(10)
    ready.wait_for(lambda: ready.processes() == [], 15)
    again = ready.run("-k", "test_run")
    assert again.code == 0, again.text
    assert "ended without finishing" in again.text
    assert len(ready.leaves()) == 1


@pytest.mark.full
def test_a_killed_xdist_worker_leaves_no_process(ready):
    process = ready.start("-n1", "-k", "test_run", *SLOW, "--max-worker-restart=0")
    ready.wait_for(ready.training)
    (worker,) = children(process.pid)  # not by its command line: with setproctitle installed it is another
    os.kill(worker, signal.SIGKILL)
    finish(process)
    ready.wait_for(lambda: ready.processes() == [], 15)


@pytest.mark.full
def test_a_second_start_at_the_same_time_is_refused_by_name(ready):
    process = ready.start("-k", "test_run", "--mlps-set", "train.epochs=10", "--mlps-set", "train.computation_time=500ms")
    ready.wait_for(ready.training)
    second = ready.run("-k", "test_run")
    assert second.code == 4
    assert str(process.pid) in second.text
    assert finish(process).code == 0


@pytest.mark.full
def test_a_second_start_on_a_finished_tree_finds_all_and_writes_nothing(suite):
    first = suite.run()
    assert first.code == 0, first.text
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in suite.folder.rglob("*") if "lock" not in p.name}
    second = suite.run("-rA")
    assert second.code == 0
    assert second.text.count("found, not repeated: whatif/") == 3, "each item says what it found"
    assert "unet3d-b200: found, not repeated: datasize, datagen, 1" in second.text
    after = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in suite.folder.rglob("*") if "lock" not in p.name}
    assert {p: (before.get(p), after[p]) for p in after if before.get(p) != after[p] and p.is_file()} == {}
