"""The checkpoint engine under a real mpirun: bytes on disk, what is forced there, and every way in which it may fail."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.checkpointing.shards import shard_files
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape
from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.processes import carriers
from pytest_mlpstorage.launch.supervisor import run_job
from pytest_mlpstorage.results.checkpoint_metric import CheckpointMetric, checkpoints_of_rank
from pytest_mlpstorage.results.page_cache import PageCacheRecord
from pytest_mlpstorage.results.summary import EpochStats, Summary

pytestmark = pytest.mark.real

TINY = {
    "model": {
        "num_layers": 4,
        "transformer": {
            "hidden_size": 256,
            "ffn_hidden_size": 1024,
            "num_attention_heads": 8,
            "num_kv_heads": 2,
            "vocab_size": 4096,
        },
        "parallelism": {"tensor": 1, "pipeline": 1, "zero_stage": 3},
        "model_datatype": "fp16",
        "optimizer_datatype": "fp32",
    }
}
FILES = {
    f"zero_pp_rank_{rank}_mp_rank_0_{kind}_states.pt": size
    for rank in (0, 1)
    for kind, size in (("model", 5_900_544), ("optim", 35_418_624))
}
MEMORY_LIMIT = 256 * 1024**2


@pytest.fixture(scope="module")
def launcher():
    try:
        return find_launcher()
    except DependencyError as error:
        pytest.skip(str(error))


class Engine:
    """Runs jobs in one folder, as the supervisor does."""

    def __init__(self, launcher, folder):
        self.launcher = launcher
        self.folder = folder
        self.output = folder / "leaf"
        self.output.mkdir()
        self.checkpoints = folder / "checkpoints"

    def job(self, **changes):
        job = CheckpointJob(TINY, 2, None, str(self.checkpoints), 1, 0, output_dir=str(self.output))
        return dataclasses.replace(job, **changes)

    def program(self, job):
        job.write(self.folder / "job.json")
        return ("-m", "pytest_mlpstorage.checkpointing", str(self.folder / "job.json"))

    def run(self, job=None, *, ranks=2, program=None, **changes):
        """The outcome and what stands on stderr from our program."""
        program = program or self.program(job or self.job(**changes))
        beats = []
        outcome = run_job(
            self.launcher,
            Job(ranks, program),
            stdout=self.folder / "stdout.log",
            stderr=self.folder / "stderr.log",
            deadline_seconds=120.0,
            heartbeat=beats.append,
            heartbeat_seconds=0.2,
        )
        self.phases = {beat.progress["phase"] for beat in beats if beat.progress}
        assert carriers(outcome.run_id) == []
        text = (self.folder / "stderr.log").read_text()
        assert "Traceback" not in text
        return outcome, [line for line in text.splitlines() if line.startswith("mlpstorage:")]

    def read(self, name):
        return json.loads((self.output / name).read_text())

    def listing(self):
        return {folder.name: {file.name: file.stat().st_size for file in folder.iterdir()} for folder in self.checkpoints.iterdir()}


@pytest.fixture
def engine(launcher, tmp_path):
    return Engine(launcher, tmp_path)


@pytest.mark.parametrize("direct", [False, True], ids=["buffered", "direct"])
def test_a_job_leaves_the_files_of_the_formula_and_a_report_that_reads_back(engine, direct):
    outcome, errors = engine.run(writes=2, reads=2, direct=direct, rank_sync=direct, seconds_between=0.2, run_id="run-1")
    assert (outcome.returncode, errors) == (0, [])
    assert engine.listing() == {f"global_epoch1_step{step}": FILES for step in (1, 2)}
    assert {path.name for path in engine.output.iterdir()} == {
        "summary.json", "page_cache.json", "0_output.json", "1_output.json", "0_per_epoch_stats.json", "1_per_epoch_stats.json",
    }  # fmt: skip
    raw = engine.read("summary.json")
    summary = Summary.from_json(raw)
    metric = CheckpointMetric.of(summary)
    assert (summary.problems, summary.num_accelerators, summary.num_hosts, summary.hostname) == ((), 2, 1, os.uname().nodename)
    assert metric.size_gib == sum(FILES.values()) / 1024**3
    ours = raw["mlps"]
    assert ours["write"]["bytes"] == ours["read"]["bytes"] == 2 * sum(FILES.values())
    assert 20 * 1024**2 < ours["peak_rss_bytes"] <= MEMORY_LIMIT
    by_rank = [EpochStats.from_json(engine.read(f"{rank}_per_epoch_stats.json"), rank) for rank in (0, 1)]
    for phase, word in (("save", "write"), ("load", "read")):
        made = [checkpoints_of_rank(stats, phase) for stats in by_rank]
        # Both ways of counting: rank 0 by itself, and all ranks from the first start to the last end.
        assert metric.phase(phase).duration_seconds == pytest.approx(sum(c.span.duration_seconds for c in made[0]) / 2)
        spans = [(max(c.span.end for c in ranks) - min(c.span.start for c in ranks)).total_seconds() for ranks in zip(*made, strict=True)]
        assert ours[word]["bytes_per_second_span"] == pytest.approx(ours[word]["bytes"] / sum(spans), rel=1e-3)
        # The pause of 0.2 s stands before each checkpoint, and in none.
        starts = [c.span.start for c in made[0]]
        assert (starts[1] - made[0][0].span.end).total_seconds() >= 0.2


def test_what_is_read_comes_from_the_storage(engine):
    engine.run(writes=1, reads=1)
    record = PageCacheRecord.from_json(engine.read("page_cache.json"))
    assert (record.phase, record.drop, record.asked_bytes) == ("read", True, sum(FILES.values()))
    if not record.measured_hosts:
        pytest.skip(f"residency cannot be measured here: {record.hosts[0].method}")
    assert record.resident_bytes_before > 0.5 * record.bytes_sampled, "what was just written should lie in memory"
    assert record.resident_bytes_after < 0.01 * record.bytes_sampled
    assert record.rank_asked_bytes >= sum(FILES.values())
    assert record.rank_read_bytes >= 0.99 * sum(FILES.values())


def test_without_the_drop_the_read_is_recorded_as_warm(engine):
    engine.run(writes=1, reads=1, drop_caches=False)
    record = PageCacheRecord.from_json(engine.read("page_cache.json"))
    if not record.measured_hosts:
        pytest.skip(f"residency cannot be measured here: {record.hosts[0].method}")
    assert record.drop is False
    assert record.resident_bytes_after > 0.5 * record.bytes_sampled


def test_two_jobs_write_and_read_and_the_supervisor_sees_both_phases(engine):
    engine.run(writes=2, seconds_between=0.6)
    assert engine.phases == {"checkpoint write"}
    assert not (engine.output / "page_cache.json").exists()
    assert "read" not in engine.read("summary.json")["mlps"]
    outcome, errors = engine.run(writes=0, reads=2, seconds_between=0.6)
    assert (outcome.returncode, errors) == (0, [])
    assert engine.phases == {"checkpoint read"}
    assert "write" not in engine.read("summary.json")["mlps"]
    assert engine.read("summary.json")["mlps"]["read"]["bytes"] == 2 * sum(FILES.values())


def test_a_pipeline_writes_a_file_a_layer(engine):
    parameters = {"model": TINY["model"] | {"parallelism": {"tensor": 1, "pipeline": 2, "zero_stage": 1}}}
    outcome, errors = engine.run(parameters=parameters, writes=1, reads=1)
    assert (outcome.returncode, errors) == (0, [])
    expected = {f.name: f.bytes for of_rank in shard_files(CheckpointShape.from_parameters(parameters), 2) for f in of_rank}
    assert len(expected) == 9
    assert engine.listing() == {"global_epoch1_step1": expected}


def test_every_file_and_its_folders_are_forced_to_disk(engine, launcher):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed, so the calls of the ranks cannot be seen")
    trace = engine.folder / "trace"
    command = launcher.command(Job(2, engine.program(engine.job())))
    traced = ["strace", "-f", "-y", "-qq", "-e", "trace=fsync,pwrite64", "-e", "signal=none", "-o", str(trace), *command]
    done = subprocess.run(traced, capture_output=True, text=True, timeout=120)
    if done.returncode != 0 and "ptrace" in done.stderr:
        pytest.skip(f"processes cannot be traced here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"(fsync|pwrite64)\(\d+<([^>]*)>", trace.read_text())
    folder = engine.checkpoints / "global_epoch1_step1"
    of_file = {name: [call for call, path in calls if path == str(folder / name)] for name in FILES}
    assert all(made[-1] == "fsync" and made.count("fsync") == 1 and len(made) > 1 for made in of_file.values()), of_file
    assert calls.count(("fsync", str(folder))) == 2, "each rank forces the names of its files"
    assert ("fsync", str(engine.checkpoints)) in calls


@pytest.fixture
def small_disk(small_filesystem):
    """The first file of a rank fits, the second does not."""
    return small_filesystem(20)


def test_a_disk_that_fills_up_is_one_clear_line_and_the_next_start_works(engine, small_disk):
    (small_disk / "other").write_text("not ours")
    outcome, errors = engine.run(folder=str(small_disk / "checkpoints"))
    assert outcome.returncode == 4
    assert outcome.elapsed_seconds < 30
    assert 1 <= len(errors) <= 2, "one line a rank that failed"
    for line in errors:
        found = re.search(r"cannot write (\S+)/global_epoch1_step1/(\S+): wrote (\d+) of (\d+) bytes: No space left on device$", line)
        assert found, line
        assert found[1] == str(small_disk / "checkpoints")
        assert int(found[3]) < int(found[4]) == FILES[found[2]]
    assert list(engine.output.iterdir()) == []
    assert (small_disk / "other").read_text() == "not ours"
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    outcome, errors = engine.run(folder=str(small_disk / "checkpoints"), reads=1)
    assert (outcome.returncode, errors) == (0, [])
    assert {f.name: f.stat().st_size for f in (small_disk / "checkpoints/global_epoch1_step1").iterdir()} == FILES


@pytest.mark.parametrize("found", [0, 35_418_623, 35_418_625])
def test_a_file_of_another_size_ends_the_read_by_its_name_and_both_sizes(engine, found):
    engine.run()
    path = engine.checkpoints / "global_epoch1_step1/zero_pp_rank_1_mp_rank_0_optim_states.pt"
    os.truncate(path, found)
    (engine.output / "summary.json").unlink()
    outcome, errors = engine.run(writes=0, reads=1)
    assert (outcome.returncode, outcome.failed_rank) == (4, 1)
    assert errors == [
        f"mlpstorage: rank 1 on {os.uname().nodename} ends the job (exit 4): [MLPS-E435] {path} has {found} bytes, expected 35418624"
    ]
    assert not (engine.output / "summary.json").exists()


def test_a_checkpoint_that_is_not_there_ends_the_read_before_it_begins(engine):
    engine.run()
    outcome, errors = engine.run(writes=0, reads=2)
    assert outcome.returncode == 4
    assert "global_epoch1_step2/zero_pp_rank_" in errors[0]
    assert "No such file or directory, expected 5900544 bytes" in errors[0]
    assert engine.phases == set()


def test_another_number_of_ranks_is_refused(engine):
    outcome, errors = engine.run(processes=4)
    assert outcome.returncode == 4
    assert errors[0].endswith("the checkpoint job is for 4 ranks, but 2 were started")
    assert not engine.checkpoints.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [({"writes": 1, "reads": 2}, "cannot read more of them than it writes"), ({"folder": ""}, "folder of a checkpoint job")],
)
def test_a_job_that_cannot_be_is_refused_before_any_file(engine, change, words):
    program = engine.program(engine.job())
    path = Path(program[-1])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    outcome, errors = engine.run(program=program)
    assert outcome.returncode == 4
    assert words in errors[0]
    assert not engine.checkpoints.exists()


def test_a_report_folder_that_is_not_there_is_found_before_any_file(engine):
    outcome, errors = engine.run(output_dir=str(engine.folder / "none"))
    assert outcome.returncode == 4
    assert len(errors) == 1
    assert "the report cannot be written to" in errors[0]
    assert not engine.checkpoints.exists()


def test_a_folder_that_cannot_be_made_is_one_line(engine):
    engine.checkpoints.write_text("a file")
    outcome, errors = engine.run()
    assert outcome.returncode == 4
    assert f"cannot make {engine.checkpoints}" in errors[0]


@pytest.mark.fault
def test_a_rank_that_is_killed_ends_the_job(engine, launcher):
    program = engine.program(engine.job(writes=2, seconds_between=30.0))
    command = launcher.command(Job(2, program))
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ranks = []
    try:
        end = time.monotonic() + 30
        while len(ranks) < 2 and time.monotonic() < end:
            time.sleep(0.2)
            children = psutil.Process(job.pid).children(recursive=True)
            ranks = [child for child in children if "pytest_mlpstorage.checkpointing" in child.cmdline()]
        assert len(ranks) == 2
        time.sleep(2.0)  # both are in the pause before the first checkpoint
        ranks[1].kill()
        begun = time.monotonic()
        assert job.wait(timeout=20) != 0
        assert time.monotonic() - begun < 10
        assert not psutil.wait_procs(ranks, timeout=10)[1]
    finally:
        for process in (job, *ranks):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        job.wait()
    assert not (engine.output / "summary.json").exists()
