"""The job file of the checkpoint engine: written and read back, and refused where it cannot be."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.errors import ConfigurationError

JOB = CheckpointJob({"model": {"num_layers": 4}}, 2, None, "/data/checkpoints", writes=10, reads=10)


def test_a_job_comes_back_from_its_file(tmp_path):
    job = dataclasses.replace(
        JOB,
        data_parallel=8,
        fsync=False,
        direct=True,
        drop_caches=False,
        rank_sync=True,
        seconds_between=5.0,
        chunk_bytes=4096,
        output_dir="/results/leaf",
        run_id="abc",
        page_cache_budget_seconds=0.5,
    )
    job.write(tmp_path / "job.json")
    assert CheckpointJob.load(tmp_path / "job.json") == job
    assert set(json.loads((tmp_path / "job.json").read_text())) == {field.name for field in dataclasses.fields(CheckpointJob)}


def test_what_is_not_said_is_as_in_the_rule_book():
    assert (JOB.fsync, JOB.direct, JOB.drop_caches, JOB.rank_sync, JOB.seconds_between, JOB.chunk_bytes) == (
        True, False, True, False, 0.0, 32 * 1024**2,
    )  # fmt: skip
    assert (
        CheckpointJob.from_json(
            {"parameters": JOB.parameters, "processes": 2, "data_parallel": None, "folder": JOB.folder, "writes": 10, "reads": 10}
        )
        == JOB
    )


def test_a_checkpoint_stands_in_the_folder_that_dlio_names():
    assert str(JOB.step_folder(1)) == "/data/checkpoints/global_epoch1_step1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reads": 11}, "cannot read more of them than it writes"),
        ({"writes": 0, "reads": 0}, "nothing to do"),
        ({"writes": -1}, "writes of a checkpoint job"),
        ({"reads": True}, "reads of a checkpoint job"),
        ({"processes": 0}, "processes of a checkpoint job must be a whole number of at least 1, given 0"),
        ({"processes": "8"}, "given '8'"),
        ({"data_parallel": 0}, "data_parallel"),
        ({"folder": ""}, "folder"),
        ({"folder": 7}, "folder"),
        ({"fsync": "yes"}, "fsync of a checkpoint job must be true or false"),
        ({"seconds_between": -0.1}, "seconds_between"),
        ({"seconds_between": math.nan}, "seconds_between"),
        ({"seconds_between": math.inf}, "seconds_between"),
        ({"page_cache_budget_seconds": True}, "page_cache_budget_seconds"),
        ({"chunk_bytes": 4095}, "chunk_bytes"),
        ({"chunk_bytes": 6144}, "a multiple of 4096"),
        ({"chunk_bytes": 64 * 1024**2 + 4096}, "of at most 67108864"),
        ({"parameters": [1]}, "parameters"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(changes, words):
    with pytest.raises(ConfigurationError, match=words):
        dataclasses.replace(JOB, **changes)
    with pytest.raises(ConfigurationError, match=words):
        CheckpointJob.from_json(JOB.to_json() | changes)


@pytest.mark.parametrize(
    "changes", [{"writes": 0, "reads": 10}, {"reads": 0}, {"reads": 9}, {"chunk_bytes": 64 * 1024**2}, {"chunk_bytes": 4096}]
)
def test_reading_alone_writing_alone_and_limits_are_allowed(changes):
    assert CheckpointJob.from_json(JOB.to_json() | changes) == dataclasses.replace(JOB, **changes)


def test_a_field_that_is_missing_or_unknown_is_named():
    raw = JOB.to_json() | {"colour": "red"}
    del raw["writes"]
    with pytest.raises(ConfigurationError, match="missing: writes; unknown: colour"):
        CheckpointJob.from_json(raw)


@pytest.mark.parametrize("raw", [None, [], "job", 7])
def test_a_job_is_an_object(raw):
    with pytest.raises(ConfigurationError, match="a checkpoint job is a JSON object"):
        CheckpointJob.from_json(raw)


@pytest.mark.parametrize("content", [None, b"{", b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_job_is_an_error_that_names_it(tmp_path, content):
    if content is not None:
        (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"job\.json cannot be read"):
        CheckpointJob.load(tmp_path / "job.json")
