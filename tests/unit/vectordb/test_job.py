"""The job file: what it takes, what it refuses by the field's name, and that it comes back as it was written."""

import dataclasses
import os
import stat

import pytest

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.vectordb.job import DataSource, VectorJob

GOOD = {"phase": "run", "engine": "zvec", "name": "c", "family": "DISKANN", "output_dir": "/o", "store_dir": "/s", "where": "/w"}

WRONG = [
    ({"phase": "sweep"}, "phase of a vector database job must be one of datagen, run"),
    ({"engine": ""}, "engine"),
    ({"where": ""}, "either an address or folder"),
    ({"server_dir": "/d"}, "either an address or folder"),
    ({"k": 0}, "k of a vector database job must be a whole number from 1"),
    ({"k": True}, "k"),
    ({"k": 30_000}, "at most the 20000 rows"),
    ({"workers": 0}, "workers"),
    ({"workers": 1.5}, "workers"),
    ({"cold_seconds": -1}, "cold_seconds"),
    ({"runtime_seconds": float("inf")}, "runtime_seconds"),
    ({"runtime_seconds": float("nan")}, "runtime_seconds"),
    ({"metric": "HAMMING"}, "metric"),
    ({"cold_queries": 0, "runtime_seconds": 0}, "a cold phase, a steady one or both"),
    ({"stream_queries": 200}, "enough for the cold phase and one more"),
    ({"build": {"max_degree": True}}, "build"),
    ({"search": {"search_ef": None}}, "search"),
    ({"thresholds": []}, "thresholds"),
]


@pytest.mark.parametrize(("changes", "words"), WRONG, ids=[str(case[0]) for case in WRONG])
def test_what_a_job_cannot_be_is_refused_by_the_name_of_the_field(changes, words):
    with pytest.raises(ConfigurationError) as caught:
        VectorJob(**{**GOOD, **changes})
    assert words in caught.value.message


@pytest.mark.parametrize("changes", [{"rows": 0}, {"dim": 0}, {"seed": -1}, {"sigma": -0.1}, {"queries": "none"}, {"dim": "128"}])
def test_data_that_there_cannot_be_are_refused(changes):
    with pytest.raises(ConfigurationError):
        DataSource(**changes)


def test_a_job_comes_back_from_its_file_as_it_was(tmp_path):
    job = VectorJob(**GOOD, build={"max_degree": 32}, data=DataSource(rows=50, dim=4), thresholds={"recall_min": {"value": 0.9}})
    job.write(tmp_path / "job.json")
    assert VectorJob.load(tmp_path / "job.json") == job
    assert (job.spec.dim, job.spec.family, job.spec.build) == (4, "DISKANN", {"max_degree": 32})


@pytest.mark.parametrize(
    ("where", "mode"), [("http://root:geheim@h:1", 0o600), ("host=h password=geheim", 0o600), ("http://root@h:1", 0o644)]
)
def test_a_file_with_a_password_is_its_owners_alone(tmp_path, where, mode):
    path = tmp_path / "job.json"
    before = os.umask(0o022)
    try:
        for _ in range(2):  # the second time over the first one
            VectorJob(**{**GOOD, "where": where}).write(path)
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)
    assert VectorJob.load(path).where == where


def test_phases_and_workers_follow_from_the_fields():
    job = VectorJob(**GOOD, processes=3, workers=2)
    assert (job.all_workers, job.phases) == (6, ("cold", "steady"))
    assert dataclasses.replace(job, cold_queries=0).phases == ("steady",)
    assert dataclasses.replace(job, runtime_seconds=0).phases == ("cold",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("[]", "is a JSON object, not a list"),
        ('{"phase": "run", "colour": 1}', "missing: engine, family, name, output_dir, store_dir; unknown: colour"),
        ("{}", "missing:"),
    ],
)
def test_a_file_that_holds_no_job_says_what_is_wrong(tmp_path, text, words):
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        VectorJob.load(tmp_path / "job.json")
    assert words in caught.value.message
    raw = {**VectorJob(**GOOD).to_json(), "data": {"rows": 5, "sides": 3}}
    with pytest.raises(ConfigurationError, match="unknown: sides"):
        VectorJob.from_json(raw)
