"""What counts as finished: data sets by their markers, phases by their leaves."""

import datetime as dt
import json

import pytest

from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, ValidationError
from pytest_mlpstorage.results.state import (
    IN_PROGRESS,
    MANIFEST,
    Complete,
    DatasetManifest,
    InProgress,
    Missing,
    Unreadable,
    begin_dataset,
    complete_dataset,
    finished_leaves,
    read_dataset_state,
)
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.verdict import Division

NOW = dt.datetime(2026, 11, 25, 0, 10, tzinfo=dt.timezone.utc)


def manifest(run_id="r1", **changes):
    fields = {
        "model": "unet3d",
        "run_id": run_id,
        "num_files_train": 70,
        "num_samples_per_file": 1,
        "record_length_bytes": 4194304,
        "format": "npz",
        "total_bytes_on_disk": 293601280,
        "source_datagen_result_dir": "whatif/acme/results/fastfs/training/unet3d/datagen/20261125_001000",
        "completed": "2026-11-25T00:11:00+00:00",
        "parameters": {"dataset.num_files_train": 70, "dataset.format": "npz"},
    }
    return DatasetManifest(**{**fields, **changes})


def state(tmp_path):
    return read_dataset_state(tmp_path, "unet3d")


def test_a_data_set_goes_from_missing_over_in_progress_to_complete(tmp_path):
    assert state(tmp_path) == Missing()
    begin_dataset(tmp_path, "unet3d", run_id="r1", now=NOW)
    assert state(tmp_path).run_id == "r1"
    assert dt.datetime.fromisoformat(state(tmp_path).since) == NOW
    assert complete_dataset(tmp_path, manifest()) == tmp_path / "unet3d" / MANIFEST
    assert state(tmp_path) == Complete(manifest())
    assert [p.name for p in (tmp_path / "unet3d").iterdir()] == [MANIFEST]


def test_data_without_a_marker_is_missing_and_named(tmp_path):
    (tmp_path / "unet3d" / "train").mkdir(parents=True)
    assert state(tmp_path) == Missing(("train",))


def test_a_manifest_written_just_before_the_end_is_complete(tmp_path):
    begin_dataset(tmp_path, "unet3d", run_id="r1")
    in_progress = (tmp_path / "unet3d" / IN_PROGRESS).read_text()
    complete_dataset(tmp_path, manifest())
    (tmp_path / "unet3d" / IN_PROGRESS).write_text(in_progress)
    assert state(tmp_path) == Complete(manifest())


def test_a_second_generation_withdraws_the_first_manifest_at_once(tmp_path):
    begin_dataset(tmp_path, "unet3d", run_id="r1")
    complete_dataset(tmp_path, manifest())
    old = (tmp_path / "unet3d" / MANIFEST).read_text()
    begin_dataset(tmp_path, "unet3d", run_id="r2")
    assert isinstance(state(tmp_path), InProgress)
    assert not (tmp_path / "unet3d" / MANIFEST).exists()
    # Killed between the two steps of begin_dataset: the older manifest still stands, and does not count.
    (tmp_path / "unet3d" / MANIFEST).write_text(old)
    assert state(tmp_path).run_id == "r2"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (MANIFEST, "{", "is no JSON"),
        (MANIFEST, "", "is empty"),
        (MANIFEST, "{}", "num_files_train is missing; num_samples_per_file is missing"),
        (MANIFEST, json.dumps({**manifest().to_json(), "num_files_train": "many"}), "num_files_train is 'many', not a whole number"),
        (IN_PROGRESS, "[]", "holds a JSON list"),
    ],
    ids=str,
)
def test_a_damaged_marker_is_not_complete_and_says_why(tmp_path, name, content, message):
    complete_dataset(begin_dataset(tmp_path, "unet3d", run_id="r1").parents[1], manifest())
    (tmp_path / "unet3d" / name).write_text(content)
    read = state(tmp_path)
    assert isinstance(read, Unreadable)
    assert read.file == tmp_path / "unet3d" / name
    assert read.message.startswith(message)


def test_a_manifest_is_read_back_as_it_was_written_with_the_keys_of_the_rule_book():
    written = json.loads(json.dumps(manifest().to_json()))
    assert DatasetManifest.from_json(written, "x") == manifest()
    assert written["num_files_train"] == 70
    assert written["source_datagen_result_dir"].endswith("datagen/20261125_001000")
    with pytest.raises(ValidationError, match="model is missing"):
        DatasetManifest.from_json({k: v for k, v in written.items() if k != "model"}, "x")


def test_a_data_set_matches_parameters_in_any_spelling_and_lists_what_differs():
    assert manifest().matches({"dataset.num_files_train": "70", "dataset.format": "npz"})
    assert manifest().matches({})
    differences = manifest().differences({"dataset.num_files_train": 71, "dataset.format": "jpeg", "dataset.x": 1})
    assert [str(d) for d in differences] == [
        "dataset.format: 'npz' on disk, 'jpeg' wanted",
        "dataset.num_files_train: 70 on disk, 71 wanted",
        "dataset.x: None on disk, 1 wanted",
    ]


def test_a_model_that_is_no_directory_name_and_an_impossible_place_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"model '\.\./x' cannot be"):
        read_dataset_state(tmp_path, "../x")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSystemError, match="cannot mark the data set as in progress"):
        begin_dataset(tmp_path / "file", "unet3d", run_id="r")


def finished(root):
    return finished_leaves(root, Division.WHATIF, "acme", "fastfs", "unet3d")


def test_a_finished_phase_is_one_whose_leaf_stands_with_its_record(tmp_path):
    assert finished(tmp_path).runs == ()
    base = tmp_path / "whatif/acme/results/fastfs/training/unet3d"
    for phase, stamp, record in [
        ("datasize", "20261125_001000", "training_20261125_001000_metadata.json"),
        ("datagen", "20261125_001001", "training_20261125_001001_metadata.json"),
        ("datagen", "20261125_001002", "unrelated.json"),
        ("run", "20261125_001003", "summary.json"),
        ("run", "20261125_001004", "unrelated.json"),
    ]:
        leaf = LeafWriter.create(tmp_path, base / phase / stamp, run_id=f"{phase}{stamp}")
        leaf.write_json(record, {})
        leaf.commit()
    LeafWriter.create(tmp_path, base / "run" / "20261125_001005", run_id="unfinished").write_json("summary.json", {})
    LeafWriter.create(tmp_path, base / "run" / "20261125_001006", run_id="failed").fail("x")
    found = finished(tmp_path)
    assert (found.datasize.name, found.datagen.name) == ("20261125_001000", "20261125_001001")
    assert [leaf.name for leaf in found.runs] == ["20261125_001003"]
