"""One rank alone: what it leaves, what it refuses, and that nothing of it stays in the cache."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kv_jobs import SMALL, a_job, result

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, FileSystemError, MPIError
from pytest_mlpstorage.kvcache import rank
from pytest_mlpstorage.kvcache.aggregate import RankFigures
from pytest_mlpstorage.kvcache.events import REQUEST_EVENT_DTYPE, read_events
from pytest_mlpstorage.kvcache.leftovers import remove_leftovers
from pytest_mlpstorage.kvcache.progress import Progress
from pytest_mlpstorage.kvcache.rank import Rank
from pytest_mlpstorage.kvcache.rank_directory import TOKEN_NAME, RankDirectory
from pytest_mlpstorage.kvcache.rank_facts import comparable_reasons
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig
from pytest_mlpstorage.ranks.world import Alone, launched_ranks
from pytest_mlpstorage.results.kv_cache_records import RankName


def test_a_rank_leaves_its_file_its_logs_and_its_evidence_and_nothing_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLPS_PROGRESS", str(tmp_path / "progress"))
    job = a_job(tmp_path, run_id="run-1", max_concurrent_allocations=2)
    Rank(job, Alone()).run()
    assert not Path(job.cache_dir).exists()
    assert {path.name for path in job.rank_folder(0).iterdir()} == {
        job.rank_file(0).name,
        "evidence.json",
        "operations.log",
        "requests.log",
    }
    raw = result(job)
    figures = RankFigures.from_json(raw, RankName(1, 0, 0, "x"))
    assert figures.measured_nothing(has_memory=False) == ""
    block = raw["mlps"]
    assert (block["engine"], block["profile"], block["verify_errors"]) == ("native", "mlc-v3", 0)
    assert block["schedule_sha256"] == job.schedule(0).sha256
    assert block["storage_read_bandwidth_window_gibps"] > 0
    assert block["storage_write_bandwidth_window_gibps"] > 0
    assert raw["seed"] == 42
    requests = read_events(job.requests_log(0), REQUEST_EVENT_DTYPE)
    assert len(requests) >= raw["summary"]["total_requests"] > 0
    evidence = json.loads(job.evidence_file(0).read_text())
    assert evidence["run_id"] == "run-1"
    assert evidence["window_overlap"] == 1
    # When the window began, by the wall clock of this host.
    assert -60 < evidence["starts_ns"][0] / 1e9 + evidence["clock_epoch_ns"] / 1e9 - time.time() < 0
    assert evidence["capacity_bytes"] > 0
    assert evidence["target"]["filesystem"] == block["filesystem"]
    phases = {json.loads(line)["phase"] for line in (tmp_path / "progress").read_text().splitlines()}
    assert {"option 1 trial 0 run", "option 1 trial 0 clean-up"} <= phases


def test_the_bytes_that_the_kernel_counted_are_those_asked(tmp_path):
    job = a_job(tmp_path)
    Rank(job, Alone()).run()
    direct = json.loads(job.evidence_file(0).read_text())["direct"]
    if direct["direct"] == "unproved":
        pytest.skip(f"no counter for this filesystem: {direct['reason']}")
    assert direct["direct"] == "proved"
    assert direct["read_ratio"] == pytest.approx(1, abs=0.02)
    assert direct["write_ratio"] == pytest.approx(1, abs=0.02)


def test_through_the_page_cache_reads_are_measured_to_be_cold(tmp_path):
    job = a_job(tmp_path, io_path="buffered")
    Rank(job, Alone()).run()
    block = result(job)["mlps"]
    assert (block["backend"], block["resident_fraction_before_read"] < 0.05) == ("buffered", True)
    assert block["comparable_reasons"] == ["workload_config"]


def test_a_memory_tier_takes_entries_that_storage_then_does_not_see(tmp_path):
    job = a_job(tmp_path, cpu_memory_bytes=64 * 1024**2, gpu_memory_bytes=16 * 1024**2)
    Rank(job, Alone()).run()
    stats = result(job)["summary"]["cache_stats"]
    assert stats["tier_gpu_kv_bytes_written_gb"] > 0
    assert stats["cpu_entries"] > 0


def test_documents_are_retrieved_and_decode_alone_has_entries_before(tmp_path):
    job = a_job(tmp_path, rag=True, workload=dataclasses.replace(SMALL, rag=dataclasses.replace(SMALL.rag, request_probability=1.0)))
    Rank(job, Alone()).run()
    assert result(job)["mlps"]["comparable_reasons"] == ["direct path", "rag", "workload_config"]
    (tmp_path / "decode").mkdir()
    quick = dataclasses.replace(SMALL, templates=tuple(dataclasses.replace(each, generate_tokens=(1, 9)) for each in SMALL.templates))
    decode = a_job(tmp_path / "decode", mode="decode", users=1, duration_seconds=2.0, workload=quick)
    Rank(decode, Alone()).run()
    assert result(decode)["mlps"]["storage_write_bandwidth_window_gibps"] is None


def test_a_rank_that_measured_nothing_leaves_no_file_and_says_why(tmp_path):
    job = a_job(tmp_path, users=1, duration_seconds=0.05)
    with pytest.raises(BenchmarkExecutionError, match="measured nothing: it completed no request"):
        Rank(job, Alone()).run()
    assert not job.rank_file(0).exists()
    assert not Path(job.cache_dir).exists()


def test_a_capacity_that_is_given_holds_and_what_is_free_is_shared(tmp_path):
    class Three(Alone):
        def all(self, value):
            (host, device), free = value
            return [value, ((host, "other"), free), ((host, device), free // 2)]

    probe = rank.probe_target(tmp_path)
    one = Rank(a_job(tmp_path, capacity_bytes=123), Alone())
    assert one._capacity(probe) == 123
    for shared, ranks in ((False, 2), (True, 3)):
        among = Rank(a_job(tmp_path, shared_cache=shared), Alone())
        among._world = Three()
        assert among._capacity(probe) == pytest.approx(probe.mount.free_bytes // 2 * 0.95 / ranks, rel=1e-6)


def test_a_full_filesystem_is_told_before_anything_is_timed(tmp_path):
    probe = rank.probe_target(tmp_path)
    full = dataclasses.replace(probe, mount=dataclasses.replace(probe.mount, free_bytes=0))
    with pytest.raises(ConfigurationError, match="nothing is free"):
        Rank(a_job(tmp_path), Alone())._capacity(full)


def test_a_folder_for_results_that_is_not_there_is_told_before_the_cache_is_touched(tmp_path):
    job = a_job(tmp_path, output_dir=str(tmp_path / "elsewhere"))
    with pytest.raises(FileSystemError, match="cannot be written"):
        Rank(job, Alone()).run()
    assert not Path(job.cache_dir).exists()


def test_results_of_an_earlier_start_are_not_written_over(tmp_path):
    job = a_job(tmp_path)
    job.rank_folder(0).mkdir()
    with pytest.raises(FileSystemError, match="cannot make"):
        Rank(job, Alone()).run()


def test_as_many_ranks_as_the_job_is_for(tmp_path):
    with pytest.raises(MPIError, match="for 2 ranks, but 1"):
        Rank(a_job(tmp_path, processes=2), Alone())


def test_a_foreign_folder_is_never_emptied(tmp_path):
    job = a_job(tmp_path)
    foreign = Path(job.cache_dir) / "rank_0"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("mine")
    with pytest.raises(FileSystemError, match="not emptied"):
        Rank(job, Alone()).run()
    assert (foreign / "thesis.txt").read_text() == "mine"


CHANGES = [
    ({}, True, ["direct path"]),
    ({}, False, []),
    ({"durability": "none", "mode": "prefill", "multi_turn": False}, False, ["io.durability", "mode", "multi_turn"]),
    ({"compressible_fraction": 0.5, "rag": True}, False, ["io.compressible_fraction", "rag"]),
    ({"workload": dataclasses.replace(WorkloadConfig(), honoured=("x",))}, False, []),
    ({"workload": dataclasses.replace(WorkloadConfig(), decode_batch=64)}, False, ["workload_config"]),
]


@pytest.mark.parametrize(("changes", "direct", "reasons"), CHANGES, ids=["direct", "buffered", "work", "data", "named", "file"])
def test_why_figures_do_not_compare_is_named(tmp_path, changes, direct, reasons):
    job = a_job(tmp_path, **{"workload": WorkloadConfig(), **changes})
    assert comparable_reasons(job, direct=direct) == reasons


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [({}, None), ({"OMPI_COMM_WORLD_SIZE": "3"}, 3), ({"PMI_SIZE": "2"}, 2), ({"PMI_SIZE": "two"}, None)],
    ids=["none", "Open MPI", "MPICH", "nonsense"],
)
def test_who_started_this_process_is_asked_of_the_environment(environment, ranks):
    assert launched_ranks(environment) == ranks


def test_folders_of_ranks_that_were_killed_are_removed_and_no_others(tmp_path):
    cache = tmp_path / "cache"
    for number in range(2):
        folder = RankDirectory(cache, number)
        folder.prepare()
        (folder.path / "kv_0.npy").write_text("data")
        folder._release()
    (cache / "rank_2").mkdir()
    with RankDirectory(cache, 3):
        left = remove_leftovers(cache, 5)
    assert [path.name for path in cache.iterdir()] == ["rank_2"]
    assert (len(left), "rank_3 is in use" in left[0]) == (1, True)
    assert TOKEN_NAME not in {path.name for path in cache.rglob("*")}


def test_waits_are_counted_down(tmp_path):
    slept = []
    Progress(tmp_path / "lines", "p", 2).wait("delay", 0.3, lambda seconds: (slept.append(seconds), time.sleep(seconds)))
    Progress(None, "p", 2).wait("delay", 0.01)
    first = json.loads((tmp_path / "lines").read_text().splitlines()[0])
    assert (first["phase"], first["wait_seconds"], slept[0] <= 0.3) == ("p delay", 0.3, True)


def test_the_program_says_in_one_line_why_it_ends(tmp_path):
    (tmp_path / "job.json").write_text("{}")
    for arguments, code, words in (([], 2, "usage"), ([str(tmp_path / "job.json")], 4, "missing: cache_dir")):
        ended = subprocess.run(
            [sys.executable, "-m", "pytest_mlpstorage.kvcache", *arguments], capture_output=True, text=True, timeout=60, check=False,
            env={key: value for key, value in os.environ.items() if "COV" not in key},
        )  # fmt: skip
        assert (ended.returncode, ended.stdout) == (code, "")
        assert words in ended.stderr
        assert ended.stderr.count("\n") == 1


def test_what_nobody_expected_ends_with_its_trace_once_and_a_code_of_its_own(tmp_path):
    a_job(tmp_path).write(tmp_path / "job.json")
    text = (
        "from pytest_mlpstorage.kvcache import program, rank\n"
        "def fail(self): raise RuntimeError('boom')\n"
        f"rank.Rank.run = fail; program.main([{str(tmp_path / 'job.json')!r}])"
    )
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.count("Traceback")) == (3, 1)
    assert "rank 0 on" in ended.stderr.splitlines()[-1]
    assert "RuntimeError: boom" in ended.stderr.splitlines()[-1]
