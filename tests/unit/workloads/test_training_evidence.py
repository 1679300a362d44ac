"""What a run's leaf holds from before the launch, so that the rules can see afterwards how it was run."""

import dataclasses
import json

import pytest

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.layout import leaf_path
from pytest_mlpstorage.results.state import Complete, DatasetManifest, InProgress, begin_dataset, complete_dataset, read_dataset_state
from pytest_mlpstorage.workloads.training import WORKLOAD
from pytest_mlpstorage.workloads.training_job import make_job
from pytest_mlpstorage.workloads.training_state import require_dataset

YAML = (
    "division: closed\nsubmitter: acme\nsystem: box\ntraining:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 8}\n"
)


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "closed.yaml").write_text(YAML)
    families = [WORKLOAD.schema()]
    config = load_config(tmp_path / "closed.yaml", families=families, options={}, assignments=(), environ={}, invocation_dir=tmp_path)
    config.data_dir.mkdir(parents=True)
    config.results_dir.mkdir(parents=True)
    (case,) = WORKLOAD.cases(config)
    return WORKLOAD.plan(case, config, ClusterFacts((host_facts([config.data_dir, config.results_dir]),), "test"))


def generated(plan):
    leaf = leaf_path(plan.config.results_dir, plan.config.division, "acme", "box", "training", "unet3d", "datagen", "20260101_000000")
    source = leaf.relative_to(plan.config.results_dir).as_posix()
    manifest = DatasetManifest(plan.model, "r", plan.files, 1, 9, "npz", 9, source)
    begin_dataset(plan.config.data_dir, plan.model, run_id="r")
    complete_dataset(plan.config.data_dir, manifest)


def leaf_after(plan, step, tmp_path, *, write=True):
    staged, scratch = tmp_path / "staged", tmp_path / "scratch"
    staged.mkdir()
    scratch.mkdir()
    WORKLOAD.job(plan, step, staged=staged, scratch=scratch, write=write)
    return {path.name: json.loads(path.read_text()) for path in staged.iterdir()}


def steps(plan, phase):
    return [step for step in plan.case.steps if step.phase == phase]


def test_every_run_records_whether_its_data_and_results_lie_on_one_filesystem(plan, tmp_path):
    generated(plan)
    record = leaf_after(plan, steps(plan, "run")[0], tmp_path)["fs_separation.json"]
    assert record["same_filesystem"] is True
    assert record["data_or_chkpt_path"] == str(plan.config.data_dir)
    assert record["results_path"] == str(plan.config.results_dir)


def test_every_run_takes_over_the_manifest_of_its_data_and_says_so(plan, tmp_path):
    generated(plan)
    step = steps(plan, "run")[2]
    manifest = leaf_after(plan, step, tmp_path)["datagen-manifest.json"]
    assert (manifest["num_files_train"], manifest["source_datagen_result_dir"].split("/")[-2]) == (plan.files, "datagen")
    assert plan.metadata(step, tmp_path / "leaf").datagen_manifest_file == "datagen-manifest.json"


def test_a_data_generation_records_neither(plan, tmp_path):
    (step,) = steps(plan, "datagen")
    assert leaf_after(plan, step, tmp_path) == {}
    assert plan.metadata(step, tmp_path / "leaf").datagen_manifest_file is None


def test_a_dry_run_writes_no_evidence(plan, tmp_path):
    assert leaf_after(plan, steps(plan, "run")[0], tmp_path, write=False) == {}


def test_a_run_without_a_complete_data_set_is_refused_before_the_launch(plan, tmp_path):
    with pytest.raises(FileSystemError, match="no complete data set"):
        leaf_after(plan, steps(plan, "run")[0], tmp_path)


def test_a_disk_that_takes_no_folder_is_told_as_what_it_is(plan, tmp_path):
    generated(plan)
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch/configs").write_text("no directory can be made here")
    with pytest.raises(FileSystemError, match="cannot make the folders of a launch"):
        make_job(plan, steps(plan, "run")[0], staged=tmp_path, scratch=tmp_path / "scratch", write=True)


def test_a_file_of_the_data_set_that_leads_nowhere_is_told_by_the_folder(plan):
    generated(plan)
    (plan.data_folder / "train").mkdir(parents=True)
    (plan.data_folder / "train/img_0.npz").symlink_to("/nowhere/img_0.npz")
    with pytest.raises(FileSystemError, match="the files of the data set cannot be looked at"):
        require_dataset(plan)


def killed_before_the_mark(plan, **told):
    """A generation whose leaf stands and whose data set is still marked as begun."""
    (step,) = steps(plan, "datagen")
    leaf = leaf_path(plan.config.results_dir, plan.config.division, "acme", "box", "training", "unet3d", "datagen", "20260101_000000")
    record = plan.metadata(step, leaf)
    mlps = {**record.mlps, "run_id": "r", "metrics": {"bytes_on_disk": 9}, **told}
    leaf.mkdir(parents=True)
    record = dataclasses.replace(record, mlps=mlps)
    (leaf / "training_20260101_000000_metadata.json").write_text(json.dumps(record.to_json()))
    begin_dataset(plan.config.data_dir, plan.model, run_id="r")
    return step


def test_a_data_set_that_lacks_only_its_mark_is_found_without_writing_and_then_marked(plan):
    step = killed_before_the_mark(plan)
    assert "(its data set was complete but for the mark)" in WORKLOAD.found(plan, step)
    assert isinstance(read_dataset_state(plan.config.data_dir, plan.model), InProgress), "a dry run asks this too, and writes nothing"
    for other in plan.case.steps:
        if other is not step:
            WORKLOAD.settle(plan, other)
    assert isinstance(read_dataset_state(plan.config.data_dir, plan.model), InProgress)
    WORKLOAD.settle(plan, step)
    state = read_dataset_state(plan.config.data_dir, plan.model)
    assert isinstance(state, Complete)
    assert (state.manifest.run_id, state.manifest.total_bytes_on_disk) == ("r", 9)


@pytest.mark.parametrize("told", [{"run_id": "another"}, {"metrics": []}, {"metrics": {}}, {"metrics": {"bytes_on_disk": "many"}}])
def test_one_that_lacks_more_is_not_marked(plan, told):
    step = killed_before_the_mark(plan, **told)
    WORKLOAD.settle(plan, step)
    assert isinstance(read_dataset_state(plan.config.data_dir, plan.model), InProgress)
    with pytest.raises(FileSystemError, match="holds no complete one"):
        WORKLOAD.found(plan, step)
