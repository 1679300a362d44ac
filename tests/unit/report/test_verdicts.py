"""verdicts.json and verdicts.csv."""

import csv
import json

import pytest
from training_tree import TrainingTree

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.report.verdicts import verdict_object, write_verdicts
from pytest_mlpstorage.rules import evaluate, judge_result


def judged(tree):
    result = tree.read()
    return verdict_object(result, judge_result(result, evaluate(result)))


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
    assert written["findings"][0] == {
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
    assert (row["verdict"], row["submitter"], row["errors"]) == ("INVALID", "acme", "2")
    assert float(row["Read B/W (GiB/s)"]) == written["metrics"]["Read B/W (GiB/s)"]
    assert "[3.3.2] error:" in row["findings"]


def test_a_session_that_judged_nothing_writes_an_empty_list(tmp_path):
    as_json, _ = write_verdicts(tmp_path, [])
    assert json.loads(as_json.read_text()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="verdicts"):
        write_verdicts(tmp_path / "file" / "out", [])
