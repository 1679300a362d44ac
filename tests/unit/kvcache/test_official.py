"""A pass by the official program, by stand-ins of it: what is launched, read, known from outside, refused and left."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from official_stand_in import write_copy

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache import official_watch
from pytest_mlpstorage.kvcache.io_buffered import Residency
from pytest_mlpstorage.kvcache.official_copy import folder_digest
from pytest_mlpstorage.kvcache.official_facts import with_block
from pytest_mlpstorage.kvcache.official_job import OfficialJob
from pytest_mlpstorage.kvcache.rank_directory import RankDirectory
from pytest_mlpstorage.kvcache.run_summary import read_ranks

PARAMETERS = {
    "model": "llama3.1-8b",
    "num-users": "3",
    "duration": "2",
    "gpu-mem-gb": "0",
    "cpu-mem-gb": "0",
    "max-concurrent-allocs": "16",
    "generation-mode": "none",
}


class Pass:
    """One rank's pass in a folder of its own."""

    def __init__(self, folder, form="program", **changes):
        self.copy = write_copy(folder / "copy", form, delays=changes.get("delays", False))
        self.leaf, self.cache = folder / "leaf", folder / "cache"
        self.output = self.leaf / "option_1/trial_0"
        self.output.mkdir(parents=True)
        self.cache.mkdir()
        self.job = OfficialJob(
            option=1, trial=0, folder=str(self.copy), python=sys.executable, digest=folder_digest(self.copy), form=form,
            parameters=PARAMETERS, cache_dir=str(self.cache), output_dir=str(self.output), run_datetime="20260102_030405",
            duration_seconds=2.0, start_delay_seconds=0.0, end_delay_seconds=0.0, config=str(self.copy / "config.yaml"),
        )  # fmt: skip
        self.job = dataclasses.replace(self.job, **changes)
        self.file = folder / "job.json"

    def start(self, *words, rank=0, seconds="0.5", **environment):
        self.job.write(self.file)
        return subprocess.Popen(
            [sys.executable, "-m", "pytest_mlpstorage.kvcache.official", str(self.file)],
            env={**os.environ, "STAND_IN": " ".join(words), "STAND_IN_SECONDS": seconds, **self.launched(rank), **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def launched(self, rank):
        ranks = {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": str(self.job.processes), "OMPI_COMM_WORLD_LOCAL_SIZE": "1"}
        return ranks if self.job.processes > 1 else {}

    def run(self, *words, rank=0, **environment):
        process = self.start(*words, rank=rank, **environment)
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        return process.returncode, errors

    def content(self, rank=0):
        (file,) = (self.output / f"rank_{rank}").glob("kvcache_results_*.json")
        return json.loads(file.read_text())

    def evidence(self, rank=0):
        return json.loads((self.output / f"rank_{rank}/evidence.json").read_text())

    def notes(self, rank=0):
        return {note["check"]: (note["level"], note["message"]) for note in self.evidence(rank)["notes"]}


@pytest.fixture
def make(tmp_path):
    return lambda form="program", **changes: Pass(tmp_path, form, **changes)


def test_the_program_alone_gets_every_parameter_and_its_ranks_seed_and_folder(make):
    one = make(processes=2)
    assert one.run(rank=1) == (0, "")
    asked = one.content(1)["asked"]
    assert {flag: str(asked[flag.replace("-", "_")]).removesuffix(".0") for flag in PARAMETERS} == PARAMETERS
    assert (asked["seed"], asked["cache_dir"], asked["config"]) == (43, str(one.cache / "rank_1"), str(one.copy / "config.yaml"))
    assert list(one.cache.iterdir()) == []


@pytest.mark.parametrize("form", ["wrapper", "table"])
def test_the_file_of_a_rank_stands_where_readers_of_a_leaf_look_for_it_whatever_the_wrapper(form, make):
    one = make(form, processes=2)
    assert one.run(rank=1) == (0, "")
    (found,) = read_ranks(one.leaf, 1).items()
    assert found[0] == (0, 1)
    assert found[1].result.read_gib_per_second > 0
    assert one.content(1)["seed"] == 43
    assert sorted(path.name for path in (one.output / "rank_1").iterdir()) == ["evidence.json", "kvcache_results_20260102_030405.json"]
    assert sorted(path.name for path in one.output.iterdir()) == ["rank_1"]


def test_the_wrapper_keeps_the_delays_that_it_takes(make):
    one = make("wrapper", delays=True, start_delay_seconds=0.25, end_delay_seconds=0.5)
    assert one.job.arguments(0)[-4:] == ["--start-delay", "0.25", "--end-delay", "0.5"]
    assert one.run() == (0, "")
    assert one.content()["mlps"]["wall_s"] > 0.75


def test_what_is_known_from_outside_stands_in_one_key_and_the_rest_is_as_the_program_wrote_it(make):
    one = make(changed=("num_users",))
    assert one.run("late") == (0, "")
    text = next((one.output / "rank_0").glob("kvcache_results_*.json")).read_text()
    own, _, _ = text.rpartition(',\n  "mlps": ')
    content = one.content()
    block = content.pop("mlps")
    assert json.loads(own + "\n}") == content
    assert own.startswith('{\n  "requests_completed": ')
    assert (block["engine"], block["comparable"], block["comparable_reasons"]) == ("official", False, ["num_users"])
    assert block["late_requests_lower_bound"] == 1
    assert block["storage_read_bandwidth_window_gibps"] is None
    assert "no log" in block["null_reasons"]["storage_read_bandwidth_window_gibps"]
    assert block["client_cpu_seconds"] > 0
    assert block["peak_rss_mib"] > 10
    assert block["read_gib"] == block["write_gib"] > 0
    assert block["served_by_class"]["interactive"] > 0
    assert block["official"]["md5_tree_v2"] == folder_digest(one.copy)
    assert block["window_s"] == 2
    assert set(block["null_reasons"]) == {key for key, value in block.items() if value is None}


def test_reads_that_the_kernel_did_not_count_are_an_error_where_none_was_under_way(make):
    if not Path("/proc/self/io").exists():
        pytest.skip("this kernel does not count the bytes of a process")
    one = make()
    assert one.run("warm") == (0, "")
    if one.evidence()["target"]["storage"] == "memory" or one.evidence()["direct"]["kernel_read"] is None:
        pytest.skip("the folder of tests has no storage below it that is counted")
    level, message = one.notes()["kernel_bytes"]
    assert level == ("error" if one.evidence()["direct"]["read_ratio"] < 0.9 else "warning")
    assert "bytes read" in message


def test_a_read_that_was_under_way_may_explain_what_the_kernel_did_not_count(make):
    one = make(largest_entry_bytes=2**30)
    assert one.run("warm") == (0, "")
    assert all(level != "error" for level, _message in one.notes().values())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("fails", "kv-cache.py ended with exit code 1: No space left on the pretended device"),
        ("silent", "kv-cache.py left no file of results of rank 0"),
        ("idles", "rank 0 measured nothing: it completed no request"),
    ],
)
def test_a_program_that_fails_or_measures_nothing_ends_the_job_in_one_line_and_leaves_no_cache(word, message, make):
    one = make()
    code, errors = one.run(word)
    assert code == 4
    (line,) = [line for line in errors.splitlines() if "ends the job" in line]
    assert message in line
    assert list(one.cache.iterdir()) == []
    assert not (one.output / "rank_0/evidence.json").exists()


def test_a_program_that_removes_the_mark_of_its_folder_leaves_nothing_all_the_same(make):
    one = make()
    assert one.run("wipes") == (0, "")
    assert list(one.cache.iterdir()) == []


def test_a_program_that_makes_its_folder_anew_leaves_what_is_in_it_and_that_is_told(make):
    one = make()
    assert one.run("anew") == (0, "")
    assert list(one.cache.glob("rank_0/*.npy"))
    assert one.notes()["cache"] == ("warning", f"the official program made {one.cache}/rank_0 anew, so that what is in it is left there")


@pytest.mark.parametrize("words", [["hangs"], ["wipes", "hangs"]], ids=" ".join)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_pass_that_is_told_to_end_ends_the_program_and_removes_its_files(number, words, make):
    one = make("wrapper")
    process = one.start(*words)
    end = time.monotonic() + 30
    while not list(one.cache.glob("rank_0/*.npy")):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 4
    assert ("told to end by SIGINT" in errors) == (number == signal.SIGINT)
    assert list(one.cache.iterdir()) == []
    assert str(one.copy) not in subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("form", ["program", "wrapper"])
def test_what_the_program_leaves_running_is_ended_with_it(form, make):
    one = make(form)
    began = time.monotonic()
    assert one.run("leaves")[0] == 0
    assert time.monotonic() - began < 50
    assert str(one.cache) not in subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout


def test_the_mark_of_the_folder_is_none_of_the_program_s_files(make):
    residency = Residency()
    with RankDirectory(make().cache, 0) as directory:
        official_watch._sample(directory.path, residency)
        assert residency.sampled_bytes == 0


def test_another_copy_than_was_planned_with_is_refused(make):
    one = make()
    (one.copy / "more.py").write_text("")
    code, errors = one.run()
    assert code == 4
    assert "is not the one that was planned with" in errors


def test_a_folder_of_the_cache_that_is_not_ours_is_never_emptied(make):
    one = make()
    (one.cache / "rank_0").mkdir()
    (one.cache / "rank_0/mine.npy").write_text("mine")
    code, errors = one.run()
    assert code == 4
    assert "holds files, and no token of ours" in errors
    assert (one.cache / "rank_0/mine.npy").read_text() == "mine"


def test_another_seed_and_a_pass_that_was_too_short_are_told(make):
    one = make("wrapper", start_delay_seconds=30.0)
    assert one.run("reseeds") == (0, "")
    assert "worked with seed 49, where rank 0 has 42" in one.notes()["seed"][1]
    assert "where window and idle times take 32 s" in one.notes()["idle"][1]


def test_a_library_before_all_others_is_removed_and_told_or_declared_and_an_error_of_a_closed_run(make, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "shim.c").write_text("int fsync(int fd) { return 0; }\n")
    shim = str(tmp_path / "shim.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, str(tmp_path / "shim.c")], check=True)
    one = make(closed=True)
    assert one.run(LD_PRELOAD=shim) == (0, "")
    assert one.notes()["preload"] == ("info", f"LD_PRELOAD={shim} was not handed to the official program")
    shutil.rmtree(one.output / "rank_0")
    for closed, level in ((True, "error"), (False, "warning")):
        one.job = dataclasses.replace(one.job, preload=shim, closed=closed)
        assert one.run() == (0, "")
        assert one.notes()["interposers"] == (level, f"{shim} answers fsync in place of the C library")
        shutil.rmtree(one.output / "rank_0")


def test_the_file_of_another_rank_is_nobody_s_and_two_files_of_one_are_refused(make):
    one = make("table", processes=2)
    assert one.run(rank=0) == (0, "")
    assert one.run(rank=1) == (0, "")
    assert (one.content(0)["seed"], one.content(1)["seed"]) == (42, 43)
    code, errors = one.run(rank=1)
    assert code == 4
    assert "mlperf_wrapper.py left 2 files of results of rank 1" in errors


def test_a_key_is_added_at_the_end_of_an_object_and_nowhere_else():
    assert json.loads(with_block("{}", "mlps", {"a": 1})) == {"mlps": {"a": 1}}
    assert with_block('{"b": 1.50\n}\n', "mlps", {}) == '{"b": 1.50,\n  "mlps": {}\n}\n'


def test_a_job_is_written_and_read_and_refused_with_the_fields_that_are_wrong(make, tmp_path):
    job = make(changed=("seed",)).job
    job.write(tmp_path / "j.json")
    assert OfficialJob.load(tmp_path / "j.json") == job
    with pytest.raises(ConfigurationError, match="missing: option; unknown: speed"):
        OfficialJob.from_json({**{k: v for k, v in job.to_json().items() if k != "option"}, "speed": 1})
    with pytest.raises(ConfigurationError, match="not a list"):
        OfficialJob.from_json([])
    with pytest.raises(ConfigurationError, match="cannot be read"):
        OfficialJob.load(tmp_path / "none.json")
