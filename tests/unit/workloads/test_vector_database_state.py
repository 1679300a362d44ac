"""What stands of a vector database case: the mark beside the collection, the leaves in the tree, and what follows for the next start."""

from __future__ import annotations

import dataclasses
import json

import pytest
from vector_database_cases import SMALL, plan_of, summary

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.layout import parse_result_path
from pytest_mlpstorage.workloads.base import Collected
from pytest_mlpstorage.workloads.vector_database_job import job_of
from pytest_mlpstorage.workloads.vector_database_judge import own_findings
from pytest_mlpstorage.workloads.vector_database_series import vector_series
from pytest_mlpstorage.workloads.vector_database_state import (
    MARK,
    begin_load,
    finish_load,
    found,
    mark_collection,
    may_replace,
    read_state,
    require_collection,
)

DATASET = {"sha256": "abc", "fingerprint": "def", "contrast": 2.5}


def leaf_of(plan, number, *, name="20261126_01000", mlps=None, **changes):
    """A leaf of a step as a finished one stands in the tree."""
    step = plan.case.steps[number]
    folder = plan.leaf_parent(step) / f"{name}{number}"
    folder.mkdir(parents=True)
    record = plan.metadata(step, folder)
    record = dataclasses.replace(record, mlps={**record.mlps, "run_id": "r1", "dataset": DATASET, **(mlps or {})})
    (folder / f"vector_database_{folder.name}_metadata.json").write_text(json.dumps(record.to_json()))
    (folder / "summary.json").write_text(json.dumps(summary(**changes)))
    return folder


def finished(plan, leaf):
    finish_load(plan, leaf, "r1", Collected({}, mlps={"dataset": DATASET}))


@pytest.fixture
def plan(tmp_path):
    return plan_of(tmp_path)


def test_a_collection_goes_from_missing_over_begun_to_complete(plan):
    assert read_state(plan).state == "missing"
    assert not may_replace(plan)
    assert begin_load(plan, "r1") == ()
    assert read_state(plan).state == "begun"
    assert may_replace(plan)
    (line,) = begin_load(plan, "r2")
    assert "was not finished; the collection is made anew" in line
    finished(plan, leaf_of(plan, 0))
    state = read_state(plan)
    assert (state.state, state.run_id) == ("complete", "r1")
    assert (state.dataset_sha256, state.dataset_fingerprint, state.contrast) == ("abc", "def", 2.5)
    require_collection(plan)
    assert found(plan, plan.case.steps[0]).endswith("/vector_database/zvec/DISKANN/datagen/20261126_010000")


def test_a_load_that_was_killed_between_leaf_and_mark_counts_as_done(plan):
    begin_load(plan, "r1")
    leaf_of(plan, 0)
    assert "was whole but for the mark" in found(plan, plan.case.steps[0])
    assert read_state(plan).state == "begun", "a dry run asks this too, and writes nothing"
    mark_collection(plan)
    state = read_state(plan)
    assert state.state == "complete"
    assert (state.dataset_sha256, state.dataset_fingerprint, state.contrast) == ("abc", "def", 2.5)


def test_a_collection_that_lacks_more_than_the_mark_is_not_marked(plan):
    mark_collection(plan)
    assert read_state(plan).state == "missing"
    leaf_of(plan, 0)
    begin_load(plan, "another")
    mark_collection(plan)
    assert read_state(plan).state == "begun"


def test_a_run_is_told_what_the_load_found_of_the_vectors(plan, tmp_path):
    load, run, *_ = plan.case.steps
    begin_load(plan, "r1")
    finished(plan, leaf_of(plan, 0))
    job = job_of(plan, run, tmp_path)
    assert (job.dataset_sha256, job.dataset_fingerprint, job.dataset_contrast) == ("abc", "def", 2.5)
    assert job_of(plan, load, tmp_path).dataset_fingerprint == ""


@pytest.mark.parametrize("content", ["", "[]", '{"state": "done"}', '{"state": 3}'])
def test_a_damaged_mark_is_a_load_that_was_not_finished(plan, content):
    begin_load(plan, "r1")
    (plan.folder / MARK).write_text(content)
    assert read_state(plan).state == "begun"
    with pytest.raises(FileSystemError, match="was not finished"):
        require_collection(plan)


