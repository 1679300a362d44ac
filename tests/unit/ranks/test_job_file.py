"""A job file that is none, whatever engine it is for: one sentence, and never a traceback."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.official_job import OfficialJob
from pytest_mlpstorage.kvcache.precondition import Precondition
from pytest_mlpstorage.ranks.job_file import fields_of
from pytest_mlpstorage.vectordb.job import VectorJob

JOBS = [CheckpointJob, KVCacheJob, OfficialJob, Precondition, VectorJob]


@dataclasses.dataclass
class Job:
    """One field that must be there, and two that need not."""

    needed: int
    given: int = 3
    made: list[int] = dataclasses.field(default_factory=list)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("text", [None, "", "{", "[" * 100_000, b"\xff"])
def test_a_file_that_is_not_there_or_no_json_is_named(tmp_path, job, text):
    path = tmp_path / "job.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=r"job\.json cannot be read"):
        job.load(path)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("text", "words"), [("[]", "is a JSON object, not a list"), ("null", "not a NoneType"), ('{"strange": 1}', "unknown: strange")]
)
def test_json_that_is_no_such_job_says_what_is_wrong_with_it(tmp_path, job, text, words):
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        job.load(path)


def test_all_that_is_missing_and_all_that_is_unknown_is_named_at_once():
    with pytest.raises(ConfigurationError, match=r"the fields of a small job are not right: missing: needed; unknown: more, other"):
        fields_of(Job, {"other": 1, "more": 2}, "small job")


def test_what_has_a_default_may_be_left_out():
    assert fields_of(Job, {"needed": 1}, "small job") == {"needed": 1}
    assert Job(**fields_of(Job, {"needed": 1, "made": [2]}, "small job")) == Job(1, 3, [2])
