"""The job file of a pass: what may stand in it, and that what is written reads back."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.population import TEMPLATES, scaled_contexts
from pytest_mlpstorage.kvcache.workload_options import WorkloadConfig

PLAIN = KVCacheJob(1, 0, "llama3.1-8b", 200, "/cache", "/leaf/option_1/trial_0", "20261126_010203")


def test_a_job_reads_back_as_it_was_written(tmp_path):
    workload = WorkloadConfig(templates=scaled_contexts(TEMPLATES, 16))
    job = dataclasses.replace(PLAIN, workload=workload, capacity_bytes=10**9, processes=3, rag=True)
    job.write(tmp_path / "job.json")
    assert KVCacheJob.load(tmp_path / "job.json") == job
    assert KVCacheJob.load(tmp_path / "job.json").schedule(2).sha256 == job.schedule(2).sha256


def test_a_job_needs_no_more_than_its_first_fields():
    raw = {field.name: PLAIN.to_json()[field.name] for field in dataclasses.fields(PLAIN)[:7]}
    assert KVCacheJob.from_json(raw) == PLAIN


def test_the_defaults_are_the_sanctioned_pass():
    assert (PLAIN.seed, PLAIN.duration_seconds, PLAIN.start_delay_seconds, PLAIN.end_delay_seconds) == (42, 300, 90, 90)
    assert (PLAIN.generation_mode, PLAIN.io_path, PLAIN.durability, PLAIN.verify) == ("none", "direct", "fsync", "stamps")
    assert (PLAIN.workers, PLAIN.longest_drain_seconds, PLAIN.longest_seconds) == (200, 402, 882)
    assert PLAIN.offered_requests_per_second(0) == pytest.approx(483, abs=1)


def test_no_more_than_500_requests_are_in_service():
    assert dataclasses.replace(PLAIN, users=501).workers == 500


def test_each_rank_has_work_of_its_own_by_its_seed():
    short = dataclasses.replace(PLAIN, users=3, duration_seconds=2)
    assert short.schedule(1).sha256 == dataclasses.replace(short, seed=43).schedule(0).sha256 != short.schedule(0).sha256


def test_a_rank_has_the_same_work_among_one_as_among_four():
    short = dataclasses.replace(PLAIN, users=3, duration_seconds=2)
    four = dataclasses.replace(short, processes=4, trial=2)
    assert four.schedule(0).sha256 == short.schedule(0).sha256
    assert len({four.schedule(rank).sha256 for rank in range(4)}) == 4


def test_the_seconds_of_a_token_are_those_of_its_mode():
    assert [dataclasses.replace(PLAIN, generation_mode=mode).seconds_per_token for mode in ("none", "fast", "realistic")] == [
        0,
        0.002,
        0.03,
    ]


def test_a_pass_number_wraps_as_its_stamp_does():
    assert [dataclasses.replace(PLAIN, pass_no=number).stamp_pass for number in (0, 255, 256)] == [0, 255, 0]


def test_the_files_of_a_rank_stand_in_its_folder():
    assert str(PLAIN.rank_file(3)) == "/leaf/option_1/trial_0/rank_3/kvcache_results_20261126_010203.json"


WRONG = {
    "option": [-1, 1.5, True], "trial": [-1], "users": [0, 100_001], "processes": [0], "seed": [-1, "42"],
    "duration_seconds": [0, -1, 86_401, float("nan"), True], "start_delay_seconds": [-1, float("inf")], "end_delay_seconds": [-1, "1"],
    "gpu_memory_bytes": [-1], "cpu_memory_bytes": [1.5], "max_concurrent_allocations": [-1], "chunk_bytes": [-1, 4095, 128 * 1024**2],
    "capacity_bytes": [0, -1, True], "compressible_fraction": [-0.1, 1.1], "shared_cache": [1], "multi_turn": [None], "rag": ["no"],
    "rag_documents": [0], "model": ["", "gpt", 1], "cache_dir": ["", None], "output_dir": [""], "run_datetime": [""], "run_id": [None],
    "generation_mode": ["slow"], "io_path": ["mmap", None], "verify": ["none"], "durability": ["sync"], "mode": ["all"],
    "pass_no": [-1], "workload": [{}],
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_value_that_cannot_be_is_named(field, value):
    with pytest.raises(ConfigurationError, match="unknown KV cache model" if value == "gpt" else field):
        dataclasses.replace(PLAIN, **{field: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw.pop("users"), "missing: users"),
        (lambda raw: raw.update(user=3), "unknown: user"),
        (lambda raw: raw.update(workload=[]), "workload"),
        (lambda raw: raw["workload"].pop("rag"), "workload of"),
    ],
    ids=["missing", "unknown", "no workload", "part of a workload"],
)
def test_a_file_that_is_no_job_is_refused(change, words):
    raw = json.loads(json.dumps(PLAIN.to_json()))
    change(raw)
    with pytest.raises(ConfigurationError, match=words):
        KVCacheJob.from_json(raw)


@pytest.mark.parametrize("text", ["", "[]", "{", None])
def test_what_cannot_be_read_is_told_as_such(tmp_path, text):
    if text is not None:
        (tmp_path / "job.json").write_text(text)
    with pytest.raises(ConfigurationError, match="KV cache job"):
        KVCacheJob.load(tmp_path / "job.json")