def test_another_collection_is_not_the_planned_one(plan, tmp_path):
    begin_load(plan, "r1")
    finished(plan, leaf_of(plan, 0))
    other = plan_of(tmp_path, SMALL, "vectordb.seed=8")
    with pytest.raises(FileSystemError, match="another one is there") as caught:
        require_collection(other)
    assert "seed: 7 there, 8 planned" in caught.value.details["differences"]
    assert not may_replace(other)
    with pytest.raises(FileSystemError, match=r"dataset.seed: 7 in the tree, 8 planned"):
        _raised(other)


def _raised(plan):
    try:
        found(plan, plan.case.steps[0])
    except FileSystemError as error:
        raise FileSystemError(error.details["differences"]) from None


def test_a_leaf_without_its_collection_is_told_unless_every_run_is_done(plan):
    leaf_of(plan, 0)
    with pytest.raises(FileSystemError, match="does not say that it is there"):
        found(plan, plan.case.steps[0])
    leaf_of(plan, 1)
    leaf_of(plan, 2)
    assert "every run is done" in found(plan, plan.case.steps[0])


def test_runs_of_a_series_are_whole_or_say_why_not(plan):
    begin_load(plan, "r1")
    finished(plan, leaf_of(plan, 0))
    leaf_of(plan, 1)
    (leaf_of(plan, 2) / "summary.json").write_text("{")
    series = vector_series(plan, forced=False)
    assert [standing.invalid for standing in series.leaves] == ["", "its summary cannot be read"]
    assert series.broken == ""
    assert series.leaves[0].step == "1"


def test_runs_that_searched_other_vectors_do_not_go_on(plan):
    begin_load(plan, "r1")
    finished(plan, leaf_of(plan, 0))
    leaf_of(plan, 1, mlps={"dataset": {"sha256": "def"}})
    assert "searched another data set" in vector_series(plan, forced=False).broken


def test_a_run_of_other_parameters_is_refused_unless_all_is_done_anew(plan, tmp_path):
    leaf_of(plan, 1)
    other = plan_of(tmp_path, SMALL, "vectordb.search.search_ef=50")
    with pytest.raises(FileSystemError) as caught:
        vector_series(other, forced=False)
    assert "search.search_ef: 200 in the tree, 50 planned" in caught.value.details["differences"]
    assert len(vector_series(other, forced=True).leaves) == 1


def test_own_limits_are_asked_of_every_leaf_in_the_tree(plan):
    leaf_of(plan, 0, mlps__load={"rows": 1, "distinct_ids": 1})
    leaf_of(plan, 1, steady__recall=0.5)
    leaf_of(plan, 2)
    assert sorted(finding.rule for finding in own_findings(plan)) == ["MLPS-VDB-01", "MLPS-VDB-09"]


def test_a_result_below_its_engine_is_one_place(plan):
    relpath = plan.result_dir().relative_to(plan.config.results_dir).as_posix()
    place = parse_result_path(relpath)
    assert (place.family, place.model, place.phase) == ("vector_database", "zvec_DISKANN", None)
    leaf = parse_result_path(f"{relpath}/run/20261126_010203")
    assert (leaf.model, leaf.phase, leaf.timestamp) == ("zvec_DISKANN", "run", "20261126_010203")
    shallow = parse_result_path("open/a/results/b/vector_database/DISKANN/run/20261126_010203")
    assert (shallow.model, shallow.phase) == ("DISKANN", "run")


def test_a_leaf_of_an_earlier_load_does_not_vouch_for_one_that_was_broken_off(plan):
    begin_load(plan, "r2")
    leaf_of(plan, 0)
    with pytest.raises(FileSystemError, match="does not say that it is there"):
        found(plan, plan.case.steps[0])


def test_a_run_by_another_number_of_clients_is_refused(plan, tmp_path):
    leaf_of(plan, 1)
    with pytest.raises(FileSystemError) as caught:
        vector_series(plan_of(tmp_path, SMALL, "vectordb.clients_per_host=2"), forced=False)
    assert "num_processes: 1 in the tree, 2 planned" in caught.value.details["differences"]
