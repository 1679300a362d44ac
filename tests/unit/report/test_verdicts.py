"""verdicts.json and verdicts.csv."""

import csv
import json

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.report.verdicts import submission_object, verdict_object, write_submissions, write_verdicts
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.rules import edition_of, judge_place, judge_tree, metrics_of


def judged(tree):
    found = read_tree(tree.root)
    place = found.place(tree.relpath)
    result = found.load(place)
    metrics = metrics_of(result, edition_of(result))
    return verdict_object(place, judge_place(found, place), accelerator=result.accelerator, metrics=metrics)


@pytest.fixture
def slow(tmp_path):
    tree = TrainingTree.write(tmp_path / "t")
    tree.edit_metric(run=2, train_au_mean_percentage=88.125)
    return tree


def test_an_object_holds_identity_verdict_metrics_and_findings(slow):
    written = judged(slow)
    assert list(written) == [
        "division", "submitter", "system", "benchmark_type", "model", "accelerator", "path", "edition", "verdict", "metrics", "findings",
    ]  # fmt: skip
    assert (written["path"], written["accelerator"], written["verdict"]) == (
        "closed/acme/results/fastfs/training/unet3d",
        "b200",
        "INVALID",
    )
    assert written["metrics"]["train_mean_of_au_percentage"] == pytest.approx(97.2)
    assert next(f for f in written["findings"] if f["rule"] == "3.3.2") == {
        "rule": "3.3.2",
        "severity": "error",
        "category": "INVALID",
        "message": "the accelerator utilization of a measured run is below the minimum",
        "measured": 88.125,
        "required": 90.0,
        "file": f"{slow.relpath}/run/{slow.runs[2].name}/summary.json",
        "field": "metric.train_au_mean_percentage",
        "count": 1,
    }


def test_both_files_say_the_same(slow, tmp_path):
    written = judged(slow)
    as_json, as_csv = write_verdicts(tmp_path / "new" / "out", [written])
    assert json.loads(as_json.read_text()) == [written]
    (row,) = csv.DictReader(as_csv.open())
    assert (row["verdict"], row["submitter"]) == ("INVALID", "acme")
    assert int(row["errors"]) == sum(f["count"] for f in written["findings"] if f["severity"] == "error")
    assert float(row["Read B/W (GiB/s)"]) == written["metrics"]["Read B/W (GiB/s)"]
    assert "[3.3.2] error:" in row["findings"]


def test_words_that_are_no_text_are_written_by_the_number_of_their_bytes(slow, tmp_path):
    tree = read_tree(slow.root)
    (place,) = tree.result_places
    judgement = judge_tree(tree).results[place.relpath]
    as_json, as_csv = write_verdicts(tmp_path, [verdict_object(place, judgement, accelerator="b200\ud800", metrics={"Mode": "\udfff"})])
    (written,) = json.loads(as_json.read_text())
    assert (written["accelerator"], written["metrics"]) == ("b200\\ud800", {"Mode": "\\udfff"})
    assert "b200\\ud800" in as_csv.read_text()


def test_a_session_that_judged_nothing_writes_an_empty_list(tmp_path):
    as_json, _ = write_verdicts(tmp_path, [])
    assert json.loads(as_json.read_text()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="verdicts"):
        write_verdicts(tmp_path / "file" / "out", [])


def test_a_submission_is_an_object_with_the_verdict_of_each_result(slow, tmp_path):
    found = read_tree(slow.root)
    verdicts = judge_tree(found)
    place = found.places[1]
    results = [(p, verdicts.results[p.relpath]) for p in found.inside(place) if p.is_result]
    written = submission_object(place, verdicts.submissions[place.relpath], results, "strict")
    assert list(written) == ["division", "submitter", "path", "edition", "profile", "verdict", "results", "findings"]
    assert (written["path"], written["verdict"], written["results"]) == ("closed/acme", "INVALID", {slow.relpath: "INVALID"})
    assert json.loads(write_submissions(tmp_path / "new", [written]).read_text()) == [written]


def test_a_folder_of_submissions_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="verdicts"):
        write_submissions(tmp_path / "file" / "out", [])
