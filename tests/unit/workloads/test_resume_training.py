"""The runs of training as they stand: which of them count, and what the submitter's table says after they are set aside."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.tables import rollup_row, withdraw_rollup, write_rollup
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.training_series import training_series
from pytest_mlpstorage.workloads.training_state import require_room

_spec = importlib.util.spec_from_file_location("resume_training_tree", Path(__file__).parents[1] / "rules" / "training_tree.py")
training_tree = importlib.util.module_from_spec(_spec)
sys.modules["resume_training_tree"] = training_tree
_spec.loader.exec_module(training_tree)


@pytest.fixture
def tree(tmp_path):
    return training_tree.TrainingTree.write(tmp_path / "results")


def series(tree, *, division=Division.CLOSED, data_dir="/nowhere"):
    config = SimpleNamespace(results_dir=tree.root, division=division, data_dir=Path(data_dir), submitter=tree.submitter)
    plan = SimpleNamespace(
        config=config, edition=edition("3.0"), model=tree.model, warmup_runs=1, result_dir=lambda: tree.result_dir, data_folder=data_dir
    )
    return training_series(plan, forced=True)


def faults(tree, **more):
    return [leaf.invalid for leaf in series(tree, **more).leaves]


def test_runs_of_a_valid_result_all_count_and_carry_their_times(tree):
    found = series(tree)
    assert [leaf.invalid for leaf in found.leaves] == [""] * 6
    assert all(leaf.named is not None and leaf.seconds > 0 for leaf in found.leaves)
    assert (found.limits[0].rule, found.limits[0].factor, found.warmups, found.broken) == ("2.1.18", 2.0, 1, "")
    assert found.tables == (f"{tree.relpath}/run/results.json",)


@pytest.mark.parametrize("text", ["", "[]", '{"start": ', "\0"])
def test_a_summary_that_cannot_be_read_costs_its_run_alone(tree, text):
    (tree.runs[2] / "summary.json").write_text(text)
    found = faults(tree)
    assert "its summary cannot be read" in found[2]
    assert [text for i, text in enumerate(found) if i != 2] == [""] * 5


def test_metadata_that_cannot_be_read_cost_the_run(tree):
    next(tree.runs[0].glob("*_metadata.json")).write_text("{")
    assert "its metadata cannot be read" in faults(tree)[0]


def test_a_run_without_a_duration_does_not_count(tree):
    tree.edit_summary(lambda summary: summary.update(end=summary["start"]), run=3)
    assert "from when to when" in faults(tree)[3]


def test_each_run_below_the_utilization_is_told_with_both_figures_and_the_rule(tree):
    tree.edit_metric(run=1, train_au_mean_percentage=89.9)
    tree.edit_metric(run=4, train_au_mean_percentage=89.9)
    found = faults(tree)
    assert [bool(text) for text in found] == [False, True, False, False, True, False]
    assert "measured 89.9, required 90.0 (3.3.2)" in found[1]


def test_a_file_that_is_missing_costs_the_run_and_what_every_run_would_break_costs_none(tree):
    next(tree.runs[5].glob("dlio_config/hydra.yaml")).unlink()
    tree.edit_metadata(lambda metadata: metadata["override_parameters"].update({"model.name": "other"}))
    found = faults(tree)
    assert "2.1.20" in found[5]
    assert found[:5] == [""] * 5


def test_an_empty_tree_is_an_empty_series(tree):
    for run in tree.runs:
        run.rename(tree.root / run.name)
    assert series(tree).leaves == []


def test_a_row_is_withdrawn_and_others_stay(tree):
    row = rollup_row(tree.read(), warmup_runs=1)
    other = {**row, "Name": "slowfs"}
    write_rollup(tree.root, tree.division, tree.submitter, [row, other])
    table = tree.root / "closed/acme/results/results.json"
    assert withdraw_rollup(tree.root, tree.division, tree.submitter, row) is True
    assert [standing["Name"] for standing in json.loads(table.read_text())] == ["slowfs"]
    assert len(table.with_suffix(".csv").read_text().splitlines()) == 2
    assert withdraw_rollup(tree.root, tree.division, tree.submitter, row) is False
    withdraw_rollup(tree.root, tree.division, tree.submitter, other)
    assert not table.exists()
    assert withdraw_rollup(tree.root, tree.division, tree.submitter, row) is False


def test_a_published_row_stays(tree):
    row = {**rollup_row(tree.read(), warmup_runs=1), "Public ID": "4.0-0001"}
    write_rollup(tree.root, tree.division, tree.submitter, [row])
    assert withdraw_rollup(tree.root, tree.division, tree.submitter, row) is False


@pytest.mark.parametrize(("files", "suffix", "mixed"), [(28, "npz", False), (14, "npz", True), (28, "jpeg", True)])
def test_a_data_set_is_not_mixed_with_another(tmp_path, files, suffix, mixed):
    manifest = {
        "model": "unet3d", "run_id": "x", "num_files_train": 28, "num_samples_per_file": 1, "record_length_bytes": 1, "format": "npz",
        "total_bytes_on_disk": 28, "source_datagen_result_dir": "somewhere",
    }  # fmt: skip
    (tmp_path / "unet3d").mkdir()
    (tmp_path / "unet3d/.mlps-datagen-manifest.json").write_text(json.dumps(manifest))
    plan = SimpleNamespace(
        config=SimpleNamespace(data_dir=tmp_path), model="unet3d", files=files, file_suffix=suffix, data_folder=tmp_path / "unet3d"
    )
    if not mixed:
        require_room(plan)
        return
    with pytest.raises(FileSystemError, match="holds a data set of 28 npz files"):
        require_room(plan)
